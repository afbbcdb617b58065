package transport

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"runnel/test/kit"
)

// admitted passes a connection to a Listener that does not run, and returns the peer's end of it.
func admitted(t *testing.T, l *Listener) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	l.admit(near)
	t.Cleanup(func() { far.Close(); l.running.Wait() })
	far.SetDeadline(time.Now().Add(kit.Patience)) // fails if it is closed already
	return far
}

// TestAdmit: a Listener that stops takes connections only for the long-poll clients that it still has.
func TestAdmit(t *testing.T) {
	for _, c := range []struct {
		stopping bool
		polling  int
		want     uint64
	}{{false, 0, 1}, {false, 1, 1}, {true, 1, 1}, {true, 0, 0}} {
		l := mustListen(t, "tcp://127.0.0.1:0")
		l.stopping, l.polling = c.stopping, c.polling
		far := admitted(t, l)
		if got := l.Counters(); got.Accepted != c.want || got.Refused != 0 {
			t.Errorf("stopping %v, %d long-poll clients: %+v", c.stopping, c.polling, got)
		}
		if c.want == 0 {
			if _, err := far.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("a connection that comes too late: %v", err)
			}
		}
	}
}

// TestRefusals: a connection beyond the limit is answered and closed, as long as few of them wait for an answer.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		refusing   int
		sent, want string
	}{
		{0, "G", tooMany},
		{maxRefusing - 1, "G", tooMany},
		{maxRefusing - 1, "\x7f\xf1\x00\x00", "\x7f\x40\x00\x00"},
		{maxRefusing, "", ""},
	} {
		l := mustListen(t, "tcp://127.0.0.1:0")
		l.log = slog.New(slog.DiscardHandler)
		l.used, l.refusing = l.opts.MaxConns, c.refusing
		far := admitted(t, l)
		io.WriteString(far, c.sent) // fails if it is closed already
		answer, err := io.ReadAll(far)
		if string(answer) != c.want || err != nil {
			t.Errorf("%d are being refused: %q, %v", c.refusing, answer, err)
		}
		l.running.Wait()
		if got := l.Counters(); got.Refused != 1 || got.Accepted != 0 || l.refusing != c.refusing || len(l.handshaking) != 0 {
			t.Errorf("%d are being refused: %+v, afterwards %d", c.refusing, got, l.refusing)
		}
	}
}

// TestNoNewPeersWhileStopping: a Listener that waits for its long-poll clients serves no new peer.
func TestNoNewPeersWhileStopping(t *testing.T) {
	l, err := Listen("tcp://127.0.0.1:0", ListenOptions{Grace: time.Hour})
	kit.Must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	end, ran := make(chan struct{}), make(chan error, 1)
	served := make(chan Conn, 10)
	go func() {
		ran <- l.Run(ctx, func(c Conn) {
			served <- c
			<-end
		})
	}()
	defer http.DefaultClient.CloseIdleConnections()
	path := openPoll(t, l)
	<-served
	cancel()
	kit.Eventually(t, "stopping", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.stopping
	})
	for _, scheme := range []string{"tcp", "ws"} {
		read := make(chan error, 1)
		go func() {
			c, err := Dial(context.Background(), scheme+"://"+l.Addr().String(), DialOptions{})
			if err == nil {
				_, _, err = c.ReadMessage()
				c.Close()
			}
			read <- err
		}()
		if err := kit.Receive(t, scheme, read); err == nil {
			t.Errorf("a message by %s", scheme)
		}
	}
	upgrade, err := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+"/ws", nil)
	kit.Must(t, err)
	upgrade.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Protocol": {"wamp.2.json"}}
	answered, err := http.DefaultClient.Do(upgrade)
	kit.Must(t, err)
	answered.Body.Close()
	if answered.StatusCode != http.StatusServiceUnavailable { // the end of a WebSocket would take a closing handshake
		t.Errorf("a WebSocket is answered with %s", answered.Status)
	}
	if status, answer := poll(t, l, "open", openBody); status < 400 {
		t.Errorf("a new long-poll client is answered with %d %s", status, answer)
	}
	if len(served) > 0 || l.Counters().LongPoll != 1 {
		t.Errorf("%d new peers, %+v", len(served), l.Counters())
	}
	poll(t, l, path+"close", "")
	close(end)
	kit.Must(t, kit.Receive(t, "the end", ran))
	if c := l.Counters(); c.Connections != 0 {
		t.Errorf("afterwards %+v", c)
	}
}
