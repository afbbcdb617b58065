package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/stage"
)

// wire is a connection that cases read and write octet by octet.
type wire struct {
	*testing.T
	net.Conn
}

func open(t *testing.T, w stage.Way) *wire {
	t.Helper()
	conn, err := house.Dial(context.Background(), w, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(kit.Patience))
	t.Cleanup(func() { conn.Close() })
	return &wire{t, conn}
}

// put writes octets.
func (w *wire) put(octets ...byte) {
	w.Helper()
	if _, err := w.Write(octets); err != nil {
		w.Fatal(err)
	}
}

// take reads octets and compares them.
func (w *wire) take(want ...byte) {
	w.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(w, got); err != nil || !bytes.Equal(got, want) {
		w.Fatalf("read % x (%v), want % x", got[:n], err, want)
	}
}

// frame reads a RawSocket frame.
func (w *wire) frame() (kind byte, payload []byte) {
	w.Helper()
	kind, payload, err := stage.ReadFrame(w)
	if err != nil {
		w.Fatal(err)
	}
	return kind, payload
}

// expectClosed checks that the router closes the connection without sending anything more.
func (w *wire) expectClosed() {
	w.Helper()
	b := make([]byte, 1)
	n, err := w.Read(b)
	if n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		w.Fatalf("read % x, %v; expected the end", b[:n], err)
	}
}

// streams lists the ways of RawSocket except serial lines.
func streams(t *testing.T, name string, plot func(w *wire)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		for _, network := range []string{"tcp", "tls", "unix"} {
			t.Run(network, func(t *testing.T) {
				t.Parallel()
				plot(open(t, stage.Way{Network: network}))
			})
		}
	})
}

const ourLimit = 0xb0 // 2^(9+11): 1 MiB, the default

var helloText = []byte(`[1,"stage.tcp_json",{"roles":{"publisher":{},"subscriber":{}}}]`)

func TestRawSocketHandshake(t *testing.T) {
	for s := byte(1); s <= 3; s++ {
		for l := range byte(16) {
			streams(t, fmt.Sprintf("length %d, serializer %d", l, s), func(w *wire) {
				w.put(0x7f, l<<4|s, 0, 0)
				w.take(0x7f, ourLimit|s, 0, 0) // the serializer is repeated, the limit is the router's own
			})
		}
	}
	for s := byte(0); s < 16; s++ {
		if s >= 1 && s <= 3 {
			continue
		}
		streams(t, fmt.Sprintf("serializer %d", s), func(w *wire) {
			w.put(0x7f, 0xf0|s, 0, 0)
			w.take(0x7f, 0x10, 0, 0) // serializer unsupported
			w.expectClosed()
		})
	}
	for _, reserved := range [][2]byte{{1, 0}, {0, 1}, {0xff, 0xff}} {
		streams(t, fmt.Sprintf("reserved octets %x", reserved), func(w *wire) {
			w.put(0x7f, 0xf1, reserved[0], reserved[1])
			w.take(0x7f, 0x30, 0, 0) // use of reserved bits
			w.expectClosed()
		})
	}
	streams(t, "octet by octet", func(w *wire) {
		for _, b := range append([]byte{0x7f, 0xf1, 0, 0}, stage.Frame(0, helloText)...) {
			w.put(b)
		}
		w.take(0x7f, ourLimit|1, 0, 0)
		if kind, payload := w.frame(); kind != 0 || !bytes.HasPrefix(payload, []byte("[2,")) {
			w.Errorf("heard %s", payload)
		}
	})
	streams(t, "with the first frame", func(w *wire) {
		w.put(append([]byte{0x7f, 0xf1, 0, 0}, stage.Frame(0, helloText)...)...)
		w.take(0x7f, ourLimit|1, 0, 0)
		if kind, payload := w.frame(); kind != 0 || !bytes.HasPrefix(payload, []byte("[2,")) {
			w.Errorf("heard %s", payload)
		}
	})
	for _, network := range []string{"unix", "tcp", "tls"} {
		t.Run("not 7F/"+network, func(t *testing.T) {
			w := open(t, stage.Way{Network: network})
			w.put(0x7e, 0xf1, 0, 0)
			if answer, _ := io.ReadAll(w); !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 Bad Request\r\n")) {
				t.Errorf("%s", answer)
			}
		})
	}
	for _, network := range []string{"tcp", "tls"} {
		t.Run("HTTP on the same port/"+network, func(t *testing.T) {
			w := open(t, stage.Way{Network: network})
			w.put([]byte("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")...)
			answer, _ := io.ReadAll(w)
			if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 OK\r\n")) {
				t.Errorf("%s", answer)
			}
		})
	}
	t.Run("too many connections", func(t *testing.T) {
		address := strings.TrimPrefix(house.More[1], "tcp://")
		at := stage.Way{Network: "tcp", Address: address}
		a, b := open(t, at), open(t, at)
		for _, w := range []*wire{a, b} {
			w.put(0x7f, 0xf1, 0, 0)
			w.take(0x7f, ourLimit|1, 0, 0)
		}
		c := open(t, at)
		c.put(0x7f, 0xf1, 0, 0)
		c.take(0x7f, 0x40, 0, 0) // maximum connection count reached
		c.expectClosed()
		web := open(t, at)
		web.put([]byte("GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n")...)
		if answer, _ := io.ReadAll(web); !bytes.HasPrefix(answer, []byte("HTTP/1.1 503 ")) {
			t.Errorf("%s", answer)
		}
		a.Close()
		b.Close()
	})
}

// shaken returns a connection after the handshake for JSON.
func (w *wire) shaken() {
	w.Helper()
	w.put(0x7f, 0xf1, 0, 0)
	w.take(0x7f, ourLimit|1, 0, 0)
}

// joined returns a connection with a session.
func (w *wire) joined() {
	w.Helper()
	w.shaken()
	w.put(stage.Frame(0, helloText)...)
	if _, payload := w.frame(); !bytes.HasPrefix(payload, []byte("[2,")) {
		w.Fatalf("heard %s", payload)
	}
}

// answered sends a message and returns the reply.
func (w *wire) answered(message, prefix string) {
	w.Helper()
	w.put(stage.Frame(0, []byte(message))...)
	kind, payload := w.frame()
	for kind == 1 { // on a slow machine the router may have become impatient
		kind, payload = w.frame()
	}
	if kind != 0 || !bytes.HasPrefix(payload, []byte(prefix)) {
		w.Fatalf("heard %s", payload)
	}
}

func TestRawSocketFrames(t *testing.T) {
	for _, head := range [][]byte{
		{0x10, 0, 0, 2}, {0x80, 0, 0, 2}, {0x20, 0, 0, 0}, {0x40, 0, 0, 0}, // RRRR
		{3, 0, 0, 2}, {4, 0, 0, 2}, {5, 0, 0, 2}, {6, 0, 0, 2}, {7, 0, 0, 2}, // TTT
		{8, 0, 0, 1}, {8, 0, 0, 0}, // X: more than 16 MiB, and 16 MiB, which is more than this router takes
		{0, 0x10, 0, 1}, {0, 0xff, 0xff, 0xff}, // more than 1 MiB
		{1, 0x10, 0, 1}, {2, 0x10, 0, 1}, // in PING and PONG too
	} {
		streams(t, fmt.Sprintf("broken head % x", head), func(w *wire) {
			w.joined()
			w.put(append(head, '[', ']')...)
			w.expectClosed()
		})
	}
	streams(t, "message of exactly the limit", func(w *wire) {
		w.joined()
		head, tail := `[16,1,{"acknowledge":true},"a.b",["`, `"]]`
		w.answered(head+strings.Repeat("x", 1<<20-len(head)-len(tail))+tail, "[17,1,")
	})
	streams(t, "empty message", func(w *wire) {
		w.joined()
		w.put(stage.Frame(0, nil)...)
		if _, payload := w.frame(); !bytes.Contains(payload, []byte("wamp.error.protocol_violation")) {
			w.Errorf("heard %s", payload)
		}
		w.expectClosed()
	})
	streams(t, "several in one write, and one in several", func(w *wire) {
		w.joined()
		one, two := stage.Frame(0, []byte(`[32,1,{},"a.b"]`)), stage.Frame(0, []byte(`[32,2,{},"a.c"]`))
		w.put(append(one, two...)...)
		for _, prefix := range []string{"[33,1,", "[33,2,"} {
			if _, payload := w.frame(); !bytes.HasPrefix(payload, []byte(prefix)) {
				w.Errorf("heard %s", payload)
			}
		}
		for _, b := range stage.Frame(0, []byte(`[32,3,{},"a.d"]`)) {
			w.put(b)
		}
		if _, payload := w.frame(); !bytes.HasPrefix(payload, []byte("[33,3,")) {
			w.Errorf("heard %s", payload)
		}
	})
	for _, size := range []int{0, 1, 5, 511, 512, 70_000, 1 << 20} {
		streams(t, fmt.Sprintf("PING of %d", size), func(w *wire) {
			w.joined()
			octets := bytes.Repeat([]byte{0x7f, 0, 0xff}, size/3+1)[:size]
			ping := stage.Frame(1, octets)
			go w.Write(append(ping, ping...))
			for range 2 {
				if kind, payload := w.frame(); kind != 2 || !bytes.Equal(payload, octets) {
					w.Errorf("PONG of %d octets is a frame of kind %d of %d", size, kind, len(payload))
				}
			}
			w.answered(`[32,1,{},"a.b"]`, "[33,1,")
		})
	}
	streams(t, "PING before HELLO, PONG that nobody asked for", func(w *wire) {
		w.shaken()
		w.put(stage.Frame(1, []byte("x"))...)
		w.put(stage.Frame(2, []byte("y"))...)
		w.take(stage.Frame(2, []byte("x"))...)
		w.answered(string(helloText), "[2,")
	})
	// PONG and messages are whole frames each, however they mix.
	streams(t, "PING between messages", func(w *wire) {
		w.joined()
		go func() {
			for i := range 200 {
				w.Write(append(stage.Frame(0, []byte(fmt.Sprintf(`[16,%d,{"acknowledge":true},"a.b"]`, i+1))), stage.Frame(1, []byte{byte(i)})...))
			}
		}()
		published, pongs := 0, 0
		for published+pongs < 400 {
			kind, payload := w.frame()
			switch {
			case kind == 0 && bytes.HasPrefix(payload, []byte(fmt.Sprintf("[17,%d,", published+1))):
				published++
			case kind == 2 && len(payload) == 1 && payload[0] == byte(pongs):
				pongs++
			default:
				w.Fatalf("after %d messages and %d PONGs a frame of kind %d: %s", published, pongs, kind, payload)
			}
		}
	})
	t.Run("the router's own PING", func(t *testing.T) { // the listener sends PING after 100 ms of silence
		w := open(t, stage.Way{Network: "tcp", Address: strings.TrimPrefix(house.More[2], "tcp://")})
		w.put(0x7f, 0xf1, 0, 0)
		w.take(0x7f, 0x31, 0, 0)
		w.answered(string(helloText), "[2,")
		kind, payload := w.frame()
		if kind != 1 {
			t.Fatalf("a frame of kind %d: %s", kind, payload)
		}
		w.put(stage.Frame(2, payload)...)
		w.answered(`[32,1,{},"a.b"]`, "[33,1,")
	})
}

// pressed opens a session at a listener with short timeouts. It sends handshake and HELLO in one write.
func pressed(t *testing.T) *wire {
	t.Helper()
	w := open(t, stage.Way{Network: "tcp", Address: strings.TrimPrefix(house.More[5], "tcp://")})
	w.put(append([]byte{0x7f, 0xf1, 0, 0}, stage.Frame(0, helloText)...)...)
	w.take(0x7f, ourLimit|1, 0, 0)
	return w
}

// The session of a peer that does not answer PING ends.
func TestUnansweredPING(t *testing.T) {
	t.Run("RawSocket", func(t *testing.T) {
		t.Parallel()
		w, pings := pressed(t), 0
		for {
			kind, _, err := stage.ReadFrame(w)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("the router waits on")
			}
			if err != nil {
				break
			}
			if kind == 1 {
				pings++
			}
		}
		if pings == 0 {
			t.Error("the end comes without a PING")
		}
	})
	t.Run("WebSocket", func(t *testing.T) {
		t.Parallel()
		w := browse(t, stage.Way{Network: "ws", Address: strings.TrimPrefix(house.More[5], "tcp://")})
		w.upgraded("wamp.2.json")
		rest, err := io.ReadAll(w.in)
		if errors.Is(err, os.ErrDeadlineExceeded) || !bytes.Contains(rest, []byte{0x80 | ping}) {
			t.Errorf("% x, %v", rest, err)
		}
	})
}

// Messages longer than a peer's limit are not sent to it. A caller gets an error; a subscriber does not.
func TestPeersLimit(t *testing.T) {
	const limit = 4096
	streams(t, "4096 octets", func(w *wire) {
		s := house.Scene(w.T, stage.Way{Network: "tcp", Serializer: wamp.JSON}, stage.Way{Network: "tcp", Serializer: wamp.JSON}.Realm())
		own := fmt.Sprintf("limit.s%d", serial.Add(1))
		p := s.Join(stage.Full)
		w.put(0x7f, 0x31, 0, 0)
		w.take(0x7f, ourLimit|1, 0, 0)
		w.answered(`[1,"stage.tcp_json",{"roles":{"subscriber":{},"caller":{},"callee":{}}}]`, "[2,")
		w.answered(`[32,1,{},"`+own+`"]`, "[33,1,")
		w.answered(`[64,2,{},"`+own+`"]`, "[65,2,")
		pad := strings.Repeat("x", limit)
		p.Say(`[16,1,{},"`+own+`",["`+pad+`"]]`, `[16,2,{},"`+own+`",["short"]]`)
		if _, payload := w.frame(); !bytes.Contains(payload, []byte("short")) {
			w.Errorf("heard %d octets", len(payload))
		}
		p.Say(`[48,3,{},"` + own + `",["` + pad + `"]]`) // to it
		p.Hear(`[8,48,3,{},"wamp.error.payload_size_exceeded",["*"]]`)
		p.Say(`[64,4,{},"` + own + `.back"]`)
		p.Hear(`[65,4,"*"]`)
		w.put(stage.Frame(0, []byte(`[48,3,{},"`+own+`.back"]`))...) // from it
		p.Hear(`[68,1,"*",{}]`)
		p.Say(`[70,1,{},["` + pad + `"]]`)
		if _, payload := w.frame(); !bytes.HasPrefix(payload, []byte(`[8,48,3,{},"wamp.error.payload_size_exceeded"`)) {
			w.Errorf("heard %.200s", payload)
		}
	})
}

var serial atomic.Int64
