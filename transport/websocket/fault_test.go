package websocket

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/budget"
	"runnel/transport/websocket/frame"
)

// TestOctetByOctet: a message is complete when its last octet has arrived, whatever has arrived in one read.
func TestOctetByOctet(t *testing.T) {
	long := strings.Repeat("x", 300)
	peer, conn := open(t, Options{}, "wamp.2.json", frameOf(text, "one")[:1])
	go func() {
		for _, b := range []byte(frameOf(text, "one")[1:] + frameOf(text, long) + frameOf(ping, "") + frameOf(0x01, "fr") + frameOf(0x80, "ag") + frameOf(text, "two")[:5]) {
			peer.Conn.Write([]byte{b})
		}
		peer.Conn.(*net.TCPConn).CloseWrite() // the answer to PING is not read, so that Close would reset the connection
	}()
	for _, m := range []string{"one", long, "frag"} {
		if got, _, err := conn.ReadMessage(); err != nil || string(got) != m {
			t.Errorf("read %.20q, %v; want %.20q", got, err, m)
		}
	}
	if got, _, err := conn.ReadMessage(); err == nil {
		t.Errorf("at the end %q", got)
	}
}

// TestCutAnywhere: a connection that ends inside a frame ends the reader, which has returned the messages before.
func TestCutAnywhere(t *testing.T) {
	frames := frameOf(text, "one") + frameOf(0x01, "fr") + frameOf(ping, "hi") + frameOf(0x80, "ag") + frameOf(ping, "xy") + frameOf(text, "two")
	for cut := range len(frames) {
		peer, conn := open(t, Options{}, "wamp.2.json", "")
		go io.Copy(io.Discard, peer.r)
		peer.send(t, frames[:cut])
		peer.Conn.(*net.TCPConn).CloseWrite()
		var got []string
		var err error
		for err == nil {
			var m []byte
			if m, _, err = conn.ReadMessage(); err == nil {
				got = append(got, string(m))
			}
		}
		whole := 0
		if cut >= len(frameOf(text, "one")) {
			whole++
		}
		if cut >= len(frames)-len(frameOf(ping, "xy")+frameOf(text, "two")) {
			whole++
		}
		if len(got) != whole {
			t.Errorf("%d octets: read %q, %v", cut, got, err)
		}
	}
}

func TestMessageSizes(t *testing.T) {
	for _, c := range []struct {
		b    string
		size int
		err  error
	}{
		{"", 0, errShortBatch}, {"\x00\x00\x00", 0, errShortBatch}, {"\x00\x00\x00\x00", 4, nil}, {"\x00\x00\x00\x02x", 0, errShortBatch},
		{"\x00\x00\x00\x02xy", 6, nil}, {"\x00\x00\x00\x02xyz", 6, nil}, {"\xff\xff\xff\xffx", 0, errShortBatch},
	} {
		if size, err := messageSize([]byte(c.b)); size != c.size || err != c.err {
			t.Errorf("%q: %d, %v", c.b, size, err)
		}
	}
	for n, want := range map[int]bool{0: false, chunkSize - 1: false, chunkSize: false, chunkSize + 1: true} {
		if got := startsLong(batchOf(strings.Repeat("x", n))); got != want {
			t.Errorf("%d bytes are long: %v", n, got)
		}
	}
	if startsLong([]byte("\xff\xff\xff")) {
		t.Error("three bytes are a long message")
	}
	if !startsLong([]byte("\xff\xff\xff\xff")) {
		t.Error("the length of a long message is not recognized")
	}
}

// TestBrokenBatch: a batch that ends inside a message is an error, and closes the connection.
func TestBrokenBatch(t *testing.T) {
	for _, protocol := range []string{"wamp.2.cbor", "wamp.2.json.batched"} {
		_, conn := open(t, Options{}, protocol, "")
		if _, err := conn.Write(append(batchOf("one"), 0, 0), true); !errors.Is(err, errShortBatch) {
			t.Errorf("%s: error is %v", protocol, err)
		}
		if !conn.closed.Load() {
			t.Errorf("%s: the connection is open", protocol)
		}
	}
}

// loopback returns both ends of a TCP connection.
func loopback(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near, far = c.(*net.TCPConn), s.(*net.TCPConn)
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// TestOutboxStates goes through the states of the outbox.
func TestOutboxStates(t *testing.T) {
	near, far := loopback(t)
	s := newSocket(near, nil)
	defer s.Close() // gives its buffer back
	memory := budget.New(1<<30, slog.Default())
	account, err := memory.Open(budget.Peer{Name: "peer"})
	if err != nil {
		t.Fatal(err)
	}
	s.charge(account)
	read := func(want string) {
		t.Helper()
		b := make([]byte, len(want))
		if _, err := io.ReadFull(far, b); err != nil || string(b) != want {
			t.Errorf("the peer gets %.20q, %v; want %.20q", b, err, want)
		}
	}
	reading := func(want string) (wait func()) { // in its own goroutine
		got := make(chan bool)
		go func() { defer close(got); read(want) }()
		return func() { <-got }
	}
	in := func(promised bool) {
		t.Helper()
		if s.promised != promised {
			t.Fatalf("the state promised is %v", s.promised)
		}
	}
	add := func(frames string) {
		t.Helper()
		if err := s.add(func(dst []byte) []byte { return append(dst, frames...) }); err != nil {
			t.Fatal(err)
		}
	}
	addControl := func(op frame.Op, payload string) writer { return s.addControl(op, []byte(payload)) }

	// Idle: a goroutine writes a control frame.
	in(false)
	if err := s.control(frame.Ping, []byte("a")); err != nil {
		t.Fatal(err)
	}
	read("\x89\x01a")
	in(false)
	written := s.sendPing("b")
	read("\x89\x01b")
	<-written
	s.flush(true) // once it has returned, the goroutine has given the buffer back
	if s.behind() || s.frames != nil {
		t.Error("the outbox keeps what is written")
	}

	// Promised: everything waits for flushed.
	add("one")
	in(true)
	s.control(frame.Pong, []byte("x"))
	if !s.behind() || string(s.frames) != "one\x8a\x01x" {
		t.Errorf("the outbox has %q", s.frames)
	}
	if done, err := s.flushed(false); !done || err != nil {
		t.Fatalf("flushed: %v, %v", done, err)
	}
	read("one\x8a\x01x")
	in(false)

	// A long payload is written without a copy, after the outbox's content and before a control frame that is added
	// meanwhile.
	add("before")
	long := strings.Repeat("l", chunkSize+1)
	wait := reading("before" + "head" + long)
	if err := s.writeDirect([]byte("head"), []byte(long)); err != nil || s.frames != nil {
		t.Errorf("%v", err)
	}
	wait()
	in(true)
	s.control(frame.Pong, nil)
	wait = reading("\x8a\x00")
	if done, err := s.flushed(true); !done || err != nil {
		t.Fatalf("flushed: %v, %v", done, err)
	}
	wait()
	in(false)

	// The peer does not read. Control frames gather up to maxControls.
	const much = 16 << 20
	add(strings.Repeat("x", much))
	if s.charged < much-cap(s.first) {
		t.Errorf("%d bytes are charged", s.charged)
	}
	if done, err := s.flushed(false); done || err != nil {
		t.Fatalf("flushed: %v, %v", done, err)
	}
	in(true)
	if !s.behind() {
		t.Error("the outbox is not stuck")
	}
	controls, pong := "", "\x8a\x7d"+strings.Repeat("c", 125)
	for len(controls)+len(pong) <= maxControls {
		if who := addControl(frame.Pong, pong[2:]); who != byOther {
			t.Errorf("a control frame is written by %d", who)
		}
		controls += pong
	}
	rest := "\x8a" + string(rune(maxControls-len(controls)-2)) + strings.Repeat("r", maxControls-len(controls)-2)
	if who := addControl(frame.Pong, rest[2:]); who != byOther {
		t.Errorf("the last one of maxControls is written by %d", who)
	}
	controls += rest
	if who := addControl(frame.Pong, pong[2:]); who != bySender {
		t.Errorf("control frames beyond maxControls are written by %d", who)
	}
	s.promise()
	if done, err := s.flushed(false); done || err != nil || s.controls != 0 {
		t.Fatalf("flushed: %v, %v, %d bytes of controls", done, err, s.controls)
	}
	wait = reading(strings.Repeat("x", much) + controls + pong)
	if done, err := s.flushed(true); !done || err != nil {
		t.Fatalf("flushed: %v, %v", done, err)
	}
	wait()
	in(false)
	if s.frames != nil || s.start != 0 || s.charged != 0 || s.behind() {
		t.Errorf("the outbox is not empty: %d bytes from %d, %d charged", len(s.frames), s.start, s.charged)
	}

	// Idle: one goroutine writes all PINGs and PONGs, and their senders do not block. The sender of CLOSE writes it.
	for i, c := range []struct {
		op  frame.Op
		who writer
	}{{frame.Ping, byGoroutine}, {frame.Pong, byOther}, {frame.Close, bySender}} {
		if who := addControl(c.op, ""); who != c.who {
			t.Errorf("control frame %d is written by %d, want %d", i, who, c.who)
		}
	}
	wait = reading("\x89\x00\x8a\x00\x88\x00")
	if err := s.flush(true); err != nil {
		t.Fatal(err)
	}
	wait()

	// A control frame that is added after the last flush is written, too.
	s.promise()
	addControl(frame.Pong, "late")
	if s.kept() {
		t.Error("a control frame is left behind")
	}
	in(true)
	if done, err := s.flushed(false); !done || err != nil {
		t.Fatalf("flushed: %v, %v", done, err)
	}
	read("\x8a\x04late")
	in(false)

	// CLOSE is the last frame.
	add("data")
	wait = reading("data\x88\x02\x03\xe8")
	if err := s.sendClose(frame.Normal, ""); err != nil {
		t.Fatal(err)
	}
	wait()
	if err := s.add(func(dst []byte) []byte { return append(dst, 'x') }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("data after CLOSE: %v", err)
	}
	if err := s.writeDirect([]byte("head"), []byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a long message after CLOSE: %v", err)
	}
	if err := s.control(frame.Pong, nil); err != nil || s.behind() {
		t.Errorf("PONG after CLOSE: %v", err)
	}
	s.closing = false

	// Closed: a control frame that cannot be written is no error of the frames before it.
	add("written")
	wait = reading("written")
	if err := s.flush(true); err != nil {
		t.Fatal(err)
	}
	wait()
	s.control(frame.Pong, []byte("lost"))
	near.Close()
	if done, err := s.flushed(true); !done || err != nil {
		t.Errorf("flushed with a control frame that is lost: %v, %v", done, err)
	}
	add("lost")
	if done, err := s.flushed(true); done || err == nil {
		t.Errorf("flushed on a closed connection: %v, %v", done, err)
	}
}

// TestDefaults: options that are not given have the documented values.
func TestDefaults(t *testing.T) {
	for max, want := range map[int]int{0: 1 << 20, -1: 1 << 20, 1: 1, 5000: 5000} {
		if got := (Options{MaxMessage: max}).limit(); got != want {
			t.Errorf("limit %d for %d", got, max)
		}
	}
	for _, timeout := range []time.Duration{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := piped(t, Options{PingInterval: 30 * time.Second, PingTimeout: timeout})
			go io.Copy(io.Discard, peer.r)
			if _, _, err := conn.ReadMessage(); err == nil || err.Error() != "websocket: no answer to PING in 10s" {
				t.Errorf("error is %v", err)
			}
			<-conn.Done()
			peer.Conn.Close()
		})
	}
}

// TestCloseCodes: CLOSE with a normal status, or without one, is a clean end. Its answer has the same code.
func TestCloseCodes(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		err     string
	}{
		"normal": {"\x03\xe8", "EOF"}, "going away": {"\x03\xe9bye", "EOF"}, "no status": {"", "EOF"},
		"protocol error": {"\x03\xea", `websocket: the peer closed with 1002 ""`}, "internal error": {"\x03\xf3oops", `websocket: the peer closed with 1011 "oops"`},
	} {
		t.Run(name, func(t *testing.T) {
			peer, conn := open(t, Options{}, "wamp.2.json", frameOf(text, "one")+frameOf(closing, c.payload))
			want(t, conn, "one", false)
			for range 2 {
				_, _, err := conn.ReadMessage()
				if err == nil || err.Error() != c.err && !errors.Is(err, net.ErrClosed) {
					t.Errorf("error is %v, want %s", err, c.err)
				}
			}
			peer.closed(t)
		})
	}
}

// TestReasonFits: the reason in CLOSE is cut to the length of a control frame.
func TestReasonFits(t *testing.T) {
	for _, n := range []int{0, 122, 123, 124, 500} {
		peer, conn := open(t, Options{}, "wamp.2.json", "")
		conn.close(1008, strings.Repeat("r", n))
		head, payload := peer.next(t)
		if head != closing || payload != "\x03\xf0"+strings.Repeat("r", min(n, 123)) {
			t.Errorf("a reason of %d bytes: frame %x with %d bytes", n, head, len(payload))
		}
	}
}

// TestCloseTimes: closing takes a second if the peer does not answer CLOSE, and less if the peer accepts no data.
func TestCloseTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			reads bool
			took  time.Duration
		}{{true, closeTime}, {false, stuckCloseTime}} {
			conn, peer := piped(t, Options{})
			if c.reads {
				go io.Copy(io.Discard, peer.r)
			} else {
				go conn.Write(batchOf("x"), true)
				synctest.Wait()
			}
			start := time.Now()
			conn.Close()
			<-conn.Done()
			if took := time.Since(start); took != c.took {
				t.Errorf("it reads: %v; closed after %v, want %v", c.reads, took, c.took)
			}
			peer.Conn.Close()
			synctest.Wait()
		}
	})
}

// TestDialAddresses: the port of a URL has a default, and wss takes TLS.
func TestDialAddresses(t *testing.T) {
	errNone := errors.New("no such address")
	for url, want := range map[string]string{
		"ws://router/ws": "router:80", "ws://router:81/ws": "router:81", "wss://router/ws": "router:443", "wss://router:444/ws": "router:444",
		"ws://[::1]/ws": "[::1]:80", "ws://[fe80::1%25eth0]:81/ws": "[fe80::1%eth0]:81",
		"ws://Bücher.example/ws": "xn--bcher-kva.example:80", "wss://日本語.example": "xn--wgv71a119e.example:443", "ws://müller.local/ws": "müller.local:80",
	} {
		var got string
		_, err := Dial(context.Background(), url, func(_ context.Context, address string) (net.Conn, error) { got = address; return nil, errNone }, Options{})
		if got != want || !errors.Is(err, errNone) {
			t.Errorf("%s: dialled %q, %v", url, got, err)
		}
	}
	near, _ := net.Pipe()
	plain := func(context.Context, string) (net.Conn, error) { return near, nil }
	if _, err := Dial(context.Background(), "wss://router/ws", plain, Options{}); err == nil || !strings.Contains(err.Error(), "the scheme differs") {
		t.Errorf("wss without TLS: %v", err)
	}
	if _, err := near.Read([]byte{0}); err != io.ErrClosedPipe {
		t.Errorf("wss without TLS: the connection is open: %v", err)
	}
}

// TestDialFaults: a handshake that breaks off is an error, and its connection is closed.
func TestDialFaults(t *testing.T) {
	for name, c := range map[string]struct {
		answer string // "": none; the peer closes
		err    string
	}{
		"no answer": {"", "EOF"}, "half an answer": {"HTTP/1.1 101 Swit", "EOF"}, "no HTTP": {"\x7f\xf3\x00\x00\r\n\r\n", "malformed"},
		"a wrong answer": {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n", "Sec-WebSocket-Accept"},
		"a status alone": {"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n", "handshake: 503 Full"},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := net.Pipe()
			go func() {
				http.ReadRequest(bufio.NewReader(far))
				io.WriteString(far, c.answer)
				far.Close()
			}()
			_, err := Dial(context.Background(), "ws://router/ws", func(context.Context, string) (net.Conn, error) { return near, nil }, Options{})
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error is %v, want %q", err, c.err)
			}
			if _, err := near.Read([]byte{0}); err != io.ErrClosedPipe { // EOF: only the peer has closed it
				t.Errorf("the connection is open: %v", err)
			}
		})
	}
	t.Run("canceled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, reads := range []bool{true, false} {
				near, far := net.Pipe()
				if reads {
					go io.Copy(io.Discard, far)
				}
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				_, err := Dial(ctx, "ws://router/ws", func(context.Context, string) (net.Conn, error) { return near, nil }, Options{})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the peer reads: %v; error is %v", reads, err)
				}
				cancel()
				far.Close()
			}
		})
	})
}
