package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// Each kind of an option takes its own values, in a query and in a body.
func TestKinds(t *testing.T) {
	year := 365 * 24 * time.Hour
	for _, c := range []struct {
		kind  kind
		value any // a string is a parameter of a query
		want  any // nil: it is refused
	}{
		{flag, "", true}, {flag, "1", true}, {flag, "true", true}, {flag, "yes", true}, {flag, "0", false}, {flag, "false", false}, {flag, "no", false}, {flag, "2", nil},
		{flag, true, true}, {flag, int64(1), nil},
		{duration, "0", time.Duration(0)}, {duration, "-1", nil}, {duration, "1500", 1500 * time.Millisecond}, {duration, "2s", 2 * time.Second}, {duration, "-2s", nil},
		{duration, "31535999999", year - time.Millisecond}, {duration, "31536000000", nil}, {duration, "8759h", 8759 * time.Hour}, {duration, "8760h", nil}, {duration, "soon", nil},
		{duration, int64(20), 20 * time.Millisecond}, {duration, int64(-1), nil}, {duration, 1.5, nil},
		{ids, "1,2", []any{int64(1), int64(2)}}, {ids, "9007199254740992", []any{int64(1 << 53)}}, {ids, "9007199254740993", nil}, {ids, "0", nil}, {ids, "a", nil}, {ids, "1,,2", []any{int64(1), int64(2)}},
		{ids, []any{int64(5)}, []any{int64(5)}}, {ids, []any{"5"}, nil}, {ids, []any{int64(1), 1.5}, nil}, {ids, int64(5), nil}, {ids, []any{int64(-1), int64(1)}, nil},
		{texts, "a,b", []any{"a", "b"}}, {texts, "1", []any{"1"}}, {texts, []any{"a"}, []any{"a"}}, {texts, []any{int64(1)}, nil}, {texts, []any{int64(1), "a"}, nil}, {texts, true, nil},
	} {
		v := c.value
		if text, ok := v.(string); ok {
			v = c.kind.parse(text)
		}
		if got, ok := c.kind.check(v); ok != (c.want != nil) || ok && !reflect.DeepEqual(got, c.want) {
			t.Errorf("kind %d: %v becomes %v, %v; want %v", c.kind, c.value, got, ok, c.want)
		}
	}
}

// The options of the query win over those of the body. Null is no option, and the parameters of HTTP are none.
func TestSettings(t *testing.T) {
	p := request{options: map[string]any{"timeout": "1s", "disclose_me": nil}}
	got, err := p.settings(url.Values{"timeout": {"1s", "3s"}, "realm": {"x"}, "signature": {"y"}}, callOptions)
	if want := map[string]any{"timeout": 3 * time.Second}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	for _, options := range []map[string]any{{"retain": true}, {"timeout": "soon"}} {
		if got, err := (&request{options: options}).settings(nil, callOptions); err == nil {
			t.Errorf("%v becomes %v", options, got)
		}
	}
}

// A body is a list, a map of keyword arguments, or an envelope with args, kwargs and options.
func TestBodies(t *testing.T) {
	for _, c := range []struct{ body, uri, want string }{ // want: URI, payload, options; "!": it is refused
		{"", "com.x", "com.x [] map[] map[]"}, {" \n", "com.x", "com.x [] map[] map[]"}, {"", "", "!must be a JSON object"}, {"[1]", "", "!must be a JSON object"},
		{"[1]", "com.x", "com.x [1] map[] map[]"}, {"[]", "com.x", "com.x [] map[] map[]"}, {`{"a":1}`, "com.x", "com.x [] map[a:1] map[]"},
		{`{"args":[1],"a":1}`, "com.x", "com.x [] map[a:1 args:[1]] map[]"}, {`{"options":{}}`, "com.x", "com.x [] map[options:map[]] map[]"},
		{`{"args":[1],"kwargs":{"k":2},"options":{"o":3}}`, "com.x", "com.x [1] map[k:2] map[o:3]"}, {`{"kwargs":{"k":2}}`, "com.x", "com.x [] map[k:2] map[]"},
		{`{"args":null,"kwargs":[],"options":[ ]}`, "com.x", "com.x [] map[] map[]"}, {`{"topic":"com.y","args":[1],"other":2}`, "", "com.y [1] map[] map[]"},
		{`{"topic":"com.y","args":[1]}`, "com.x", "com.x [] map[args:[1] topic:com.y] map[]"}, {`{"topic":"com.y","topic":"com.z"}`, "", "!must be a string, and the path"},
		{`{"args":[1]}`, "", `!has no "topic"`}, {`{"topic":5}`, "", "!must be a string"}, {`{"args":{"a":1}}`, "com.x", "!args must be an array"},
		{`{"kwargs":[1]}`, "com.x", "!kwargs an object"}, {`{"topic":"com.y","options":5}`, "", "!options must be an object"}, {`{"topic":"com.y","options":[1]}`, "", "!options must be an object"},
		{`{"args":[1],"options":{"o":[` + strings.Repeat("1,", maxOptions) + `1]}}`, "com.x", "!options: "}, {"5", "com.x", "!must be a JSON array"}, {"[1", "com.x", "!not JSON"}, {`{"a"`, "com.x", "!not JSON"},
	} {
		p, err := parse([]byte(c.body), c.uri, "topic")
		if want, refused := strings.CutPrefix(c.want, "!"); refused {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%.80s at %q: %v, want %s", c.body, c.uri, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%.80s at %q: %v", c.body, c.uri, err)
			continue
		}
		raw := client.Body{Payload: p.payload}
		if got := fmt.Sprint(p.uri, " ", raw.Args(), " ", raw.Kwargs(), " ", p.options); got != c.want {
			t.Errorf("%.80s at %q: %s, want %s", c.body, c.uri, got, c.want)
		}
	}
}

// The status fits the cause, also if the session or the time is lost.
func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		body   string
	}{
		{invalid("no %s", "way"), 400, `{"error":"wamp.error.invalid_argument","args":["no way"],"kwargs":{}}`},
		{wamp.AuthenticationFailed, 401, `{"error":"wamp.error.network_failure"*`},
		{fmt.Errorf("join: %w", wamp.NoSuchRealm), 404, `{"error":"wamp.error.network_failure","args":["join: *`},
		{context.DeadlineExceeded, 504, `{"error":"wamp.error.timeout","args":["context deadline exceeded"],"kwargs":{}}`},
		{errors.New("broken"), 503, `{"error":"wamp.error.network_failure","args":["broken"],"kwargs":{}}`},
		{client.NewError("com.x.own", "a text"), 422, `{"error":"com.x.own","args":["a text"],"kwargs":{}}`},
		{client.NewError(wamp.MaxConcurrency.Error(), ""), 429, `{"error":"` + wamp.MaxConcurrency.Error() + `"*`},
	} {
		want, begins := strings.CutSuffix(c.body, "*")
		if got, body := statusOf(c.err), string(errorBody(c.err)); got != c.status || body != want && !(begins && strings.HasPrefix(body, want)) {
			t.Errorf("%v: %d %s; want %d %s", c.err, got, body, c.status, c.body)
		}
	}
	if err := bodyFailure(errors.New("EOF")); statusOf(err) != 400 || statusOf(bodyFailure(context.DeadlineExceeded)) != 408 {
		t.Errorf("a body that does not arrive: %v", err)
	}
}

// A comment says once how many events were dropped since the last one.
func TestComments(t *testing.T) {
	w := httptest.NewRecorder()
	s := &stream{w: w, control: http.NewResponseController(w), within: time.Minute}
	before := uint64(0)
	for _, c := range []struct {
		total uint64
		want  string
	}{{0, ":\n\n"}, {2, "event: gap\ndata: {\"events\":2,\"reason\":\"slow\"}\n\n"}, {2, ":\n\n"}, {5, "event: gap\ndata: {\"events\":3,\"reason\":\"slow\"}\n\n"}} {
		w.Body.Reset()
		if err := s.comment(c.total, &before); err != nil || w.Body.String() != c.want {
			t.Errorf("%d dropped: %q, %v; want %q", c.total, w.Body, err, c.want)
		}
	}
}

// A listener has a bounded number of streams, and each host, too. A stream that ends makes room.
func TestStreamsAreBounded(t *testing.T) {
	var l streams
	var first *owner
	add := func(host string) error {
		me := &owner{host: host, ended: make(chan struct{}), cancel: func() {}}
		err := l.add(me)
		if first == nil && err == nil {
			first = me
		}
		return err
	}
	for range maxOfHost {
		kit.Must(t, add("192.0.2.1"))
	}
	if err := add("192.0.2.1"); statusOf(err) != http.StatusTooManyRequests {
		t.Errorf("too many of one host: %v", err)
	}
	for i := maxOfHost; i < maxStreams; i++ {
		kit.Must(t, add(fmt.Sprint(i/maxOfHost)))
	}
	if err := add("192.0.2.2"); statusOf(err) != http.StatusServiceUnavailable || l.len() != maxStreams {
		t.Errorf("too many, %d: %v", l.len(), err)
	}
	l.remove(first)
	kit.Must(t, add("192.0.2.1"))
}

// A new stream replaces the one of the same client, realm and durable subscription only.
func TestOwners(t *testing.T) {
	var l streams
	for _, c := range []struct {
		who      credentials
		host     string
		name     string
		replaces bool
	}{
		{credentials{realm: "r", authid: "a"}, "1", "log", false}, {credentials{realm: "r", authid: "a"}, "2", "log", true}, {credentials{realm: "r", authid: "a"}, "1", "other", false},
		{credentials{realm: "s", authid: "a"}, "1", "log", false}, {credentials{realm: "r"}, "1", "log", false}, {credentials{realm: "r"}, "2", "log", false}, {credentials{realm: "r"}, "2", "log", true},
	} {
		replaced := false
		me := &owner{host: c.host, ended: make(chan struct{})}
		me.cancel = func() { l.remove(me) }
		kit.Must(t, l.add(me))
		before := l.len()
		kit.Must(t, l.replace(t.Context(), me, c.who, c.name))
		if replaced = l.len() < before; replaced != c.replaces {
			t.Errorf("%+v, %s from %s: replaced: %v", c.who, c.name, c.host, replaced)
		}
	}
	stuck, late := &owner{host: "1", ended: make(chan struct{}), cancel: func() {}}, &owner{host: "1", ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	kit.Must(t, l.replace(ctx, stuck, credentials{realm: "x"}, "log"))
	if err := l.replace(ctx, late, credentials{realm: "x"}, "log"); !errors.Is(err, context.Canceled) {
		t.Errorf("a stream that does not end: %v", err)
	}
}
