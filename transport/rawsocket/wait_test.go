package rawsocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
)

// shaken makes a server's Conn and the far end of its connection.
func shaken(t testing.TB, network string, opts Options) (c *Conn, peer net.Conn) {
	t.Helper()
	peer, near := networks[network](t)
	go peer.Write([]byte{Magic, 0xf3, 0, 0})
	got := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(peer, make([]byte, 4))
		got <- err
	}()
	c, err := Server(near, opts)
	if err := errors.Join(err, <-got); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, peer
}

// tiny makes the send buffer of one end small, so that writes are cut short. (TCP with small ones to read into waits
// for timers over loopback, where a segment is 64 KiB.)
func tiny(t testing.TB, from net.Conn) {
	t.Helper()
	if err := from.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
}

// TestFramesAreNeverTorn writes batches with and without waiting while PINGs arrive and the peer reads in small pieces.
// The peer must get whole frames, in order, and each PONG once.
func TestFramesAreNeverTorn(t *testing.T) {
	const messages, pings = 3000, 500
	for _, network := range []string{"tcp", "unix", "pipe"} {
		t.Run(network, func(t *testing.T) {
			peer, near := networks[network](t)
			if network != "pipe" {
				tiny(t, near)
			}
			go peer.Write([]byte{Magic, 0xf3, 0, 0})
			reply := make(chan struct{})
			go func() { io.ReadFull(peer, make([]byte, 4)); close(reply) }()
			c, err := Server(near, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			<-reply

			go c.ReadMessage() // answers PINGs until Close
			go func() {
				for i := range pings {
					peer.Write([]byte(frame(1, fmt.Sprintf("ping %d %s", i, strings.Repeat("p", i%300)))))
				}
			}()
			partial := make(chan int, 1)
			framed := func(text string) []byte { return []byte(frame(0, text)) }
			go func() { partial <- kit.WriteMessages(t, c.Write, messages, 50, framed, func() bool { return true }) }()
			for m, p := 0, 0; m < messages || p < pings; {
				k, payload := readFrame(t, peer)
				switch {
				case k == 0 && strings.HasPrefix(payload, fmt.Sprintf("message %d ", m)):
					m++
				case k == 2 && strings.HasPrefix(payload, fmt.Sprintf("ping %d ", p)) && len(payload) == len(fmt.Sprintf("ping %d ", p))+p%300:
					p++
				default:
					t.Fatalf("after %d messages and %d PONGs: frame of kind %d, %.40q", m, p, k, payload)
				}
			}
			if n := <-partial; n == 0 {
				t.Error("no write was cut short: the test tests nothing")
			}
		})
	}
}

func readFrame(t *testing.T, r io.Reader) (kind byte, payload string) {
	t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		t.Fatal(err)
	}
	n := binary.BigEndian.Uint32(head[:]) & 0xFFFFFF
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return head[0], string(b)
}

// TestPingFlood sends PINGs and reads nothing. This must block only the flooding peer.
func TestPingFlood(t *testing.T) {
	c, peer := shaken(t, "unix", Options{})
	go c.ReadMessage()
	flood := []byte(strings.Repeat(frame(1, strings.Repeat("f", 1000)), 100))
	before := heap()
	sent, rest := 0, flood
	for held := 0; held < 10; { // until no more bytes move, and the reader waits to write a PONG
		peer.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		n, _ := peer.Write(rest)
		if rest = rest[n:]; len(rest) == 0 {
			rest = flood
		}
		if sent += n; sent > 64<<20 {
			t.Fatal("64 MiB of PINGs were taken from a peer that reads nothing")
		}
		switch {
		case n > 0:
			held = 0
		case c.wire.Acquire(false):
			c.wire.Release()
			held = 0
		default:
			held++
		}
	}
	if grown := int64(heap()) - int64(before); grown > 2<<20 {
		t.Errorf("the heap grew by %d octets", grown)
	}
	if n, err := c.Write([]byte(frame(0, "hello")), false); n != 0 || err != nil {
		t.Errorf("write without wait: %d, %v; want 0", n, err)
	}
	done := make(chan error)
	go func() { _, err := c.Write([]byte(frame(0, "hello")), true); done <- err }()
	c.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("write with wait: %v", err)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestDeclaredLength declares long messages and sends little of them.
func TestDeclaredLength(t *testing.T) {
	for _, network := range []string{"tcp", "pipe"} {
		t.Run(network, func(t *testing.T) {
			const peers = 20
			before := heap()
			for range peers {
				c, peer := shaken(t, network, Options{MaxMessage: 1 << 24})
				go c.ReadMessage()
				peer.Write([]byte("\x08\x00\x00\x00" + strings.Repeat("x", 2000)))
				peer.Write([]byte("y"))
			}
			if grown := int64(heap()) - int64(before); grown > peers*32<<10 {
				t.Errorf("the heap grew by %d octets a peer", grown/peers)
			}
		})
	}
}

// readSlowly writes a message of size bytes to a peer that reads a number of bytes each second. The write must succeed,
// whatever time it takes.
func readSlowly(t *testing.T, c *Conn, peer io.Reader, bytesPerSecond, size int) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := c.Write([]byte(frame(0, strings.Repeat("x", size))), true)
		done <- err
	}()
	left := headSize + size
	for b := make([]byte, bytesPerSecond); left > 0; time.Sleep(time.Second) {
		n, err := io.ReadFull(peer, b[:min(len(b), left)])
		if left -= n; err != nil {
			t.Errorf("%d bytes are missing: %v", left, err)
			break
		}
	}
	if err := <-done; err != nil {
		t.Errorf("write at %d bytes/s: %v", bytesPerSecond, err)
	}
}

// TestSlowLine: a peer at the end of a serial line of 1200 baud takes its time for a long message, and keeps its connection.
func TestSlowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, peer := net.Pipe()
		defer peer.Close()
		go io.WriteString(peer, "\x7f\xf3\x00\x00")
		go io.ReadFull(peer, make([]byte, 4))
		c, err := Server(struct{ io.ReadWriteCloser }{a}, Options{PingInterval: 30 * time.Second, PingTimeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go c.ReadMessage()
		readSlowly(t, c, peer, 120, 20_000)
	})
}

// TestKeepAlive uses its own clock.
func TestKeepAlive(t *testing.T) {
	opts := Options{PingInterval: 30 * time.Second, PingTimeout: 10 * time.Second}
	type ends struct {
		c     *Conn
		peer  net.Conn
		start time.Time
	}
	for name, f := range map[string]func(t *testing.T, e ends){
		"a peer that is gone": func(t *testing.T, e ends) {
			go readOne(e.peer)
			_, _, err := e.c.ReadMessage()
			if err == nil || err.Error() != "rawsocket: no answer to PING in 10s" {
				t.Errorf("error is %v", err)
			}
			if d := time.Since(e.start); d < 40*time.Second || d > 70*time.Second {
				t.Errorf("found after %v", d)
			}
			if _, err := e.c.Write([]byte(frame(0, "x")), true); err == nil || !strings.Contains(err.Error(), "no answer") {
				t.Errorf("write: %v", err)
			}
		},
		"a peer that does not even read": func(t *testing.T, e ends) {
			_, _, err := e.c.ReadMessage()
			if err == nil || err.Error() != "rawsocket: the peer read no bytes for 10s" {
				t.Errorf("error is %v", err)
			}
		},
		"a peer that reads slowly but steadily": func(t *testing.T, e ends) {
			go e.c.ReadMessage()
			readSlowly(t, e.c, e.peer, 2000, 200_000)
			e.c.Close()
		},
		"a peer that reads more slowly each time": func(t *testing.T, e ends) {
			go e.c.ReadMessage()
			readSlowly(t, e.c, e.peer, 4000, 100_000)
			readSlowly(t, e.c, e.peer, 400, 40_000)
			readSlowly(t, e.c, e.peer, 100, 10_000)
			e.c.Close()
		},
		"a peer that answers": func(t *testing.T, e ends) {
			go func() {
				for range 20 {
					k, payload := readOne(e.peer)
					if k != 1 {
						t.Errorf("frame of kind %d, want a PING", k)
					}
					e.peer.Write([]byte(frame(2, payload)))
				}
				e.peer.Close()
			}()
			if _, _, err := e.c.ReadMessage(); err != io.EOF {
				t.Errorf("error is %v", err)
			}
			if d := time.Since(e.start); d < 20*30*time.Second {
				t.Errorf("20 PINGs within %v", d)
			}
		},
		"a peer that says something else": func(t *testing.T, e ends) {
			go func() {
				for range 20 {
					readOne(e.peer)
					time.Sleep(9 * time.Second)
					e.peer.Write([]byte(frame(0, "busy")))
				}
				e.peer.Close()
			}()
			for n := 0; ; n++ {
				if _, _, err := e.c.ReadMessage(); err != nil {
					if err != io.EOF || n != 20 {
						t.Errorf("error is %v after %d messages", err, n)
					}
					return
				}
			}
		},
		"a peer that talks is not asked": func(t *testing.T, e ends) {
			go func() {
				for range 100 {
					time.Sleep(20 * time.Second)
					e.peer.Write([]byte(frame(0, "talk")))
				}
				e.peer.Close()
			}()
			for n := 0; ; n++ {
				if _, _, err := e.c.ReadMessage(); err != nil { // a PING would block the peer, which does not read
					if err != io.EOF || n != 100 {
						t.Errorf("error is %v after %d messages", err, n)
					}
					return
				}
			}
		},
		"a reader that is busy itself": func(t *testing.T, e ends) {
			go e.peer.Write([]byte(frame(0, "work") + frame(0, "more")))
			want(t, e.c, "work")
			time.Sleep(10 * time.Minute)
			want(t, e.c, "more")
			go e.peer.Write([]byte(frame(0, "still there")))
			want(t, e.c, "still there")
		},
		"a peer that reads slowly": func(t *testing.T, e ends) {
			go e.c.ReadMessage()
			// One octet every 4.9 s: the PING can't be sent, but the octets move. No PING is due at the moment of a read, when
			// the right to write is free for an instant.
			go func() {
				b := make([]byte, 1)
				for range 60 {
					time.Sleep(4900 * time.Millisecond)
					e.peer.Read(b)
				}
				io.Copy(io.Discard, e.peer)
			}()
			for range 60 {
				if _, err := e.c.Write([]byte{0, 0, 0, 0}[:1], true); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := shaken(t, "pipe", opts)
				defer peer.Close()
				f(t, ends{c, peer, time.Now()})
				c.Close()
			})
		})
	}
}

func readOne(r io.Reader) (kind byte, payload string) {
	var head [4]byte
	io.ReadFull(r, head[:])
	b := make([]byte, binary.BigEndian.Uint32(head[:])&0xFFFFFF)
	io.ReadFull(r, b)
	return head[0], string(b)
}

// FuzzReadMessage reads any octets as frames, whole and in pieces. Both ways find the same messages, and end only with
// an error.
func FuzzReadMessage(f *testing.F) {
	f.Add([]byte(frame(0, "hello")+frame(1, "ping")+frame(0, "")), uint8(3))
	f.Add([]byte("\x08\x00\x00\x00"), uint8(1))
	f.Add([]byte(frame(2, "")+frame(0, strings.Repeat("x", 600))), uint8(200))
	f.Fuzz(func(t *testing.T, stream []byte, step uint8) {
		hello := []byte{Magic, 0x01, 0, 0}
		whole := messagesOf(t, &script{reads: [][]byte{hello, stream}})
		pieces := &script{reads: [][]byte{hello}}
		for b := stream; len(b) > 0; {
			n := min(len(b), int(step)+1)
			pieces.reads = append(pieces.reads, b[:n])
			b = b[n:]
		}
		if got := messagesOf(t, pieces); !bytes.Equal(got, whole) {
			t.Errorf("in pieces of %d: %q, in whole: %q", step, got, whole)
		}
	})
}

// messagesOf returns the messages of a stream, and the octets written in answer, as one text.
func messagesOf(t *testing.T, s *script) []byte {
	c, err := Server(s, Options{MaxMessage: 512})
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for {
		msg, _, err := c.ReadMessage()
		if err != nil {
			all = fmt.Appendf(all, "error %v\n", err)
			return append(all, s.written.Bytes()...)
		}
		all = fmt.Appendf(all, "%q\n", msg)
	}
}
