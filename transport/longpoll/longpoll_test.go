package longpoll

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/subprotocol"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// router is the side that a test plays itself.
type router struct {
	*Server
	web   *httptest.Server
	conns chan *Conn
}

func serve(t testing.TB, o Options) *router {
	r := &router{conns: make(chan *Conn, 10)}
	if o.Serve == nil {
		o.Serve = func(c *Conn) bool { r.conns <- c; return true }
	}
	r.Server = NewServer(o)
	r.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		peer := wamp.Transport{Network: "tcp", ChannelBinding: func(string) ([]byte, bool) { return nil, false }}
		if name := q.Header.Get("Test-Certificate"); name != "" {
			peer.Certificate = &wamp.Certificate{CommonName: name}
		}
		r.Answer(w, q, strings.TrimPrefix(q.URL.Path, "/lp/"), peer)
	}))
	t.Cleanup(func() {
		r.mu.Lock()
		var left []*Conn
		for _, c := range r.Server.conns {
			left = append(left, c)
		}
		r.mu.Unlock()
		for _, c := range left {
			c.disconnect(io.EOF)
			c.Close()
		}
		r.web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

// post makes a request.
func (r *router) post(t testing.TB, path, body string, headers ...string) (status int, answer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	status, answer, err := r.try(ctx, http.MethodPost, path, body, headers...)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return status, answer
}

func (r *router) try(ctx context.Context, method, path, body string, headers ...string) (status int, answer string, err error) {
	q, err := http.NewRequestWithContext(ctx, method, r.web.URL+"/lp/"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, "", err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	return a.StatusCode, string(b), err
}

// open opens a transport.
func (r *router) open(t testing.TB, protocol string, headers ...string) (c *Conn, path string) {
	t.Helper()
	status, answer := r.post(t, "open?x=1", `{"protocols":["wamp.2.flatbuffers","`+protocol+`"]}`, headers...)
	var made struct{ Protocol, Transport string }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || status != http.StatusOK || made.Protocol != protocol {
		t.Fatalf("open is answered with %d %s", status, answer)
	}
	if len(made.Transport) < 22 { // 128 bits
		t.Errorf("the transport's id %q is too short and can be guessed", made.Transport)
	}
	return <-r.conns, made.Transport + "/"
}

func (r *router) want(t testing.TB, path, body string, status int, answer string) {
	t.Helper()
	got, text := r.post(t, path, body)
	if got != status || !strings.Contains(text, answer) || answer == "" && text != "" {
		t.Fatalf("%s is answered with %d %q, want %d %q", path, got, text, status, answer)
	}
}

func batch(messages ...string) (b []byte) {
	for _, m := range messages {
		b = binary.BigEndian.AppendUint32(b, uint32(len(m)))
		b = append(b, m...)
	}
	return b
}

func say(t testing.TB, c *Conn, messages ...string) {
	t.Helper()
	b := batch(messages...)
	if n, err := c.Write(b, true); n != len(b) || err != nil {
		t.Fatalf("wrote %d octets of %d: %v", n, len(b), err)
	}
}

func hear(t testing.TB, c *Conn, want string, more bool) {
	t.Helper()
	got, gotMore, err := c.ReadMessage()
	if string(got) != want || gotMore != more || err != nil {
		t.Fatalf("read %.40q, more %v, %v; want %.40q, more %v", got, gotMore, err, want, more)
	}
}

func ended(t testing.TB, c *Conn, want error) {
	t.Helper()
	if _, _, err := c.ReadMessage(); !errors.Is(err, want) {
		t.Errorf("read: %v, want %v", err, want)
	}
}

func done(t testing.TB, c *Conn) {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(kit.Patience):
		t.Fatal("the transport does not end")
	}
}

// TestProtocols carries messages both ways, in every subprotocol.
func TestProtocols(t *testing.T) {
	for _, name := range subprotocol.Names() {
		t.Run(name, func(t *testing.T) {
			r := serve(t, Options{})
			p, _ := subprotocol.Parse(name)
			c, path := r.open(t, name)
			if at := c.Transport(); at.Protocol != "longpoll" || at.Serializer != p.Serializer || at.Network != "tcp" || at.ChannelBinding != nil {
				t.Errorf("the transport is %+v", at)
			}
			r.want(t, path+"send", packed(p, "one"), http.StatusNoContent, "")
			hear(t, c, "one", false)
			say(t, c, "first", "second")
			if p.Batched {
				r.want(t, path+"receive", "", http.StatusOK, packed(p, "first", "second"))
				r.want(t, path+"send", packed(p, "two", "three"), http.StatusNoContent, "")
				hear(t, c, "two", true)
				hear(t, c, "three", false)
			} else {
				r.want(t, path+"receive", "", http.StatusOK, "first")
				say(t, c, "third")
				r.want(t, path+"receive", "", http.StatusOK, "second")
				r.want(t, path+"receive", "", http.StatusOK, "third")
			}
			r.want(t, path+"send", packed(p, "last"), http.StatusNoContent, "")
			r.want(t, path+"close", "", http.StatusNoContent, "")
			hear(t, c, "last", false)
			ended(t, c, io.EOF)
			c.Close()
			done(t, c)
			r.want(t, path+"close", "", http.StatusNoContent, "") // again
			r.want(t, path+"receive", "", http.StatusNotFound, "no such transport")
			if n := r.Len(); n != 0 {
				t.Errorf("%d transports are left", n)
			}
		})
	}
}

func packed(p subprotocol.Protocol, messages ...string) string {
	if !p.Batched {
		return messages[0]
	}
	return string(p.Pack(nil, batch(messages...)))
}

func TestRefusals(t *testing.T) {
	r := serve(t, Options{MaxMessage: 100})
	_, single := r.open(t, "wamp.2.json")
	_, binary := r.open(t, "wamp.2.cbor.batched")
	_, owned := r.open(t, "wamp.2.json", "Test-Certificate", "ann")
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
		headers            []string
	}{
		{"GET", "open", "", 405, "are POST", nil},
		{"POST", "", "", 404, "no such transport", nil},
		{"POST", "open", "", 400, "not a JSON object", nil},
		{"POST", "open", "[1]", 400, "not a JSON object", nil},
		{"POST", "open", "{}", 400, "no common protocol", nil},
		{"POST", "open", `{"protocols":["wamp.2.flatbuffers"]}`, 400, "wamp.2.cbor, wamp.2.msgpack, wamp.2.json, wamp.2.cbor.batched", nil},
		{"POST", "open", `{"protocols":["` + strings.Repeat("x", 5000) + `"]}`, 413, "longer than 4096 bytes", nil},
		{"POST", "none/send", "[1]", 404, "no such transport", nil},
		{"POST", single + "sing", "[1]", 404, "send, receive and close", nil},
		{"POST", single + "send", "", 400, "empty", nil},
		{"POST", single + "send", strings.Repeat("x", 101), 413, "longer than 100 bytes", nil},
		{"POST", single + "send", "[1]", 403, "another certificate", []string{"Test-Certificate", "eve"}},
		{"POST", owned + "receive", "", 403, "another certificate", nil},
		{"POST", owned + "close", "", 403, "another certificate", []string{"Test-Certificate", "eve"}},
		{"POST", binary + "send", "\x00\x00\x00\x02a", 400, "broken batch", nil},
		{"POST", binary + "send", "a", 400, "broken batch", nil},
		{"OPTIONS", "open", "", 204, "", []string{"Origin", "https://good.example"}},
	} {
		status, answer, err := r.try(context.Background(), c.method, c.path, c.body, c.headers...)
		if err != nil || status != c.status || !strings.Contains(answer, c.answer) {
			t.Errorf("%s %s %.40q is answered with %d %q, %v; want %d %q", c.method, c.path, c.body, status, answer, err, c.status, c.answer)
		}
	}
	for _, path := range []string{single, binary} { // what is refused has done nothing
		r.want(t, path+"send", "\x00\x00\x00\x01a", http.StatusNoContent, "")
	}
}

// TestReadLimit: who has not joined yet sends no long bodies.
func TestReadLimit(t *testing.T) {
	r := serve(t, Options{MaxMessage: 100})
	c, path := r.open(t, "wamp.2.json")
	var _ interface{ SetReadLimit(int) } = c // which the router asks for
	for _, limit := range []int{10, 1000, 0} {
		c.SetReadLimit(limit)
		took := min(limit, 100)
		if limit == 0 {
			took = 100
		}
		r.want(t, path+"send", strings.Repeat("x", took+1), http.StatusRequestEntityTooLarge, fmt.Sprintf("longer than %d bytes", took))
		r.want(t, path+"send", strings.Repeat("x", took), http.StatusNoContent, "")
		hear(t, c, strings.Repeat("x", took), false)
	}
}

// TestPages: a page that may connect may also read the answers, with its cookies.
func TestPages(t *testing.T) {
	r := serve(t, Options{})
	for _, method := range []string{"OPTIONS", "POST"} {
		q, _ := http.NewRequest(method, r.web.URL+"/lp/open", strings.NewReader(`{"protocols":["wamp.2.json"]}`))
		q.Header.Set("Origin", "https://good.example")
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		h := a.Header
		if h.Get("Access-Control-Allow-Origin") != "https://good.example" || h.Get("Access-Control-Allow-Credentials") != "true" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s is answered with %v", method, h)
		}
		if got := h.Get("Access-Control-Allow-Headers"); (got == "Content-Type") != (method == "OPTIONS") {
			t.Errorf("%s allows the headers %q", method, got)
		}
	}
}

func TestNoRoom(t *testing.T) {
	r := serve(t, Options{Serve: func(*Conn) bool { return false }})
	r.want(t, "open", `{"protocols":["wamp.2.json"]}`, http.StatusServiceUnavailable, "too many")
	if n := r.Len(); n != 0 {
		t.Errorf("%d transports are left", n)
	}
}

// TestNothingToReceive: a request is not kept longer than clients wait, and the next one finds what has come meanwhile.
func TestNothingToReceive(t *testing.T) {
	r := serve(t, Options{PollTime: time.Millisecond})
	c, path := r.open(t, "wamp.2.json")
	for range 3 {
		r.want(t, path+"receive", "", http.StatusNoContent, "")
	}
	say(t, c, "[1]")
	r.want(t, path+"receive", "", http.StatusOK, "[1]")
}

// TestSilence: a client that does not ask any more is gone; one that waits is not, however long.
func TestSilence(t *testing.T) {
	r := serve(t, Options{IdleTime: time.Second})
	waits, p := asking(t, r)
	silent, gone := r.open(t, "wamp.2.json")
	if _, _, err := silent.ReadMessage(); err == nil || !strings.Contains(err.Error(), "has not asked for messages for 1s") {
		t.Errorf("the silent client: %v", err)
	}
	if n, err := silent.Write(batch("[2]"), true); n != 0 || err == nil {
		t.Errorf("wrote %d octets to a client that is gone: %v", n, err)
	}
	silent.Close()
	done(t, silent)
	r.want(t, gone+"receive", "", http.StatusNotFound, "no such transport")
	say(t, waits, "[1]")
	if got, _, err := waits.take(p); string(got) != "[1]" || err != nil {
		t.Errorf("the client that waits got %q, %v", got, err)
	}
	waits.endPoll(p)
	if _, _, err := waits.ReadMessage(); err == nil || !strings.Contains(err.Error(), "has not asked") {
		t.Errorf("the client that does not come again: %v", err)
	}
}

// asking returns a transport with a request that waits to receive, which has come in time.
func asking(t *testing.T, r *router) (*Conn, *poll) {
	t.Helper()
	for {
		c, _ := r.open(t, "wamp.2.json")
		p, err := c.startPoll()
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.ended: // the machine has too much to do
			c.endPoll(p)
			c.Close()
		default:
			return c, p
		}
	}
}

// TestTwoWait: the newest request gets the messages, the other an error.
func TestTwoWait(t *testing.T) {
	r := serve(t, Options{PollTime: kit.Patience})
	c, path := r.open(t, "wamp.2.json")
	answers := make(chan int, 2)
	wait := func() {
		status, _, _ := r.try(context.Background(), "POST", path+"receive", "")
		answers <- status
	}
	go wait()
	go wait()
	if got := <-answers; got != http.StatusConflict {
		t.Errorf("one is answered with %d", got)
	}
	say(t, c, "[1]")
	if got := <-answers; got != http.StatusOK {
		t.Errorf("the other is answered with %d", got)
	}
}

// TestClose: what the router has said last can still be fetched, one message a request.
func TestClose(t *testing.T) {
	r := serve(t, Options{})
	c, path := r.open(t, "wamp.2.json")
	say(t, c, "[3]", "[6]")
	c.Close()
	ended(t, c, c.cause)
	if n, err := c.Write(batch("[1]"), true); n != 0 || err == nil {
		t.Errorf("wrote %d octets after Close: %v", n, err)
	}
	r.want(t, path+"send", "[1]", http.StatusNotFound, "no such transport")
	r.want(t, path+"receive", "", http.StatusOK, "[3]")
	r.want(t, path+"receive", "", http.StatusOK, "[6]")
	done(t, c)
	r.want(t, path+"receive", "", http.StatusNotFound, "no such transport")

	c, path = r.open(t, "wamp.2.json")
	answers := make(chan int, 1)
	go func() {
		status, _, _ := r.try(context.Background(), "POST", path+"receive", "")
		answers <- status
	}()
	c.Close()
	if got := <-answers; got != http.StatusNoContent && got != http.StatusNotFound { // it may come too late
		t.Errorf("the request that waits is answered with %d", got)
	}
	done(t, c)

	c, _ = r.open(t, "wamp.2.json")
	say(t, c, "[3]")
	c.Close() // the client never fetches the message
	done(t, c)
}

// TestBackPressure: neither side takes more than a bounded amount from the other.
func TestBackPressure(t *testing.T) {
	r := serve(t, Options{})
	c, path := r.open(t, "wamp.2.cbor.batched")
	long := strings.Repeat("x", bufferSize/4)
	b := batch(long, long, long, long, long)
	n, err := c.Write(b, false)
	if err != nil || n != 3*(headSize+len(long)) {
		t.Fatalf("wrote %d octets of %d: %v", n, len(b), err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(b[n:], true)
		wrote <- err
	}()
	r.want(t, path+"receive", "", http.StatusOK, string(b[:n]))
	r.want(t, path+"receive", "", http.StatusOK, string(b[n:]))
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	huge := batch(strings.Repeat("x", 2*bufferSize))
	if n, err := c.Write(huge, false); n != len(huge) || err != nil {
		t.Errorf("wrote %d octets of one long message: %v", n, err)
	}

	// One message is taken in advance; who sends the next waits.
	r.want(t, path+"send", string(batch("one")), http.StatusNoContent, "")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if status, answer, err := r.try(ctx, "POST", path+"send", string(batch("two"))); err == nil {
		t.Errorf("the second is answered with %d %s", status, answer)
	}
	sent := make(chan int, 1)
	go func() {
		status, _, _ := r.try(context.Background(), "POST", path+"send", string(batch("three")))
		sent <- status
	}()
	got, _, err := c.ReadMessage()
	if string(got) != "one" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	got, _, err = c.ReadMessage()
	if string(got) == "two" { // its sender was not told, but it may have got through
		got, _, err = c.ReadMessage()
	}
	if string(got) != "three" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if status := <-sent; status != http.StatusNoContent {
		t.Errorf("the third is answered with %d", status)
	}
}

// TestSlowBody: a body that does not arrive holds nothing up for long.
func TestSlowBody(t *testing.T) {
	r := serve(t, Options{BodyTime: 2 * time.Second})
	c, path := r.open(t, "wamp.2.json")
	body, more := io.Pipe()
	defer more.Close()
	q, err := http.NewRequest("POST", r.web.URL+"/lp/"+path+"send", body)
	if err != nil {
		t.Fatal(err)
	}
	go more.Write([]byte("[1"))
	if a, err := http.DefaultClient.Do(q); err == nil {
		a.Body.Close()
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("half a body is answered with %s", a.Status)
		}
	}
	r.want(t, path+"send", "[2]", http.StatusNoContent, "")
	hear(t, c, "[2]", false)
}

// FuzzSend: whatever is sent is refused, or read to the end.
func FuzzSend(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01a\x00\x00\x00\x00"), true, false)
	f.Add([]byte("[1]\x1e[2]\x1e"), true, true)
	f.Add([]byte("[1]"), false, true)
	f.Fuzz(func(t *testing.T, body []byte, batched, text bool) {
		p := subprotocol.Protocol{Serializer: wamp.CBOR, Batched: batched}
		if text {
			p.Serializer = wamp.JSON
		}
		s := NewServer(Options{})
		c := newConn(s, "id", p, wamp.Transport{}, nil)
		defer c.Close()
		w := httptest.NewRecorder()
		err := c.send(w, httptest.NewRequest("POST", "/", strings.NewReader(string(body))))
		if err != nil {
			return
		}
		c.disconnect(io.EOF)
		octets := 0
		for {
			msg, _, err := c.ReadMessage()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			octets += len(msg)
		}
		if octets > len(body) || !batched && octets != len(body) {
			t.Errorf("read %d octets of %d", octets, len(body))
		}
	})
}
