package rest

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
)

func isHTTP(t *wamp.Transport) bool { return t.Protocol == "http" }

// A body that does not arrive costs a bounded time.
func TestSlowBody(t *testing.T) {
	s := newStage(t, Options{Time: 2 * time.Second})
	conn, err := net.Dial("tcp", s.web.Listener.Addr().String())
	kit.Must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "POST /publish/com.example.a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n[1,")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, " 408 ") {
		t.Errorf("%q, %v", line, err)
	}
}

// A stranger's body is not read: the client is authenticated first.
func TestStrangersBody(t *testing.T) {
	s := newStage(t, Options{})
	conn, err := net.Dial("tcp", s.web.Listener.Addr().String())
	kit.Must(t, err)
	defer conn.Close()
	fmt.Fprint(conn, "POST /publish/com.example.a?realm=closed HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, " 401 ") {
		t.Errorf("%q, %v", line, err)
	}
}

// Guesses from one address are made a few at a time, and do not keep out another address.
func TestGuesses(t *testing.T) {
	s := newStage(t, Options{})
	var wait sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 40 {
		wait.Go(func() {
			a := s.ask("POST", "/publish/com.example.a", "[]", fmt.Sprintf("Authorization: Bearer ann:guess%d", i))
			mu.Lock()
			statuses[a.status]++
			mu.Unlock()
		})
	}
	wait.Wait()
	if statuses[401] == 0 || statuses[401]+statuses[429] != 40 {
		t.Errorf("statuses: %v", statuses)
	}
	s.from.Store("192.0.2.9:1")
	s.expect("another address", s.ask("POST", "/publish/com.example.a", "[]", "Authorization: Bearer ann:secret"), 200, "*")
	if n := len(s.server.pool.joining.hosts); n != 0 {
		t.Errorf("%d addresses are still counted", n)
	}
}

// The limits of the pool and of streams hold.
func TestManyClients(t *testing.T) {
	s := newStage(t, Options{})
	for i := range maxSessions + 20 {
		s.from.Store(fmt.Sprintf("192.0.2.%d:1", i))
		s.expect("publish", s.ask("POST", "/publish/com.example.a", "[]"), 200, "*")
	}
	if n := s.server.State().Sessions; n > maxSessions || n == 0 { // a slow machine needs longer than idleTime
		t.Errorf("%d sessions are kept", n)
	}
	for range maxOfHost {
		kit.Must(t, s.server.live.add(&owner{host: networkOf("192.0.2.9")}))
	}
	s.from.Store("192.0.2.9:1")
	s.expect("streams of one address", s.ask("GET", "/events/com.example.a", ""), 429, "*too many streams*")
	var l streams
	host := func(i int) *owner { return &owner{host: fmt.Sprint(i), ended: make(chan struct{})} }
	for range maxOfHost {
		kit.Must(t, l.add(host(0)))
	}
	if err := l.add(host(0)); err == nil {
		t.Error("an address has any number of streams")
	}
	for i := range maxStreams - maxOfHost {
		kit.Must(t, l.add(host(i+1)))
	}
	if err := l.add(host(maxStreams)); err == nil {
		t.Error("there is any number of streams")
	}
	l.remove(&owner{host: "1", ended: make(chan struct{})})
	kit.Must(t, l.add(host(maxStreams)))
}

func TestNetworks(t *testing.T) {
	for host, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::/64", "2001:db8::2%eth0": "2001:db8::/64", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "": "",
	} {
		if got := networkOf(host); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
}

// sign returns the query of a request as a client of Crossbar.io signs it.
func sign(key, secret, body string, at time.Time, nonce int) string {
	stamp := at.UTC().Format("2006-01-02T15:04:05.000Z")
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s%s%s%d%s", key, stamp, "1", nonce, body)
	q := url.Values{"key": {key}, "timestamp": {stamp}, "seq": {"1"}, "nonce": {fmt.Sprint(nonce)}}
	q.Set("signature", base64.URLEncoding.EncodeToString(mac.Sum(nil)))
	return "?" + q.Encode()
}

func TestSignedRequests(t *testing.T) {
	s := newStage(t, Options{})
	s.register(s.local())
	now := time.Now()
	const event, call = `{"topic":"org.other","args":["x"]}`, `{"procedure":"com.example.echo","args":[2,3]}`
	once := sign("ann", "secret", event, now, 1)
	for _, c := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"publish", "/publish" + once, event, 200, `{"id":*}`},
		{"again", "/publish" + once, event, 401, `*sent before*`},
		{"again, other path", "/call" + once, event, 401, `*sent before*`},
		{"next", "/publish" + sign("ann", "secret", event, now, 2), event, 200, `{"id":*}`},
		{"call", "/call" + sign("ann", "secret", call, now, 3), call, 200, `{"args":[2,3]}`},
		{"other body", "/publish" + sign("ann", "secret", event, now, 4), `{"topic":"org.other2"}`, 401, `*not valid*`},
		{"wrong secret", "/publish" + sign("ann", "guess", event, now, 5), event, 401, `*not valid*`},
		{"no secret", "/publish" + sign("eve", "", event, now, 6), event, 401, `*not valid*`},
		{"old", "/publish" + sign("ann", "secret", event, now.Add(-6*time.Minute), 7), event, 400, `*timestamp*`},
		{"early", "/publish" + sign("ann", "secret", event, now.Add(6*time.Minute), 8), event, 400, `*timestamp*`},
		{"within", "/publish" + sign("ann", "secret", event, now.Add(-4*time.Minute), 9), event, 200, `{"id":*}`},
		{"path names URI", "/publish/org.other" + sign("ann", "secret", "[]", now, 10), "[]", 400, `*path is not signed*`},
		{"more parameters", "/publish" + sign("ann", "secret", event, now, 11) + "&retain", event, 400, `*no others*`},
		{"two nonces", "/publish" + sign("ann", "secret", event, now, 13) + "&nonce=14", event, 400, `*nonce is given 2 times*`},
		{"no nonce", "/publish" + strings.Replace(sign("ann", "secret", event, now, 12), "nonce=12&", "", 1), event, 400, `*no others*`},
		{"not signed", "/publish?key=ann", event, 400, `*no others*`},
	} {
		s.expect(c.name, s.ask(http.MethodPost, c.path, c.body, "Content-Type: application/json"), c.status, c.want)
	}
}

// A signed request needs one place among those that join, and one among those whose body arrives.
func TestSignedRequestTakesOnePlace(t *testing.T) {
	s := newStage(t, Options{})
	for _, c := range []*crowd{&s.server.pool.joining, &s.server.pool.signing} {
		for range maxJoinHost - 1 {
			done, err := s.server.pool.admit(c, hostOf(s.from.Load().(string)))
			kit.Must(t, err)
			defer done()
		}
	}
	const event = `{"topic":"org.other"}`
	s.expect("signed", s.ask(http.MethodPost, "/publish"+sign("ann", "secret", event, time.Now(), 1), event), 200, "*")
}

// The bodies of signed requests, which a stranger can send slowly, do not keep other clients from joining.
func TestSlowSignedBodies(t *testing.T) {
	s := newStage(t, Options{Time: kit.Patience})
	for i := range maxJoining {
		s.from.Store(fmt.Sprintf("192.0.2.%d:1", i/maxJoinHost))
		conn, err := net.Dial("tcp", s.web.Listener.Addr().String())
		kit.Must(t, err)
		defer conn.Close()
		fmt.Fprintf(conn, "POST /publish%s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{", sign("ann", "secret", "{}", time.Now(), i))
		kit.Eventually(t, "the request waits for its body", func() bool {
			s.server.pool.mu.Lock()
			defer s.server.pool.mu.Unlock()
			return s.server.pool.signing.total == i+1
		})
	}
	const event = `{"topic":"org.other"}`
	signed := func() answer {
		return s.ask(http.MethodPost, "/publish"+sign("ann", "secret", event, time.Now(), maxJoining), event)
	}
	s.expect("one more of an address", signed(), 429, "*")
	s.from.Store("192.0.2.99:1")
	s.expect("one more", signed(), 503, "*")
	s.expect("a new client", s.ask(http.MethodPost, "/publish/org.other", "[]", "Authorization: Bearer ann:secret"), 200, "*")
}

// A stream replaces that of the same client only. Devices with certificates may share an address.
func TestReplaced(t *testing.T) {
	var l streams
	replaced := 0
	for _, certificate := range []string{"a", "b", "a"} {
		me := &owner{host: "192.0.2.1", ended: make(chan struct{})}
		me.cancel = func() {
			replaced++
			l.remove(me)
		}
		kit.Must(t, l.add(me))
		who := credentials{realm: "realm1", peer: wamp.Transport{Certificate: &wamp.Certificate{SHA256: certificate}}}
		kit.Must(t, l.replace(t.Context(), me, who, "log"))
	}
	if replaced != 1 {
		t.Errorf("%d streams were replaced, want the one of the same certificate", replaced)
	}
}

// The memory of signatures is bounded, and forgets those that are too old to be accepted anyway.
func TestReplayIsBounded(t *testing.T) {
	var r replay
	now := time.Now()
	text := func(i int) string { return base64.URLEncoding.EncodeToString([]byte(fmt.Sprint(i))) }
	for i := range maxSignatures {
		kit.Must(t, r.note(text(i), now.Add(time.Minute), now))
	}
	if err := r.note(text(maxSignatures), now.Add(time.Minute), now); err == nil {
		t.Error("any number of signatures is remembered")
	}
	kit.Must(t, r.note(text(maxSignatures), now.Add(3*time.Minute), now.Add(2*time.Minute)))
	if len(r.seen) != 1 {
		t.Errorf("%d signatures are remembered", len(r.seen))
	}
}
