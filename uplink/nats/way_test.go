package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
	"runnel/uplink/spool"
)

// The subjects of a stream do not overlap: a subject that another covers is left out.
func TestAddSubject(t *testing.T) {
	for _, c := range []struct{ list, add, want string }{
		{"", "a.b", "a.b"},
		{"a.b", "a.b", "a.b"},
		{"a.b", "a.c", "a.b a.c"},
		{"a.b", "a.b.c", "a.b a.b.c"},
		{"a.b.c", "a.b", "a.b.c a.b"},
		{"a.>", "a.b", "a.>"},
		{"a.>", "a.b.c", "a.>"},
		{"a.>", "a", "a.> a"},
		{"a.*", "a.b", "a.*"},
		{"a.*", "a.b.c", "a.* a.b.c"},
		{"a.*", "a.>", "a.>"},
		{"a.b a.c.d x", "a.>", "x a.>"},
		{"a.b a.c a.b.c", "a.*", "a.b.c a.*"},
		{"a.*.c", "a.*.*", "a.*.*"},
		{"a.b", ">", ">"},
		{">", "a.*", ">"},
	} {
		if got := strings.Join(addSubject(strings.Fields(c.list), c.add), " "); got != c.want {
			t.Errorf("%s and %s: %s, not %s", c.list, c.add, got, c.want)
		}
	}
}

// testLink returns a link that is not running. Its name in the cluster is a/cluster, its MaxHops 3.
func testLink(t *testing.T, o Options) *Link {
	t.Helper()
	o.Name, o.Node, o.Servers, o.MaxHops = "cluster", "a/cluster", []Server{{URL: "nats://c"}}, 3
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A message crosses unless it has been at its goal already, or has crossed too many links.
func TestWays(t *testing.T) {
	l := testLink(t, Options{})
	way := func(names string) (hops []client.Hop) {
		for _, name := range strings.Fields(names) {
			node, tag, _ := strings.Cut(name, "#")
			hops = append(hops, client.Hop{Node: node, Tag: tag})
		}
		return hops
	}
	l.at.Store(&client.Hop{Node: "a/realm1", Tag: "t"})
	for _, c := range []struct {
		way      string
		out, in  bool
		isLooped bool // on its way in
	}{
		{"", true, true, false},
		{"b/realm1 x", true, true, false},
		{"b x y", false, false, true},
		{"b x y z", false, false, true},
		{"a/realm1#t", false, false, false}, // this link has sent it
		{"x a/realm1#t", false, false, false},
		{"a/realm1#t x", false, false, true},
		{"a/realm1 x", false, false, true},
		{"a/realm1#other x", true, true, false},
		{"nats://c", false, true, false},
	} {
		before := l.status.Looped.Load()
		if got, ok := l.extendWay(way(c.way), client.Hop{Authid: "ann"}); ok != c.out {
			t.Errorf("%s: out %v", c.way, ok)
		} else if want := (client.Hop{Node: "a/realm1", Tag: "t", Authid: "ann"}); ok && got[len(got)-1] != want {
			t.Errorf("%s: the last hop is %+v", c.way, got[len(got)-1])
		}
		if got, ok := l.wayIn(way(c.way)); ok != c.in || ok && got[len(got)-1] != (client.Hop{Node: "nats://c"}) {
			t.Errorf("%s: in %v by %v", c.way, ok, got)
		}
		if looped := l.status.Looped.Load() > before; looped != c.isLooped {
			t.Errorf("%s: looped %v", c.way, looped)
		}
	}
}

// The report about missing events goes to the topic of reports, with the reason and the numbers.
func TestGapReport(t *testing.T) {
	l := testLink(t, Options{})
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	m, err := l.message(&spool.Event{Epoch: 3, Sequence: 9, Time: time.Now(), Gap: &spool.Gap{Reason: spool.ByAge, First: 1, Last: 8, Count: 7, Octets: 99, Since: at}}, true)
	want := `{"args":[],"kwargs":{"count":7,"first":1,"last":8,"node":"a/cluster","octets":99,"reason":"age","since":"2026-07-01T11:00:00Z","uplink":"cluster"}}`
	if err != nil || m.Subject != uplink.GapTopic || string(m.Data) != want {
		t.Errorf("%s %s, %v", m.Subject, m.Data, err)
	}
	for field, want := range map[string]string{
		payload.TypeField: payload.Event, payload.OriginField: "3.9.a%2Fcluster", payload.MsgIDField: "3.9.a%2Fcluster", payload.TTLField: "", payload.TimeField: "",
	} {
		if got := string(m.Header.Get(field)); got != want {
			t.Errorf("%s is %q, not %q", field, got, want)
		}
	}
}

// A message carries its time only if it has waited, its remaining time only if that is limited, and the id for JetStream
// only if it goes to a stream.
func TestMessageFields(t *testing.T) {
	l := testLink(t, Options{})
	for name, c := range map[string]struct {
		e        spool.Event
		toStream bool
		want     string
	}{
		"now":       {spool.Event{Time: time.Now()}, false, "origin"},
		"to stream": {spool.Event{Time: time.Now()}, true, "id origin"},
		"late":      {spool.Event{Time: time.Now().Add(-2 * late)}, false, "origin time"},
		"ahead":     {spool.Event{Time: time.Now().Add(2 * late)}, false, "origin time"},
		"limited":   {spool.Event{Time: time.Now(), Expires: time.Now().Add(time.Hour)}, false, "origin ttl"},
	} {
		c.e.Topic = "com.example.t"
		m, err := l.message(&c.e, c.toStream)
		if err != nil || m.Subject != "com.example.t" {
			t.Fatalf("%s: %s %v", name, m.Subject, err)
		}
		var got []string
		for _, f := range [][2]string{
			{payload.MsgIDField, "id"}, {payload.OriginField, "origin"}, {payload.TimeField, "time"}, {payload.TTLField, "ttl"}, {payload.ContentTypeField, "content"},
		} {
			if len(m.Header.Get(f[0])) > 0 {
				got = append(got, f[1])
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for topic, p := range map[string]codec.Payload{"com..t": {}, "com.t": {Serializer: wamp.CBOR, Items: 1, Raw: []byte{0xff}}} {
		if _, err := l.message(&spool.Event{Topic: topic, Payload: p, Time: time.Now()}, false); err == nil {
			t.Errorf("%s: no error", topic)
		}
	}
}

// An answer is a result, or an error of a link, of a micro service or of the server.
func TestAnswerOf(t *testing.T) {
	h := func(fields ...string) (h conn.Header) {
		for i := 0; i < len(fields); i += 2 {
			h = h.Add(fields[i], fields[i+1])
		}
		return h
	}
	for name, c := range map[string]struct {
		m    conn.Msg
		kind string
		want string
	}{
		"result":           {conn.Msg{Data: []byte(`7`)}, payload.Result, "[7] <nil>"},
		"plain result":     {conn.Msg{Data: []byte(`7`)}, "", "[7] <nil>"},
		"no callee":        {conn.Msg{Header: conn.Header("NATS/1.0 503\r\n")}, "", "[] wamp.error.no_such_procedure"},
		"damaged":          {conn.Msg{Header: h(payload.ContentTypeField, "application/cbor"), Data: []byte{0xff}}, payload.Result, "[] wamp.error.invalid_argument"},
		"error":            {conn.Msg{Header: h(payload.ErrorField, "com.error.x"), Data: []byte(`"y"`)}, payload.Error, "[] com.error.x"},
		"no URI":           {conn.Msg{Header: h(payload.ErrorField, "no uri")}, payload.Error, "[] wamp.error.runtime_error"},
		"service":          {conn.Msg{Header: h(payload.ServiceError, "stuck", payload.ServiceErrorCode, "409")}, "", "[] nats.error.409"},
		"only a text":      {conn.Msg{Header: h(payload.ServiceError, "stuck")}, "", "[] nats.error"},
		"only a code":      {conn.Msg{Header: h(payload.ServiceErrorCode, "7")}, "", "[] nats.error.7"},
		"code is a text":   {conn.Msg{Header: h(payload.ServiceErrorCode, "E7")}, "", "[] nats.error"},
		"code is too long": {conn.Msg{Header: h(payload.ServiceErrorCode, "2147483648")}, "", "[] nats.error"},
		"longest code":     {conn.Msg{Header: h(payload.ServiceErrorCode, "2147483647")}, "", "[] nats.error.2147483647"},
	} {
		p, err := answerOf(&c.m, c.kind)
		args, _, _ := p.Raw.Decode()
		uri := "<nil>"
		if failure := (*client.Error)(nil); errors.As(err, &failure) {
			uri = failure.URI
		}
		if got := fmt.Sprint(args, " ", uri); got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
	}
}

// Only the acknowledgement of a stream is taken for one.
func TestStored(t *testing.T) {
	for data, want := range map[string]bool{
		`{"stream":"S","seq":7}`:                     true,
		`{"stream":"S","seq":7,"duplicate":true}`:    true,
		`{"stream":"S"}`:                             false,
		`{"stream":"S","seq":"7"}`:                   false,
		`{"stream":7,"seq":7}`:                       false,
		`{"stream":"S","seq":7`:                      false,
		`{"seq":7,"stream":"S"}`:                     false,
		`{"stream":"S","seq":7} `:                    true,
		`{"stream":"S","args":[1,2],"seq":7}`:        true,
		`{"error":{"code":503},"stream":"S"}`:        false,
		`[]`:                                         false,
		``:                                           false,
		`{"stream":"S","error":{"code":503},"seq":7`: false,
	} {
		if got := stored(&conn.Msg{Data: []byte(data)}); got != want {
			t.Errorf("%s: %v", data, got)
		}
	}
}

// Waiting answers are bounded, but a single answer of any size is taken. Nothing follows the end.
func TestAnswers(t *testing.T) {
	large := &conn.Msg{Data: make([]byte, maxProgress)}
	for name, c := range map[string]struct {
		put  func(a *answers)
		n    int
		want string
	}{
		"one large":       {func(a *answers) { a.put(large, nil) }, 1, ""},
		"a second":        {func(a *answers) { a.put(large, nil); a.put(&conn.Msg{Data: []byte("x")}, nil) }, 1, "wamp.error.canceled"},
		"after reading":   {func(a *answers) { a.put(large, nil); a.take(); a.put(large, nil) }, 1, ""},
		"connection lost": {func(a *answers) { a.put(&conn.Msg{}, nil); a.put(nil, conn.ErrClosed) }, 1, "wamp.error.network_failure"},
		"denied":          {func(a *answers) { a.put(nil, &conn.Denied{Text: "no"}) }, 0, "wamp.error.not_authorized"},
		"after the end":   {func(a *answers) { a.put(nil, conn.ErrClosed); a.put(&conn.Msg{}, nil) }, 0, "wamp.error.network_failure"},
	} {
		a := &answers{wake: make(chan struct{}, 1)}
		c.put(a)
		list, err := a.take()
		uri := ""
		if failure := (*client.Error)(nil); errors.As(err, &failure) {
			uri = failure.URI
		}
		if len(list) != c.n || uri != c.want || len(a.wake) != 1 {
			t.Errorf("%s: %d answers, %v", name, len(list), err)
		}
	}
}

// The caller gets the callee's error, or one that names the end of the wait.
func TestErrorsOfCalls(t *testing.T) {
	for _, c := range []struct {
		err       error
		uri, code string
	}{
		{client.NewError("com.error.x"), "com.error.x", "500"},
		{fmt.Errorf("call: %w", client.NewError(wamp.InvalidArgument.Error())), "wamp.error.invalid_argument", "400"},
		{context.DeadlineExceeded, "wamp.error.timeout", "408"},
		{context.Canceled, "wamp.error.canceled", "500"},
	} {
		e := asError(c.err)
		if e.URI != c.uri || serviceCode(e) != c.code {
			t.Errorf("%v: %s, code %s", c.err, e.URI, serviceCode(e))
		}
	}
	l := testLink(t, Options{})
	for _, c := range []struct {
		err  error
		want wamp.Failure
	}{{&conn.TooLarge{}, wamp.PayloadSizeExceeded}, {conn.ErrFull, wamp.Unavailable}, {conn.ErrClosed, wamp.NetworkFailure}} {
		if err := l.unsent(c.err); !errors.Is(err, c.want) {
			t.Errorf("%v becomes %v", c.err, err)
		}
	}
	if n := l.status.Snapshot().CallsUp.Dropped; n != 3 {
		t.Errorf("%d calls are dropped", n)
	}
}

// A key that is not percent-encoded correctly is none.
func TestCallKey(t *testing.T) {
	for text, want := range map[string]string{"": "", "a": "a", "a%20b": "a b", "a%2": "", "%zz": ""} {
		if got := callKey(&conn.Msg{Header: conn.Header(nil).Add(payload.KeyField, text)}); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// The pattern of a registration elsewhere is known here if one rule imports all of it.
func TestImportedPattern(t *testing.T) {
	rule := func(procedure, local, remote string) Rule {
		return Rule{Rule: uplink.Rule{Procedure: procedure, Match: wamp.Prefix, LocalPrefix: local, RemotePrefix: remote}}
	}
	l := testLink(t, Options{Import: []Rule{rule("com.far.", "com.near.", "com.far."), rule("net.", "", ""), rule("sys.", "wamp.", "sys."), rule("node.", "runnel.", "node."), rule("runnel.a.", "", "")}})
	for _, c := range []struct {
		p    wamp.Pattern
		want string
	}{
		{wamp.Pattern{URI: "com.far.x"}, "com.near.x"},
		{wamp.Pattern{URI: "com.far.x.", Match: wamp.Prefix}, "com.near.x."},
		{wamp.Pattern{URI: "com.", Match: wamp.Prefix}, ""},
		{wamp.Pattern{URI: "net.x"}, "net.x"},
		{wamp.Pattern{URI: "org.x"}, ""},
		{wamp.Pattern{URI: "sys.x"}, ""},
		{wamp.Pattern{URI: "node.x"}, ""},
		{wamp.Pattern{URI: "runnel.a.x"}, "runnel.a.x"},
	} {
		if got, ok := l.importedPattern(c.p); ok != (c.want != "") || ok && got != (wamp.Pattern{URI: c.want, Match: c.p.Match}) {
			t.Errorf("%v: %v %v", c.p, got, ok)
		}
	}
}

// The latest origins are known, the oldest are forgotten.
func TestRecent(t *testing.T) {
	var r recent
	for i := range recentEvents {
		if !r.first(fmt.Sprint(i)) {
			t.Fatalf("%d is known", i)
		}
	}
	if r.first("0") || r.first(fmt.Sprint(recentEvents-1)) {
		t.Error("an origin is new again")
	}
	if !r.first("x") || !r.first("0") || r.first("2") {
		t.Error("a new origin does not replace the oldest one")
	}
}

// The parts of arguments come one after the other, and not faster than they are taken.
func TestParts(t *testing.T) {
	part := func(n string, size int, more bool) *conn.Msg {
		h := conn.Header(nil).Add(payload.PartField, n)
		if more {
			h = h.Add(payload.MoreField, "true")
		}
		return &conn.Msg{Header: h, Data: make([]byte, size)}
	}
	for name, c := range map[string]struct {
		put  []*conn.Msg
		want []string // of each take: whether more follow, bytes to tell, or the error
	}{
		"two":         {[]*conn.Msg{part("1", 1, true), part("2", 1, false)}, []string{"true 0", "false 0", "end"}},
		"after all":   {[]*conn.Msg{part("1", 1, false), part("2", 1, false)}, []string{"false 0", "end"}},
		"a gap":       {[]*conn.Msg{part("2", 1, false)}, []string{"a part of the arguments was lost"}},
		"twice":       {[]*conn.Msg{part("1", 1, true), part("1", 1, false)}, []string{"a part of the arguments was lost"}},
		"no number":   {[]*conn.Msg{part("x", 1, true)}, []string{"a part of the arguments was lost"}},
		"a quarter":   {[]*conn.Msg{part("1", partWindow/4-partCost, true)}, []string{fmt.Sprint("true ", partWindow/4), "end"}},
		"almost":      {[]*conn.Msg{part("1", partWindow/4-partCost-1, true)}, []string{"true 0", "end"}},
		"full window": {[]*conn.Msg{part("1", partWindow-partCost-1, true), part("2", 1, true)}, []string{fmt.Sprint("true ", partWindow-1), "true 0"}},
		"too fast":    {[]*conn.Msg{part("1", partWindow-partCost, true), part("2", 1, true)}, []string{"faster than they are taken"}},
	} {
		f := &inflow{wake: make(chan struct{}, 1), next: 1}
		for _, m := range c.put {
			f.put(m)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("end"))
		for i, want := range c.want {
			_, more, tell, err := f.take(ctx)
			got := fmt.Sprint(more, " ", tell)
			if err != nil {
				got = err.Error()
			}
			if got != want && (err == nil || !strings.Contains(got, want)) {
				t.Errorf("%s: take %d gives %s, not %s", name, 1+i, got, want)
			}
		}
	}
}
