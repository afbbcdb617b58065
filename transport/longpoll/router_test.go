package longpoll

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// router is the router's side, played by the test.
type router struct {
	*Server
	web   *httptest.Server
	conns chan *Conn
}

func serve(t testing.TB, o Options) *router {
	r := &router{conns: make(chan *Conn, 10)}
	if o.Serve == nil {
		o.Serve = func(c *Conn) bool { kit.Send(t, r.conns, c); return true }
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

func expectEnd(t testing.TB, c *Conn, want error) {
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
