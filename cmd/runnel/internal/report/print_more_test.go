package report

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge"
	"runnel/edge/budget"
	"runnel/edge/durable"
	"runnel/transport"
	"runnel/transport/guest/rest"
	"runnel/transport/serial"
)

func printed(t *testing.T, r Status) string {
	t.Helper()
	var out bytes.Buffer
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The status shows each trouble with its part. It does not mention parts that are in order.
func TestStatusShowsTroubles(t *testing.T) {
	synctest.Test(t, showsTroubles) // where no time passes
}

func showsTroubles(t *testing.T) {
	ago := time.Now().Add(-90 * time.Second)
	up := func(change func(*Uplink)) Status {
		u := Uplink{Name: "north", Up: true, Since: ago}
		change(&u)
		return Status{Uplinks: []Uplink{u}}
	}
	line := func(change func(*Serial)) Status {
		s := Serial{Name: "bus", State: string(serial.Serving), Since: ago}
		change(&s)
		return Status{Serial: []Serial{s}}
	}
	listener := func(c transport.Counters) Status {
		return Status{Listeners: []Listener{{URL: "tcp://:1", Counters: c}}}
	}
	for name, c := range map[string]struct {
		status    Status
		want, not []string
	}{
		"nothing":               {Status{}, nil, []string{"ALARM", "memory", "LISTENER", "WEBHOOK", "DURABLE", "SERIAL LINE", "UPLINK", "QUEUE"}},
		"a fault":               {Status{Faults: []Fault{{"listener tcp://:1", "in use", ago}}}, []string{"ALARM for 1m30s: listener tcp://:1: in use"}, nil},
		"memory":                {Status{Memory: &budget.Status{Used: 1, Limit: 2}}, []string{"1B of 2B of memory in use\n"}, []string{"cut"}},
		"short memory":          {Status{Memory: &budget.Status{Cut: 2, Refused: map[string]uint64{"calls": 3}}}, []string{", 2 peers disconnected to free some, 3 calls refused\n"}, nil},
		"a realm":               {Status{Router: edge.Status{Realms: []edge.RealmStatus{{Name: "realm1"}}}}, []string{"realm1"}, []string{"realm1:", "\n\n\n"}},
		"a realm's disk":        {Status{Router: edge.Status{Realms: []edge.RealmStatus{{Name: "realm1", Trouble: "disk full"}}}}, []string{"realm1: not kept on disk: disk full\n"}, nil},
		"durable subscriptions": {Status{Router: edge.Status{Realms: []edge.RealmStatus{{Name: "realm1", Durable: []durable.State{{Name: "erp", URI: "com.a"}}}}}}, []string{"erp"}, nil},
		"a clash": {Status{Router: edge.Status{Clashes: []edge.Clash{{Realm: "realm1", Node: "n", First: "one", Second: "two"}}}},
			[]string{"ALARM: realm1: the node id n is used twice, by one and by two\n"}, nil},

		"a webhook": {Status{Webhooks: []Webhook{{Topic: "com.a", WebhookState: rest.WebhookState{Name: "hook", Delivered: 5, Refused: 1, Retries: 2}}}},
			[]string{"WEBHOOK  TOPIC  DELIVERED  REFUSED  RETRIES\nhook     com.a  5          1        2\n"}, []string{"hook:"}},
		"a webhook that fails": {Status{Webhooks: []Webhook{{WebhookState: rest.WebhookState{Name: "hook", Problem: "503", Since: ago, Refusal: "400"}}}},
			[]string{"hook:\n  ALARM for 1m30s: 503\n  last refusal: 400\n"}, nil},

		"a listener":        {listener(transport.Counters{}), []string{"tcp://:1"}, []string{"tcp://:1:", "accepted"}},
		"connections":       {listener(transport.Counters{Accepted: 9, Connections: 3, WebSocket: 1, LongPoll: 2}), []string{"  9 connections accepted, 3 open (1 websocket, 2 longpoll)\n"}, []string{"rawsocket"}},
		"none open":         {listener(transport.Counters{Accepted: 1}), []string{"  1 connection accepted, 0 open\n"}, nil},
		"strangers":         {listener(transport.Counters{Accepted: 1, Failed: 1}), []string{"0 open, 1 without a message\n"}, nil},
		"too many":          {listener(transport.Counters{Refused: 1, Limit: 4}), []string{"; 1 refused beyond the limit of 4\n"}, []string{"without"}},
		"HTTP":              {Status{Listeners: []Listener{{URL: "tcp://:1", Counters: transport.Counters{Accepted: 1}, HTTP: &rest.State{Published: 1, Called: 2, Streams: 3}}}}, []string{"  HTTP: 1 event published, 2 calls, 3 streams of events, 0 errors\n"}, nil},
		"failed HTTP":       {Status{Listeners: []Listener{{URL: "tcp://:1", Counters: transport.Counters{Accepted: 1}, HTTP: &rest.State{Failed: 1}}}}, []string{"  HTTP: 0 events published, 0 calls, no streams of events, 1 error\n"}, nil},
		"no HTTP":           {Status{Listeners: []Listener{{URL: "tcp://:1", Counters: transport.Counters{Accepted: 1}, HTTP: &rest.State{}}}}, []string{"accepted"}, []string{"HTTP"}},
		"a certificate":     {Status{Listeners: []Listener{{URL: "tls://:1", Certificate: &Certificate{}}}}, nil, []string{"tls://:1:"}},
		"a bad certificate": {Status{Listeners: []Listener{{URL: "tls://:1", Certificate: &Certificate{Alarm: "expired"}}}}, []string{"tls://:1:\n  ALARM: expired\n"}, nil},

		"an uplink":        {up(func(*Uplink) {}), []string{"north   up     1m30s  -", "QUEUE"}, []string{"north:"}},
		"a round trip":     {up(func(u *Uplink) { u.RoundTrip = 2.25 }), []string{"2.2ms"}, nil},
		"an old trip":      {up(func(u *Uplink) { u.Up, u.RoundTrip = false, 2.25 }), []string{"down   1m30s  -"}, nil},
		"its URL":          {up(func(u *Uplink) { u.URL = "tcp://c" }), []string{"north:\n  tcp://c\n"}, nil},
		"bytes up":         {up(func(u *Uplink) { u.OctetsOut = 5 }), []string{"  5B up, 0B down\n"}, nil},
		"bytes down":       {up(func(u *Uplink) { u.OctetsIn = 5 }), []string{"  0B up, 5B down\n"}, nil},
		"an old error":     {up(func(u *Uplink) { u.Error = "refused" }), nil, []string{"refused"}},
		"an error":         {up(func(u *Uplink) { u.Up, u.Error = false, "refused" }), []string{"  last error: refused\n"}, nil},
		"the same node id": {up(func(u *Uplink) { u.Clash = "two of n" }), []string{"  ALARM: two of n\n"}, nil},
		"its certificate":  {up(func(u *Uplink) { u.Certificate = &Certificate{Alarm: "expired"} }), []string{"  ALARM: expired\n"}, nil},
		"events dropped":   {up(func(u *Uplink) { u.EventsUp.Dropped = 1 }), []string{"  1 event up and 0 down dropped\n"}, nil},
		"calls dropped":    {up(func(u *Uplink) { u.CallsDown.Dropped = 2 }), []string{"  0 calls up and 2 down could not be made\n"}, nil},
		"a circle":         {up(func(u *Uplink) { u.Looped = 2 }), []string{"  2 events and calls not sent on"}, nil},
		"a second session": {up(func(u *Uplink) { u.Reconnects = 1 }), []string{"  joined again once\n"}, nil},
		"a refused rule":   {up(func(u *Uplink) { u.Refused = []string{"com.a"} }), []string{"  rejected: com.a\n"}, nil},
		"a full disk":      {up(func(u *Uplink) { u.Queue = Queue{Uplink: "north", Alarm: "disk full", AlarmFor: 90} }), []string{"north:\n  ALARM, for 1m30s: disk full\n"}, nil},
		"held topics": {up(func(u *Uplink) {
			u.Queue = Queue{Uplink: "north", HeldTopics: 2, Held: []HeldTopic{{Topic: "com.a", Events: 1, Reason: "no"}}}
		}), []string{"  held: com.a, 1 event since ", ": no\n", "  held: 1 topic more\n"}, nil},
		"expired events":  {up(func(u *Uplink) { u.Queue = Queue{Uplink: "north", Expired: 1} }), []string{"north:\n  expired: 1 event, before they could be sent\n"}, []string{"held:"}},
		"all held topics": {up(func(u *Uplink) { u.Queue = Queue{HeldTopics: 1, Held: []HeldTopic{{Topic: "com.a"}}} }), []string{"  held: com.a, 0 events since "}, []string{"more"}},

		"a line":           {line(func(*Serial) {}), []string{"bus          serving  1m30s"}, []string{"bus:"}},
		"an old loss":      {line(func(s *Serial) { s.Error = "gone" }), nil, []string{"gone"}},
		"a listening line": {line(func(s *Serial) { s.State, s.Error = string(serial.Listening), "gone" }), nil, []string{"gone"}},
		"a lost device":    {line(func(s *Serial) { s.State, s.Error, s.ErrorAt = "waiting", "gone", ago }), []string{"bus:\n  last error, 1m30s ago: gone\n"}, nil},
		"a quiet UART":     {line(func(s *Serial) { s.UART = &UART{} }), nil, []string{"uart"}},
		"a noisy UART":     {line(func(s *Serial) { s.UART = &UART{Parity: 1} }), []string{"bus:\n  uart: 0 framing errors, 1 parity error, 0 overruns, 0 breaks\n"}, nil},
		"a link":           {line(func(s *Serial) { s.Link = &Link{Up: true, Error: "reset"} }), []string{"bus:\n  link up: 0 frames in"}, []string{"device", "reset\n", " for "}},
		"a link that ended": {line(func(s *Serial) { s.Link = &Link{Since: ago, Peer: "mcu", Error: "reset"} }),
			[]string{"  link down for 1m30s, device \"mcu\": 0 frames in", "  the last connection ended: reset\n"}, nil},
		"good lines": {line(func(s *Serial) { s.Sensor, s.Lines = &Sensor{}, &Lines{Good: 1} }),
			[]string{"bus:\n  1 good line, 0 bad", "last good reading: never\n"}, []string{"sent", "check", "left out", "the last bad one"}},
		"bad lines": {line(func(s *Serial) {
			s.Sensor = &Sensor{LastGood: ago}
			s.Lines = &Lines{Bad: 1, LastBad: ago, BadReason: "not JSON", BadLine: "x", Asked: 1, Unanswered: 1, Check: 1, BadFields: 1, BadField: "t"}
		}), []string{"  1 request sent, 1 not answered\n", "  1 telegram with a wrong check\n", "  1 field left out, the last one: t\n",
			"  the last bad one, 1m30s ago: not JSON\n  \"x\"\n", "last good reading: 1m30s ago\n"}, nil},
		"a slave":        {line(func(s *Serial) { s.Sensor, s.Modbus = &Sensor{}, &Bus{Slaves: []Slave{{Slave: 7}}} }), []string{"  slave 7: 0 requests"}, []string{"silent", "last error"}},
		"a silent slave": {line(func(s *Serial) { s.Modbus = &Bus{Slaves: []Slave{{Silent: true, Since: ago, Error: "late"}}} }), []string{"; silent for 1m30s; last error: late\n"}, nil},
		"alarms":         {line(func(s *Serial) { s.Alarms = []string{"may not publish"} }), []string{"  may not publish\n"}, nil},
	} {
		text := printed(t, c.status)
		flat := strings.ReplaceAll(text, "\n    ", " ")
		for _, want := range c.want {
			if !strings.Contains(text, want) && !strings.Contains(flat, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, text)
			}
		}
		for _, not := range c.not {
			if strings.Contains(text, not) {
				t.Errorf("%s: %q is in\n%s", name, not, text)
			}
		}
	}
}

// An event of a queue is one line: its number, time, class, topic and payload, or the content of a gap.
func TestQueuedEventForPeople(t *testing.T) {
	for want, e := range map[string]QueuedEvent{
		"7 now disk com.a 1\n":               {Sequence: 7, Time: "now", Class: "disk", Topic: "com.a", Args: []any{1}},
		"7 now disk held com.a 1\n":          {Sequence: 7, Time: "now", Class: "disk", Topic: "com.a", Args: []any{1}, Held: true},
		"7 now memory gap reason=\"size\"\n": {Sequence: 7, Time: "now", Class: "memory", Gap: map[string]any{"reason": "size"}},
	} {
		var out bytes.Buffer
		if err := e.print(&out); err != nil || out.String() != want {
			t.Errorf("%q, %v; want %q", out.String(), err, want)
		}
	}
	two := []QueuedEvent{{Sequence: 1, Time: "now", Topic: "com.a"}, {Sequence: 2, Time: "now", Topic: "com.b"}}
	var out bytes.Buffer
	if err := PrintQueued(&out, two); err != nil || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := PrintQueued(refusing{}, two); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("an output that fails: %v", err)
	}
	e := QueuedEvent{Args: []any{func() {}}}
	if err := e.print(&bytes.Buffer{}); err == nil {
		t.Error("an event that can't be written gives no error")
	}
}
