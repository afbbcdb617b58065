package mqtt

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/packet"
	"runnel/uplink"
	"runnel/uplink/spool"
)

// The names of the configuration are read as what they say; other names are not known.
func TestNamesOfForms(t *testing.T) {
	for name, want := range map[string]Format{"json": JSON, "cbor": CBOR, "raw": Raw, "text": Text, "flat": Flat, "sparkplug": SparkplugB} {
		if got, ok := ParseFormat(name); !ok || got != want {
			t.Errorf("format %q: %v, %v", name, got, ok)
		}
	}
	for name, want := range map[string]TimeFormat{"rfc3339": RFC3339, "unix_ms": UnixMilliseconds, "unix": UnixSeconds} {
		if got, ok := ParseTimeFormat(name); !ok || got != want {
			t.Errorf("time format %q: %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "JSON", "xml"} {
		if got, ok := ParseFormat(name); ok {
			t.Errorf("format %q: %v", name, got)
		}
		if got, ok := ParseTimeFormat(name); ok {
			t.Errorf("time format %q: %v", name, got)
		}
	}
	for text, want := range map[string]packet.Version{"5": packet.V5, "3.1.1": packet.V311, "": 0, "4": 0} {
		if got := ParseProtocol(text); got != want {
			t.Errorf("protocol %q: %v", text, got)
		}
	}
}

// The keys of a rule that contradict each other are named.
func TestContradictoryForms(t *testing.T) {
	topic, procedure := uplink.Rule{Topic: "a.b"}, uplink.Rule{Procedure: "a.b"}
	renamed := uplink.Rule{Topic: "a.b", LocalPrefix: "a.", RemotePrefix: "c."}
	for name, c := range map[string]struct {
		r    Rule
		want string // "": none
	}{
		"flat":              {Rule{Rule: topic, Form: &Form{Format: Flat, TimeKey: "t", ValuesKey: "v"}}, ""},
		"flat without keys": {Rule{Rule: topic, Form: &Form{Format: Flat}}, ""},
		"raw":               {Rule{Rule: topic, Form: &Form{Format: Raw}}, ""},
		"time of raw":       {Rule{Rule: topic, Form: &Form{Format: Raw, TimeKey: "t"}}, "time_key: only for"},
		"values of JSON":    {Rule{Rule: topic, Form: &Form{ValuesKey: "v"}}, "values_key: only for"},
		"one key":           {Rule{Rule: topic, Form: &Form{Format: Flat, TimeKey: "t", ValuesKey: "t"}}, "values_key: time_key and values_key are the same"},
		"call":              {Rule{Rule: procedure, Form: &Form{Format: CBOR}}, "format: calls have the format of the uplink"},
		"topic of a call":   {Rule{Rule: procedure, MQTTTopic: "x"}, "mqtt_topic: the topics of calls"},
		"topic and prefix":  {Rule{Rule: renamed, MQTTTopic: "x"}, "mqtt_topic: mqtt_topic names the whole topic"},
		"topic":             {Rule{Rule: topic, MQTTTopic: "x"}, ""},
	} {
		err := c.r.CheckExport(JSON)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if key := (*KeyError)(nil); err != nil && (!errors.As(err, &key) || !errors.Is(err, key.Err)) {
			t.Errorf("%s: the error does not name its key: %v", name, err)
		}
	}
}

// No message is made of an event that its format cannot carry, and the event is rejected before it is stored.
func TestEventsWithoutForm(t *testing.T) {
	binary, _ := codec.AppendValue(nil, wamp.CBOR, []byte("secret"))
	transparent := codec.Payload{Serializer: wamp.CBOR, Items: 1, Raw: binary}
	broken := codec.Payload{Serializer: wamp.JSON, Items: 1, Raw: []byte("[")}
	for _, f := range []Format{JSON, CBOR, Raw, Text, Flat} {
		for name, p := range map[string]codec.Payload{"transparent": transparent, "broken": broken} {
			if name == "transparent" && (f == Raw || f == Text) {
				continue // one binary is all that these formats carry
			}
			if message, err := form(f).encode(p, "a.b", noon); err == nil || form(f).accepts(p, "a.b") == nil {
				t.Errorf("%v, %s: %q, %v", f, name, message, form(f).accepts(p, "a.b"))
			}
		}
		if message, err := form(f).encode(codec.Payload{}, "a.b", noon); err != nil || len(message) > 0 || form(f).accepts(codec.Payload{}, "a.b") != nil {
			t.Errorf("%v, nothing: %q, %v", f, message, err)
		}
	}
	if _, err := form(SparkplugB).encode(payloadOf(t, wamp.CBOR, client.Args(1)), "a.b", noon); err == nil {
		t.Error("a message of Sparkplug without an edge node")
	}
}

// A message of MQTT 5 says what it holds, how long it is of use, when it was published and by whom.
func TestDescribe(t *testing.T) {
	for name, c := range map[string]struct {
		e       spool.Event
		way     route
		f       Format
		payload string
		want    string
	}{
		"json":      {spool.Event{}, route{}, JSON, "1", "1=1 3=application/json runnel"},
		"cbor":      {spool.Event{}, route{}, CBOR, "\x01", "3=application/cbor runnel"},
		"text":      {spool.Event{}, route{}, Text, "on", "1=1 3=text/plain runnel"},
		"no text":   {spool.Event{}, route{}, Text, "\xff", "runnel"},
		"flat":      {spool.Event{}, route{}, Flat, "{}", "1=1 3=application/json runnel"},
		"raw":       {spool.Event{}, route{}, Raw, "on", "runnel"},
		"empty":     {spool.Event{}, route{}, JSON, "", "runnel"},
		"publisher": {spool.Event{}, route{publisher: "ann"}, JSON, "", "runnel runnel=ann"},
		"limited":   {spool.Event{Expires: time.Now().Add(time.Hour)}, route{}, JSON, "", "2=3599 runnel"},
		"over":      {spool.Event{Expires: time.Now().Add(-time.Hour)}, route{}, JSON, "", "runnel"},
	} {
		c.e.Time = noon
		list := describe(&c.e, &c.way, c.f, []byte(c.payload))
		var got []string
		for _, p := range list {
			switch p.ID {
			case packet.PayloadFormat:
				got = append(got, "1="+string(rune('0'+p.Number)))
			case packet.ContentType:
				got = append(got, "3="+p.Text)
			case packet.MessageExpiry:
				if p.Number < 3590 || p.Number > 3600 {
					t.Errorf("%s: %d s are left", name, p.Number)
				}
				got = append(got, "2=3599")
			case packet.UserProperty:
				if p.Name == timeProperty && p.Text == "2026-11-22T12:00:00.005Z" {
					got = append(got, "runnel")
				} else {
					got = append(got, "runnel="+p.Text)
				}
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, c := range []struct {
		f           Format
		contentType string
		want        Format
	}{
		{JSON, typeCBOR, CBOR}, {CBOR, typeJSON, JSON}, {JSON, typeJSON, JSON}, {CBOR, typeCBOR, CBOR}, {JSON, "", JSON}, {Raw, typeCBOR, Raw}, {Raw, typeJSON, Raw}, {Flat, typeCBOR, Flat}, {JSON, typeText, JSON},
	} {
		if got := form(c.f).as(c.contentType).Format; got != c.want {
			t.Errorf("%v of type %q is read as %v", c.f, c.contentType, got)
		}
	}
}

// The properties of a message become the options of its event; invalid ones are ignored.
func TestTakeProperties(t *testing.T) {
	l := &Link{way: []client.Hop{{Node: "broker"}}}
	user := func(name, text string) packet.Property {
		return packet.Property{ID: packet.UserProperty, Name: name, Text: text}
	}
	expiry := func(n uint32) packet.Property { return packet.Property{ID: packet.MessageExpiry, Number: n} }
	longest := strings.Repeat("a", maxPublisher)
	for name, c := range map[string]struct {
		list  packet.Properties
		time  bool
		ttl   time.Duration
		owner string
	}{
		"none":              {nil, false, 0, ""},
		"time":              {packet.Properties{user(timeProperty, "2026-11-22T12:00:00.005Z")}, true, 0, ""},
		"no time":           {packet.Properties{user(timeProperty, "noon")}, false, 0, ""},
		"publisher":         {packet.Properties{user(publisherProperty, "ann")}, false, 0, "ann"},
		"no publisher":      {packet.Properties{user(publisherProperty, "")}, false, 0, ""},
		"longest publisher": {packet.Properties{user(publisherProperty, longest)}, false, 0, longest},
		"too long":          {packet.Properties{user(publisherProperty, longest+"a")}, false, 0, ""},
		"no text":           {packet.Properties{user(publisherProperty, "a\xff")}, false, 0, ""},
		"limit":             {packet.Properties{expiry(2)}, false, 2 * time.Second, ""},
		"over":              {packet.Properties{expiry(0)}, false, time.Millisecond, ""},
	} {
		var o client.PublishOptions
		l.take(&o, c.list)
		if o.Time.Equal(noon) != c.time || o.TTL != c.ttl || !slices.Equal(o.ForwardFor, []client.Hop{{Node: "broker", Authid: c.owner}}) {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if l.way[0].Authid != "" {
		t.Error("the publisher of one message is that of all")
	}
}

// A rule for Sparkplug has no topic and nothing that is retained; only its exported topics name devices.
func TestSparkplugRules(t *testing.T) {
	edge := &Form{Format: SparkplugB}
	topic, prefix := uplink.Rule{Topic: "a.b"}, uplink.Rule{Topic: "a.", Match: wamp.Prefix}
	for name, c := range map[string]struct {
		r                Rule
		exports, imports string // "": none; "-": not checked
	}{
		"plain":               {Rule{Rule: prefix, Form: edge}, "", ""},
		"exact":               {Rule{Rule: topic, Form: edge}, "", "write match"},
		"half a level":        {Rule{Rule: uplink.Rule{Topic: "a.b", Match: wamp.Prefix}, Form: edge}, "", "write match"},
		"wildcard":            {Rule{Rule: uplink.Rule{Topic: "a..", Match: wamp.Wildcard}, Form: edge}, "", "write match"},
		"device":              {Rule{Rule: prefix, Form: edge, Device: "pump"}, "", "device: only for"},
		"device by component": {Rule{Rule: prefix, Form: edge, Device: "{2}"}, "", "device: only for"},
		"two levels":          {Rule{Rule: prefix, Form: edge, Device: "pump/1"}, "device: it is empty or has", "device: only for"},
		"broken template":     {Rule{Rule: prefix, Form: edge, Device: "{"}, "device: ", "device: only for"},
		"device of JSON":      {Rule{Rule: prefix, Device: "pump"}, "device: only for", "device: only for"},
		"device of a call":    {Rule{Rule: uplink.Rule{Procedure: "a.b"}, Form: edge, Device: "pump"}, "device: only for", "procedures"},
		"call":                {Rule{Rule: uplink.Rule{Procedure: "a.b"}, Form: edge}, "", "procedures"},
		"topic":               {Rule{Rule: prefix, Form: edge, MQTTTopic: "x"}, "mqtt_topic: Sparkplug defines", "mqtt_topic: Sparkplug defines"},
		"retain":              {Rule{Rule: prefix, Form: edge, Retain: true}, "retain: Sparkplug has no", "retain: Sparkplug has no"},
	} {
		for what, got := range map[string]struct {
			err  error
			want string
		}{"export": {c.r.CheckExport(JSON), c.exports}, "import": {c.r.CheckImport(), c.imports}} {
			if (got.err == nil) != (got.want == "") || got.err != nil && !strings.Contains(got.err.Error(), got.want) {
				t.Errorf("%s of %s: %v, not %q", what, name, got.err, got.want)
			}
		}
	}
	for name, want := range map[string]bool{"": false, "a": true, "a b": true, "a/b": false, "a+": false, "#": false} {
		if err := CheckEdgeName(name); (err == nil) != want {
			t.Errorf("name %q: %v", name, err)
		}
	}
}

// New names the uplink and its first wrong option.
func TestOptionErrors(t *testing.T) {
	brokers := []Broker{{URL: "mqtt://a"}}
	bad := Rule{Rule: uplink.Rule{Topic: "a/b"}}
	edge := func(group, node, host string) *Sparkplug { return &Sparkplug{Group: group, Node: node, Host: host} }
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"no broker": {Options{}, "no URL"},
		"state":     {Options{Brokers: brokers, StateTopic: "a/#"}, ""},
		"export":    {Options{Brokers: brokers, Export: []Rule{bad}}, "export: "},
		"import":    {Options{Brokers: brokers, Import: []Rule{bad}}, "import: "},
		"group":     {Options{Brokers: brokers, Sparkplug: edge("", "n", "")}, `sparkplug: "": `},
		"node":      {Options{Brokers: brokers, Sparkplug: edge("g", "n/1", "")}, `sparkplug: "n/1": `},
		"host":      {Options{Brokers: brokers, Sparkplug: edge("g", "n", "#")}, `sparkplug: "#": `},
	} {
		c.o.Name = "broker"
		if _, err := New(c.o); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "broker") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
