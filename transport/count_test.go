package transport

import (
	"context"
	"fmt"
	"net"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/kit"
)

// piecemeal takes some octets of each Write.
type piecemeal struct {
	Conn
	takes int
}

func (p *piecemeal) Write(batch []byte, wait bool) (int, error) { return min(p.takes, len(batch)), nil }

func (p *piecemeal) Transport() *wamp.Transport { return &wamp.Transport{} }

// TestCountOut: however a batch is cut, each message counts once.
func TestCountOut(t *testing.T) {
	b := batch("one", "", "three", "and a longer one", "")
	for takes := 1; takes <= len(b); takes++ {
		var sum Traffic
		c := &counted{Conn: &piecemeal{takes: takes}, sum: &sum}
		for rest := b; len(rest) > 0; {
			n, _ := c.Write(rest, false)
			rest = rest[n:]
		}
		if messages, octets := sum.messagesOut.Load(), sum.octetsOut.Load(); messages != 5 || octets != uint64(len(b)) {
			t.Errorf("%d octets at a time: %d messages, %d octets of %d", takes, messages, octets, len(b))
		}
	}
}

func TestCounters(t *testing.T) {
	l := run(t, "tcp://127.0.0.1:0", ListenOptions{MaxConns: 3})
	raw, web := dial(t, l.URL()), dial(t, "ws://"+l.Addr().String())
	for range 10 {
		call(t, raw, "hello")
		call(t, web, "hello")
	}
	bad, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bad.Write([]byte{0x7f, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	bad.Read(make([]byte, 5))
	bad.Close()
	awaitCounters(t, l, func(c Counters) bool { return c.Failed == 1 && c.Connections == 2 })
	dial(t, l.URL())
	if c, err := Dial(context.Background(), l.URL(), DialOptions{}); err == nil {
		c.Close()
		t.Error("there is no limit")
	}
	awaitCounters(t, l, func(c Counters) bool { return c.MessagesOut == 20 }) // which is counted when the peer may have it
	c := l.Counters()
	want := Counters{
		Connections: 3, Limit: 3, Accepted: 4, Refused: 1, Failed: 1, RawSocket: c.RawSocket, WebSocket: 1, // the third may not be served yet
		MessagesIn: 20, MessagesOut: 20, OctetsIn: 180, OctetsOut: 180,
	}
	if c != want || c.RawSocket != 1 && c.RawSocket != 2 {
		t.Errorf("%+v, want %+v", c, want)
	}
	raw.Close()
	web.Close()
	awaitCounters(t, l, func(c Counters) bool { return c.Connections == 1 && c.WebSocket == 0 && c.MessagesIn == 20 })
}

func awaitCounters(t *testing.T, l *running, ok func(Counters) bool) {
	t.Helper()
	kit.Eventually(t, "the counters", func() bool { return ok(l.Counters()) }, func() string { return fmt.Sprintf("%+v", l.Counters()) })
}
