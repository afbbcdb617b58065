package memory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"runnel/edge/wamp"
)

func batch(messages ...string) (b []byte) {
	for _, m := range messages {
		b = binary.BigEndian.AppendUint32(b, uint32(len(m)))
		b = append(b, m...)
	}
	return b
}

func want(t *testing.T, c *Conn, msg string, more bool) {
	t.Helper()
	got, gotMore, err := c.ReadMessage()
	if err != nil || string(got) != msg || gotMore != more {
		t.Fatalf("read %.40q, more %v, %v; want %.40q, more %v", got, gotMore, err, msg, more)
	}
}

func write(t *testing.T, c *Conn, wait bool, n int, b []byte) {
	t.Helper()
	if got, err := c.Write(b, wait); got != n || err != nil {
		t.Fatalf("wrote %d of %d, %v; want %d", got, len(b), err, n)
	}
}

func TestPipe(t *testing.T) {
	a, b := Pipe(Options{Serializer: wamp.JSON, Name: "uplink", Authid: "central", Role: "uplink", Realm: "realm1"})
	for _, ends := range [][2]*Conn{{a, b}, {b, a}} {
		write(t, ends[0], false, 18, batch("one", "", "two"))
	}
	for _, c := range []*Conn{a, b} {
		want(t, c, "one", true)
		want(t, c, "", true)
		want(t, c, "two", false)
		if got := c.Transport(); got.Protocol != "memory" || got.Network != "memory" || !got.Local || got.Serializer != wamp.JSON ||
			got.Listener != "uplink" || got.Authid != "central" || got.Role != "uplink" || got.Realm != "realm1" {
			t.Errorf("transport is %+v", *got)
		}
	}
	if inside, _ := Internal(Options{}); a.Transport().Internal || !inside.Transport().Internal {
		t.Error("only the ends of Internal are internal")
	}
	if a, b := Pipe(Options{Limit: 1000}); a.Transport().Limit != 0 || b.Transport().Limit != 1000 {
		t.Error("the limit is what the first end takes")
	}
	peer := wamp.Transport{Protocol: "http", Remote: "192.0.2.1:80", Limit: 1, Serializer: wamp.CBOR, Internal: true, Local: true}
	a, b = Pipe(Options{Serializer: wamp.JSON, Name: "ignored", Peer: &peer, Limit: 1000})
	if got := *a.Transport(); got.Internal || !got.Local || got.Serializer != wamp.JSON || got.Protocol != "http" || got.Remote != peer.Remote ||
		got.Listener != "" || got.Limit != 0 || b.Transport().Limit != 1000 {
		t.Errorf("transport of a peer is %+v", got)
	}
	a, _ = Pipe(Options{})
	if got := a.Transport().Serializer; got != wamp.CBOR {
		t.Errorf("the default serializer is %v", got)
	}
}

// TestBounds: a write without wait accepts as many whole messages as there is room for.
func TestBounds(t *testing.T) {
	a, b := Pipe(Options{Buffer: 30})
	full := batch("123456", "123456", "123456", "123456") // 10 octets each
	write(t, a, false, 30, full)
	write(t, a, false, 0, full[30:])
	want(t, b, "123456", true)
	write(t, a, false, 30, full) // the reader has taken the batch, so there is room for another
	write(t, a, false, 0, full)
	for range 4 {
		want(t, b, "123456", true)
	}
	want(t, b, "123456", false)
	// A message longer than the buffer passes alone.
	long := strings.Repeat("x", 100)
	write(t, a, false, 104, batch(long, "next"))
	write(t, a, false, 0, batch("next"))
	want(t, b, long, false)
	if _, err := a.Write(batch("whole", "cut")[:14], true); err == nil {
		t.Error("a batch that ends in mid-message was taken")
	}
	if _, err := a.Write([]byte{0xff, 0xff, 0xff, 0xff}, true); err == nil {
		t.Error("a length beyond the batch was taken")
	}
}

func TestWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(Options{Buffer: 100})
		const messages = 2000
		go func() {
			var all []byte
			for i := range messages {
				all = append(all, batch(fmt.Sprintf("message %d %s", i, strings.Repeat("m", rand.IntN(200))))...)
			}
			write(t, a, true, len(all), all)
			a.Close()
		}()
		for i := range messages {
			msg, _, err := b.ReadMessage()
			if err != nil || !strings.HasPrefix(string(msg), fmt.Sprintf("message %d ", i)) {
				t.Fatalf("message %d is %.40q, %v", i, msg, err)
			}
		}
		if _, _, err := b.ReadMessage(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, closer := range map[string]func(a, b *Conn) *Conn{
			"this end":  func(a, b *Conn) *Conn { return a },
			"other end": func(a, b *Conn) *Conn { return b },
		} {
			a, b := Pipe(Options{Buffer: 10})
			read, written := make(chan error, 1), make(chan error, 1)
			go func() { _, _, err := a.ReadMessage(); read <- err }()
			go func() { _, err := a.Write(batch("123456", "123456"), true); written <- err }()
			synctest.Wait()
			c := closer(a, b)
			c.Close()
			c.Close()
			wantRead := error(net.ErrClosed)
			if c == b {
				wantRead = io.EOF
			}
			if err := <-read; !errors.Is(err, wantRead) {
				t.Errorf("%s: read: %v", name, err)
			}
			if err := <-written; !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: write: %v", name, err)
			}
		}
	})
}

// TestLastWords: data written before Close can still be read.
func TestLastWords(t *testing.T) {
	a, b := Pipe(Options{})
	write(t, a, true, 18, batch("goodbye", "end"))
	a.Close()
	want(t, b, "goodbye", true)
	want(t, b, "end", false)
	if _, _, err := b.ReadMessage(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if _, err := b.Write(batch("too late"), true); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v", err)
	}
}

func TestAllocations(t *testing.T) {
	a, b := Pipe(Options{})
	full := []byte(strings.Repeat(string(batch(strings.Repeat("e", 40))), 1000))
	exchange := func() {
		for rest := full; len(rest) > 0; {
			n, err := a.Write(rest, false)
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
			for more := true; more; {
				_, more, err = b.ReadMessage()
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	exchange()
	exchange()
	if n := testing.AllocsPerRun(100, exchange); n > 0 {
		t.Errorf("%v allocations for 1000 messages", n)
	}
}
