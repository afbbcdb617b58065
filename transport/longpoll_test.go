package transport

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
)

// poll makes a long-poll request.
func poll(t *testing.T, l *Listener, path, body string) (status int, answer string) {
	t.Helper()
	resp, err := http.Post("http://"+l.Addr().String()+pollPath+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// openPoll opens a long-poll transport and returns its path.
func openPoll(t *testing.T, l *Listener) string {
	t.Helper()
	status, answer := poll(t, l, "open", `{"protocols":["wamp.2.json"]}`)
	_, id, _ := strings.Cut(answer, `"transport":"`)
	id, _, ok := strings.Cut(id, `"`)
	if status != http.StatusOK || !ok {
		t.Fatalf("open is answered with %d %s", status, answer)
	}
	return id + "/"
}

// TestLongPoll: a long-poll transport is a peer like others, and counts as a connection.
func TestLongPoll(t *testing.T) {
	l := run(t, "tcp://127.0.0.1:0", ListenOptions{MaxConns: 2})
	defer http.DefaultClient.CloseIdleConnections()
	path := openPoll(t, l.Listener)
	at := (<-l.peers).Transport()
	if at.Protocol != "longpoll" || at.Network != "tcp" || at.Listener != l.URL() || !at.Local || at.Serializer != wamp.JSON {
		t.Errorf("the peer is %+v", at)
	}
	if status, answer := poll(t, l.Listener, "open", `{"protocols":["wamp.2.json"]}`); status != http.StatusServiceUnavailable {
		t.Errorf("one too many is answered with %d %s", status, answer) // the connection that asks is the other one
	}
	if c := l.Counters(); c.Refused != 1 || c.Failed != 0 || c.LongPoll != 1 {
		t.Errorf("it counts as %+v", c)
	}
	if status, answer := poll(t, l.Listener, path+"send", "hello"); status != http.StatusNoContent {
		t.Errorf("send is answered with %d %s", status, answer)
	}
	if status, answer := poll(t, l.Listener, path+"receive", ""); status != http.StatusOK || answer != "hello" {
		t.Errorf("receive is answered with %d %s", status, answer)
	}
	poll(t, l.Listener, path+"close", "")
	for { // until the transport's place is free
		status, _ := poll(t, l.Listener, "open", `{"protocols":["wamp.2.json"]}`)
		if status == http.StatusOK {
			break
		}
		time.Sleep(time.Millisecond)
	}
}

// TestIdlePoll: a long-poll client times out even without pings.
func TestIdlePoll(t *testing.T) {
	for _, c := range []struct{ interval, timeout, want time.Duration }{
		{5 * time.Second, 3 * time.Second, 8 * time.Second},
		{5 * time.Second, 0, 5*time.Second + defaultTime},
		{0, 0, defaultPing + defaultTime},
		{-1, 3 * time.Second, defaultPing + 3*time.Second},
	} {
		if got := idlePoll(c.interval, c.timeout); got != c.want {
			t.Errorf("interval %v, timeout %v: %v, want %v", c.interval, c.timeout, got, c.want)
		}
	}
}

// TestLongPollEnds checks that a long-poll client still gets GOODBYE when the router stops.
func TestLongPollEnds(t *testing.T) {
	l, err := Listen("tcp://127.0.0.1:0", ListenOptions{Grace: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() {
		ran <- l.Run(ctx, func(c Conn) {
			c.Write(batch("welcome"), true)
			<-ctx.Done()
			c.Write(batch("goodbye"), true)
		})
	}()
	path := openPoll(t, l)
	if _, answer := poll(t, l, path+"receive", ""); answer != "welcome" {
		t.Errorf("received %q", answer)
	}
	time.AfterFunc(10*time.Millisecond, cancel) // the next request has arrived by then, or it gets the remaining messages
	if _, answer := poll(t, l, path+"receive", ""); answer != "goodbye" {
		t.Errorf("received %q", answer)
	}
	if err := <-ran; err != nil {
		t.Error(err)
	}
}
