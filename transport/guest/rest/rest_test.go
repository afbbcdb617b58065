package rest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// stage is a router with an HTTP listener.
type stage struct {
	*testing.T
	router *edge.Router
	server *Server
	web    *httptest.Server
	joined atomic.Int32 // sessions of HTTP clients
	from   atomic.Value // address of the client; string
}

func newStage(t *testing.T, o Options) *stage {
	principals, err := auth.NewPrincipals([]auth.Principal{
		{Authid: "ann", Role: "all", Ticket: "secret"},
		{Authid: "joe", Role: "all", CRA: &auth.CRA{Secret: "pass:word"}},
	})
	kit.Must(t, err)
	roles := []*auth.Role{
		auth.NewRole("guest", []auth.Permission{{URI: "com.example.", Match: wamp.Prefix, Allow: auth.Everything}}).WithDurable(),
		auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}).WithDurable(),
	}
	s := &stage{T: t, router: edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})}
	state := filepath.Join(t.TempDir(), "state")
	kit.Must(t, s.router.AddRealm(edge.RealmOptions{Name: "realm1", Anonymous: "guest", Roles: roles, Principals: principals, State: state}))
	kit.Must(t, s.router.AddRealm(edge.RealmOptions{Name: "closed", Roles: roles, Principals: principals}))
	s.from.Store("192.0.2.1:40000")
	o.Serve = func(c *memory.Conn) {
		s.joined.Add(1)
		s.router.Serve(c)
	}
	o.Peer = func(*http.Request) wamp.Transport {
		return wamp.Transport{Network: "tcp", Listener: "tcp://test", Remote: s.from.Load().(string)}
	}
	o.Realm = func() string { return "realm1" }
	o.Secret = func(realm, authid string) string {
		if realm == "realm1" && authid == "ann" {
			return "secret"
		}
		return ""
	}
	s.server = New(o)
	s.web = httptest.NewServer(s.server.Handler(http.NotFoundHandler()))
	t.Cleanup(func() {
		s.web.CloseClientConnections()
		kit.Must(t, s.router.Close(context.Background()))
		s.web.Close()
		s.server.Forget()
	})
	return s
}

// local joins as a WAMP client.
func (s *stage) local() *client.Client {
	c, err := client.Connect(context.Background(), client.Options{Realm: "realm1", Dial: func(context.Context) (client.Conn, error) {
		near, far := memory.Pipe(memory.Options{Role: "all", Authid: "local", Realm: "realm1"})
		go s.router.Serve(far)
		return near, nil
	}})
	kit.Must(s, err)
	s.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// answer is the answer to a request.
type answer struct {
	status int
	body   string
	header http.Header
}

// ask sends a request. headers are "Name: value".
func (s *stage) ask(method, path, body string, headers ...string) answer {
	s.Helper()
	r, err := http.NewRequest(method, s.web.URL+path, strings.NewReader(body))
	kit.Must(s, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	kit.Must(s, err)
	return answer{resp.StatusCode, strings.TrimSuffix(string(b), "\n"), resp.Header}
}

// expect checks status and body; in want "*" matches any text.
func (s *stage) expect(what string, a answer, status int, want string) {
	s.Helper()
	ok := a.status == status
	rest := a.body
	for i, part := range strings.Split(want, "*") {
		at := strings.Index(rest, part)
		if at < 0 || i == 0 && at > 0 {
			ok = false
			break
		}
		rest = rest[at+len(part):]
	}
	if !ok || !strings.HasSuffix(want, "*") && rest != "" {
		s.Errorf("%s: %d %s; want %d %s", what, a.status, a.body, status, want)
	}
}

// register offers procedures.
func (s *stage) register(c *client.Client) {
	for name, handle := range map[string]client.Handler{
		"com.example.echo": func(_ context.Context, i *client.Invocation) (client.Payload, error) {
			return client.Raw(i.Payload), nil
		},
		"com.example.fail": func(context.Context, *client.Invocation) (client.Payload, error) {
			return client.Payload{}, client.NewError("com.example.error.dry", "no water", 7)
		},
		"com.example.sleep": func(ctx context.Context, _ *client.Invocation) (client.Payload, error) {
			<-ctx.Done()
			return client.Payload{}, ctx.Err()
		},
	} {
		_, err := c.Register(context.Background(), name, client.RegisterOptions{}, handle)
		kit.Must(s, err)
	}
}

const exact = `[9223372036854775807,18446744073709551615,-9223372036854775808,1.5,"\u0000AAEC","ä\n"]`

// The payload reaches the other side as it was sent: integers of 64 bits and binaries, for example.
func TestPayload(t *testing.T) {
	s := newStage(t, Options{})
	peer := s.local()
	s.register(peer)
	got := make(chan string, 10)
	_, err := peer.Subscribe(context.Background(), "com.example.", client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) {
		got <- fmt.Sprintf("%s %v %v", e.Topic(), e.Args(), e.Kwargs())
	})
	kit.Must(t, err)
	for _, c := range []struct{ path, body, event string }{
		{"/publish/com.example.a", exact, "com.example.a [9223372036854775807 18446744073709551615 -9223372036854775808 1.5 [0 1 2] ä\n] map[]"},
		{"/publish/com.example.a", `{"a":1,"args":2}`, "com.example.a [] map[a:1 args:2]"},
		{"/publish/com.example.a", `{"args":[1],"kwargs":{"b":2}}`, "com.example.a [1] map[b:2]"},
		{"/publish/com.example.a", `{"args":null,"kwargs":{"b":2}}`, "com.example.a [] map[b:2]"},
		{"/publish/com.example.a", " [\n1 ] ", "com.example.a [1] map[]"},
		{"/publish/com.example.a", "", "com.example.a [] map[]"},
		{"/publish", `{"topic":"com.example.b","args":["Hello, world"]}`, "com.example.b [Hello, world] map[]"},
		{"/publish", `{"topic":"com.example.b","args":[],"kwargs":{"c":true},"options":{"acknowledge":true}}`, "com.example.b [] map[c:true]"},
		{"/publish", `{"topic":"com.example.b"}`, "com.example.b [] map[]"},
		{"/publish", `{"topic":"com.example.b","args":{ },"kwargs":[ ],"options":{"eligible":null}}`, "com.example.b [] map[]"}, // by PHP
		{"/publish/com.example.a", `{"args":[1],"kwargs":[]}`, "com.example.a [1] map[]"},
		{"/publish/com.example.a?timestamp=2026-11-30T00:00:00.000Z&seq=1", `[1]`, "com.example.a [1] map[]"}, // by crossbarconnect
	} {
		s.expect(c.body, s.ask("POST", c.path, c.body, "Content-Type: application/json"), 200, `{"id":*}`)
		if event := kit.Receive(t, "event", got); event != c.event {
			t.Errorf("%s: event %s, want %s", c.body, event, c.event)
		}
	}
	s.expect("without acknowledgement", s.ask("POST", "/publish/com.example.a?acknowledge=false", "[3]"), 202, `{"id":null}`)
	if event := kit.Receive(t, "event", got); event != "com.example.a [3] map[]" {
		t.Error(event)
	}
	for _, c := range []struct{ path, body, want string }{
		{"/call/com.example.echo", exact, `{"args":` + exact + `}`},
		{"/call/com.example.echo", `{"n":18446744073709551615}`, `{"args":[],"kwargs":{"n":18446744073709551615}}`},
		{"/call/com.example.echo", "", `{"args":[]}`},
		{"/call/com.example.echo?timeout=5s", "[1]", `{"args":[1]}`},
		{"/call", `{"procedure":"com.example.echo","args":[1,2]}`, `{"args":[1,2]}`},
	} {
		s.expect(c.body, s.ask("POST", c.path, c.body), 200, c.want)
	}
}

// A list of receivers and the other options have an effect.
func TestOptions(t *testing.T) {
	s := newStage(t, Options{})
	peer := s.local()
	w, _ := peer.Welcome()
	got := make(chan string, 10)
	_, err := peer.Subscribe(context.Background(), "com.example.a", client.SubscribeOptions{}, func(e *client.Event) {
		got <- fmt.Sprint(e.Args()...)
	})
	kit.Must(t, err)
	for i, path := range []string{
		fmt.Sprintf("?exclude=%d", w.Session), "?eligible_authrole=none,neither", "?exclude_authid=local", "?eligible=1",
	} {
		s.expect(path, s.ask("POST", "/publish/com.example.a"+path, fmt.Sprintf("[%d]", i)), 200, `{"id":*}`)
	}
	body := fmt.Sprintf(`{"topic":"com.example.a","args":["no"],"options":{"exclude":[%d]}}`, w.Session)
	s.expect(body, s.ask("POST", "/publish", body), 200, `{"id":*}`)
	s.expect("to the peer", s.ask("POST", fmt.Sprintf("/publish/com.example.a?eligible=%d&retain&ttl=1h", w.Session), `["yes"]`), 200, `{"id":*}`)
	if event := kit.Receive(t, "event", got); event != "yes" {
		t.Errorf("the first event is %s", event)
	}
}

// Errors have a fitting status, and are WAMP errors as JSON.
func TestErrors(t *testing.T) {
	s := newStage(t, Options{MaxBody: 1000})
	s.register(s.local())
	const json = "Content-Type: application/json"
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/call/com.example.none", "[]", 404, `{"error":"wamp.error.no_such_procedure","args":[*],"kwargs":{}}`},
		{"POST", "/call", `{"procedure":"com.example.none"}`, 200, `{"error":"wamp.error.no_such_procedure","args":[*],"kwargs":{}}`},
		{"POST", "/call", `{"procedure":"com..x"}`, 200, `{"error":"wamp.error.invalid_uri"*`},
		{"POST", "/call", `{"procedure":7}`, 400, `*procedure must be a string*`},
		{"POST", "/call?realm=none", `{"procedure":"com.example.echo"}`, 404, `{"error":"wamp.error.no_such_realm"*`},
		{"POST", "/call/com.example.fail", "[]", 422, `{"error":"com.example.error.dry","args":["no water",7],"kwargs":{}}`},
		{"POST", "/call", `{"procedure":"com.example.fail"}`, 200, `{"error":"com.example.error.dry","args":["no water",7],"kwargs":{}}`},
		{"POST", "/call/com.example.sleep?timeout=10ms", "[]", 504, `{"error":"wamp.error.timeout"*`},
		{"POST", "/call/com.example.sleep?timeout=20", "[]", 504, `{"error":"wamp.error.timeout"*`},
		{"POST", "/call/com.example.echo?timeout=31536000000", "[]", 400, `{"error":"wamp.error.invalid_argument"*`},     // ms of a year
		{"POST", "/call/com.example.echo?timeout=-18446744073709", "[]", 400, `{"error":"wamp.error.invalid_argument"*`}, // a duration that wraps around
		{"POST", "/call/com.example.echo", `{"args":[],"options":{"timeout":-1}}`, 400, `{"error":"wamp.error.invalid_argument"*`},
		{"POST", "/call/com.example.sleep?timeout=11m", "[]", 400, `{"error":"wamp.error.invalid_argument"*`},
		{"POST", "/publish/org.other", "[]", 403, `{"error":"wamp.error.not_authorized"*`},
		{"POST", "/publish", `{"topic":"org.other"}`, 403, `{"error":"wamp.error.not_authorized"*`},
		{"POST", "/publish/wamp.session.on_join", "[]", 400, `{"error":"wamp.error.invalid_uri"*`},
		{"POST", "/publish/com..x", "[]", 400, `{"error":"wamp.error.invalid_uri"*`},
		{"POST", "/publish/com.example.a?realm=none", "[]", 404, `{"error":"wamp.error.no_such_realm"*`},
		{"POST", "/publish/com.example.a", "[1", 400, `{"error":"wamp.error.invalid_argument"*`},
		{"POST", "/publish/com.example.a", "[1] 2", 400, `{"error":"wamp.error.invalid_argument"*`},
		{"POST", "/publish/com.example.a", `{"a":1}}`, 400, `{"error":"wamp.error.invalid_argument"*`},
		{"POST", "/publish/com.example.a", `"text"`, 400, `{"error":"wamp.error.invalid_argument"*`},
		{"POST", "/publish/com.example.a", "[\"\xff\"]", 400, `{"error":"wamp.error.invalid_argument"*`},
		{"POST", "/publish/com.example.a", strings.Repeat("[", 900), 400, `{"error":"wamp.error.invalid_argument"*`},
		{"POST", "/publish/com.example.a", `{"args":5}`, 400, `*args must be an array*`},
		{"POST", "/publish/com.example.a", `{"args":[],"options":{"bogus":1}}`, 400, `*unknown option or parameter*`},
		{"POST", "/publish/com.example.a?bogus=1", "", 400, `*unknown option or parameter*`},
		{"POST", "/publish/com.example.a?exclude=x", "", 400, `*exclude has a wrong value*`},
		{"POST", "/publish/com.example.a?exclude=-1", "", 400, `*exclude has a wrong value*`},
		{"POST", "/publish", "", 400, `*must be a JSON object*`},
		{"POST", "/publish", "{}", 400, `*has no*topic*`},
		{"POST", "/publish/com.example.a", "[" + strings.Repeat(" ", 1000) + "]", 413, `{"error":"wamp.error.payload_size_exceeded"*`},
		{"POST", "/call/com.example.echo", "[" + strings.Repeat(" ", 998) + "]", 200, `{"args":[*]}`}, // as long as allowed
		{"GET", "/publish/com.example.a", "", 405, `*`},
		{"DELETE", "/call/com.example.echo", "", 405, `*`},
		{"POST", "/events/com.example.a", "", 405, `*`},
		{"GET", "/events/com.example.a?match=none", "", 400, `*parameter match*`},
		{"GET", "/events/com.example.a?from=all", "", 400, `*from has no effect*`},
		{"GET", "/events/", "", 400, `*must name a topic*`},
		{"GET", "/events/org.other", "", 403, `{"error":"wamp.error.not_authorized"*`},
		{"GET", "/other", "", 404, "404 page not found"},
		{"POST", "/", "", 404, "404 page not found"},
	} {
		s.expect(c.method+" "+c.path+" "+c.body, s.ask(c.method, c.path, c.body, json), c.status, c.want)
	}
}

// Credentials are the ticket or the password of a principal, by Basic or Bearer.
func TestCredentials(t *testing.T) {
	s := newStage(t, Options{})
	basic := func(authid, password string) string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(authid, password)
		return "Authorization: " + r.Header.Get("Authorization")
	}
	for name, c := range map[string]struct {
		header, path string
		status       int
	}{
		"anonymous":        {"X-Any: 1", "/publish/com.example.a", 200},
		"anonymous, other": {"X-Any: 1", "/publish/org.other", 403},
		"not anonymous":    {"X-Any: 1", "/publish/com.example.a?realm=closed", 401},
		"basic ticket":     {basic("ann", "secret"), "/publish/org.other", 200},
		"basic, closed":    {basic("ann", "secret"), "/publish/org.other?realm=closed", 200},
		"basic wampcra":    {basic("joe", "pass:word"), "/publish/org.other", 200},
		"wrong ticket":     {basic("ann", "guess"), "/publish/com.example.a", 401},
		"wrong password":   {basic("joe", "guess"), "/publish/com.example.a", 401},
		"unknown":          {basic("eve", "secret"), "/publish/com.example.a", 401},
		"no authid":        {basic("", "secret"), "/publish/com.example.a", 401},
		"bearer":           {"Authorization: Bearer ann:secret", "/publish/org.other", 200},
		"bearer, colon":    {"Authorization: bearer joe:pass:word", "/publish/org.other", 200},
		"wrong bearer":     {"Authorization: Bearer ann:guess", "/publish/org.other", 401},
		"bearer, no name":  {"Authorization: Bearer secret", "/publish/com.example.a", 401},
		"unknown scheme":   {"Authorization: Digest x", "/publish/com.example.a", 401},
		"not base64":       {"Authorization: Basic ???", "/publish/com.example.a", 401},
	} {
		a := s.ask("POST", c.path, "[]", c.header)
		s.expect(name, a, c.status, "*")
		if c.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: WWW-Authenticate is %q", name, a.header.Get("WWW-Authenticate"))
		}
	}
}

// A stream is refused for credentials that cannot be read, as a POST is.
func TestStreamCredentials(t *testing.T) {
	s := newStage(t, Options{})
	s.expect("unknown scheme", s.ask("GET", "/events/com.example.a", "", "Authorization: Digest x"), 401, "*")
}

// Requests with the same credentials share a session. Others have their own, and a failure is not remembered.
func TestSessionsAreKept(t *testing.T) {
	s := newStage(t, Options{})
	publish := func(status int, headers ...string) {
		t.Helper()
		s.expect("publish", s.ask("POST", "/publish/com.example.a", "[]", headers...), status, "*")
	}
	sessions := func(want int32) {
		t.Helper()
		if got := s.joined.Load(); got != want {
			t.Errorf("%d sessions, want %d", got, want)
		}
	}
	for range 5 {
		publish(200)
	}
	sessions(1)
	publish(200, "Authorization: Bearer ann:secret")
	publish(200, "Authorization: Bearer ann:secret")
	sessions(2)
	publish(401, "Authorization: Bearer ann:guess")
	publish(401, "Authorization: Bearer ann:guess")
	sessions(4)
	s.from.Store("192.0.2.2:40000")
	publish(200)
	sessions(5)
	s.server.Forget()
	publish(200)
	sessions(6)
	s.router.CloseSessions(func(*wamp.Transport) bool { return true }, wamp.CloseKilled, "")
	kit.Eventually(t, "the sessions end", func() bool {
		s.server.pool.mu.Lock()
		defer s.server.pool.mu.Unlock()
		for _, e := range s.server.pool.entries {
			if _, up := e.client.Welcome(); up {
				return false
			}
		}
		return true
	})
	publish(200)
	sessions(7)
}

// A page of another site cannot make a browser publish.
func TestPages(t *testing.T) {
	s := newStage(t, Options{})
	for name, c := range map[string]struct {
		method  string
		headers []string
		status  int
	}{
		"curl":                     {"POST", []string{"Content-Type: application/x-www-form-urlencoded"}, 200},
		"no type":                  {"POST", nil, 200},
		"own page":                 {"POST", []string{"Origin: http://a", "Sec-Fetch-Site: same-origin", "Content-Type: application/json; charset=utf-8"}, 200},
		"text/plain":               {"POST", []string{"Origin: http://a", "Content-Type: text/plain"}, 415},
		"form":                     {"POST", []string{"Origin: http://a", "Content-Type: application/x-www-form-urlencoded"}, 415},
		"page without type":        {"POST", []string{"Origin: http://a"}, 415},
		"browser without origin":   {"POST", []string{"Sec-Fetch-Site: cross-site", "Content-Type: application/json"}, 403},
		"text, own, no origin":     {"POST", []string{"Sec-Fetch-Site: same-origin", "Content-Type: text/plain"}, 415},
		"multipart without origin": {"POST", []string{"Content-Type: multipart/form-data; boundary=x"}, 415},
		"preflight":                {"OPTIONS", []string{"Origin: http://a", "Access-Control-Request-Method: POST"}, 204},
	} {
		a := s.ask(c.method, "/publish/com.example.a", "", c.headers...)
		s.expect(name, a, c.status, "*")
		allowed := a.header.Get("Access-Control-Allow-Origin")
		if page := slicesHas(c.headers, "Origin: http://a"); (allowed == "http://a") != page || allowed == "*" {
			t.Errorf("%s: Access-Control-Allow-Origin is %q", name, allowed)
		}
		if a.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: stored credentials are allowed", name)
		}
		if c.method == "OPTIONS" && (a.header.Get("Access-Control-Allow-Methods") != "POST" || !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization")) {
			t.Errorf("%s: %v", name, a.header)
		}
	}
	s.expect("image of another site", s.ask("GET", "/events/com.example.a", "", "Sec-Fetch-Site: cross-site"), 403, "*")
}

func slicesHas(list []string, text string) bool {
	for _, one := range list {
		if one == text {
			return true
		}
	}
	return false
}

// follow opens a stream and returns its lines that are not empty, until it is stopped.
func (s *stage) follow(path string, headers ...string) (lines <-chan string, stop func()) {
	s.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", s.web.URL+path, nil)
	kit.Must(s, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	kit.Must(s, err)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		s.Fatalf("%s: %v", path, resp)
	}
	out, ended := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(ended)
		for in := bufio.NewScanner(resp.Body); in.Scan(); {
			if line := in.Text(); line != "" && line != ":" && !strings.HasPrefix(line, "retry:") {
				select {
				case out <- line:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	stop = func() {
		cancel()
		resp.Body.Close()
		<-ended
	}
	s.Cleanup(stop)
	return out, stop
}
