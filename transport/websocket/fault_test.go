package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/budget"
)

func TestFrameSize(t *testing.T) {
	whole := func(head byte, payload int) string { return frame(head, strings.Repeat("x", payload)) }
	for _, c := range []struct {
		b    string
		size uint64
		head int
	}{
		{"", 0, 2}, {"\x81", 0, 2}, {"\x81\x00", 2, 2}, {"\x81\x7d", 127, 2}, {"\x81\x80", 0, 6}, {"\x81\x80\x00\x00\x00", 0, 6},
		{whole(text, 0), 6, 6}, {whole(text, 125), 131, 6}, {whole(text, 126), 134, 8}, {whole(text, 65535), 65543, 8}, {whole(text, 65536), 65550, 14},
		{"\x81\x7e", 0, 4}, {"\x81\x7e\x01", 0, 4}, {"\x81\x7e\x01\x00", 260, 4}, {"\x81\x7f\x00\x00\x00\x00\x00\x00\x00", 0, 10},
		{"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 65546, 10}, {"\x81\xfe\x01\x00\x00\x00\x00", 0, 8}, {"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00", 0, 14},
		{"\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x05", 15, 10}, // the first bit of a length is 0 by the RFC
	} {
		if size, head := frameSize([]byte(c.b)); size != c.size || head != c.head {
			t.Errorf("%.20q...: size %d, head %d; want %d, %d", c.b, size, head, c.size, c.head)
		}
	}
}

func TestMoreIsAWholeMessage(t *testing.T) {
	for name, c := range map[string]struct {
		b    string
		left uint64
		want bool
	}{
		"nothing": {"", 0, false}, "text": {frame(text, "x"), 0, true}, "binary": {frame(binaryData, ""), 0, true}, "two": {frame(text, "x") + "\x81", 0, true},
		"within a frame": {frame(text, "x"), 1, false}, "half a head": {"\x81", 0, false}, "half a message": {frame(text, "xy")[:7], 0, false},
		"the first piece": {frame(0x01, "x"), 0, false}, "the last piece": {frame(0x80, "x"), 0, false}, "PING": {frame(ping, ""), 0, false}, "CLOSE": {frame(closing, ""), 0, false},
		"reserved kind": {frame(0x83, ""), 0, false},
	} {
		near, far := net.Pipe()
		s := newSocket(near, []byte(c.b))
		s.left = c.left
		if got := s.more(); got != c.want {
			t.Errorf("%s: more is %v", name, got)
		}
		far.Close()
		s.Close()
	}
}

// TestSocketReads: a read ends where a frame ends, whatever has arrived.
func TestSocketReads(t *testing.T) {
	long := strings.Repeat("x", 300)
	near, far := net.Pipe()
	s := newSocket(near, []byte(frame(text, "one")[:1]))
	defer s.Close()
	go func() {
		for _, b := range []byte(frame(text, "one")[1:] + frame(text, long)) {
			far.Write([]byte{b})
		}
		io.WriteString(far, frame(ping, "")+frame(text, "two")[:5])
		far.Close()
	}()
	for _, want := range []string{frame(text, "one"), frame(text, long), frame(ping, "")} {
		var got []byte
		for b := make([]byte, 1000); len(got) < len(want); {
			n, err := s.Read(b)
			if got = append(got, b[:n]...); n == 0 || err != nil {
				t.Fatalf("read %d bytes, %v", n, err)
			}
		}
		if string(got) != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
	if n, err := s.Read(make([]byte, 10)); n != 0 || err == nil {
		t.Errorf("at the end %d bytes, %v", n, err)
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
	reading := func(want string) (wait func()) { // in a goroutine of its own
		got := make(chan bool)
		go func() { defer close(got); read(want) }()
		return func() { <-got }
	}
	in := func(want writerState) {
		t.Helper()
		if s.state != want {
			t.Fatalf("the state is %d, want %d", s.state, want)
		}
	}

	// Idle: the sender of a control frame writes it.
	in(idle)
	s.Write([]byte("ping"))
	read("ping")
	in(idle)
	if s.stuck() || s.frames != nil {
		t.Error("the outbox keeps what is written")
	}

	// Gathering: everything waits for uncork.
	s.cork(false)
	in(gathering)
	s.Write([]byte("one"))
	s.Write([]byte("pong"))
	if !s.stuck() || string(s.frames) != "onepong" {
		t.Errorf("the outbox has %q", s.frames)
	}
	if s.mayBlock() {
		t.Error("a write without wait may block")
	}
	if done, err := s.uncork(false); !done || err != nil {
		t.Fatalf("uncork: %v, %v", done, err)
	}
	read("onepong")
	in(idle)

	// Gathering for a writer that waits: a long payload is written at once, behind the frame's head.
	s.cork(true)
	in(gatheringWait)
	s.Write([]byte("head"))
	long := strings.Repeat("l", chunkSize+1)
	got := make(chan bool)
	go func() { read("head" + long); close(got) }()
	if n, err := s.Write([]byte(long)); n != len(long) || err != nil || s.frames != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	<-got
	s.Write([]byte(strings.Repeat("m", chunkSize))) // not longer than a chunk
	if len(s.frames) != chunkSize {
		t.Errorf("%d bytes gather", len(s.frames))
	}
	wait := reading(strings.Repeat("m", chunkSize))
	if done, err := s.uncork(true); !done || err != nil {
		t.Fatalf("uncork: %v, %v", done, err)
	}
	wait()
	in(idle)

	// Promised: the peer does not read. Control frames gather up to maxControls.
	s.cork(false)
	const much = 16 << 20
	s.Write([]byte(strings.Repeat("x", much)))
	if s.charged < much-cap(s.first) {
		t.Errorf("%d bytes are charged", s.charged)
	}
	if done, err := s.uncork(false); done || err != nil {
		t.Fatalf("uncork: %v, %v", done, err)
	}
	in(promised)
	if !s.stuck() {
		t.Error("the outbox is not stuck")
	}
	control := "\x8a" + strings.Repeat("c", maxControls-1)
	if who := s.add([]byte(control)); who != byOther {
		t.Errorf("a control frame is written by %d", who)
	}
	if who := s.add([]byte("\x8a")); who != bySender {
		t.Errorf("control frames beyond maxControls are written by %d", who)
	}
	if done, err := s.uncork(false); done || err != nil || s.controls != 0 {
		t.Fatalf("uncork: %v, %v, %d bytes of controls", done, err, s.controls)
	}
	wait = reading(strings.Repeat("x", much) + control + "\x8a")
	if done, err := s.uncork(true); !done || err != nil {
		t.Fatalf("uncork: %v, %v", done, err)
	}
	wait()
	in(idle)
	if s.frames != nil || s.start != 0 || s.charged != 0 || s.stuck() {
		t.Errorf("the outbox is not empty: %d bytes from %d, %d charged", len(s.frames), s.start, s.charged)
	}

	// The sender of CLOSE writes it, because it closes the connection next.
	s.promise()
	s.Write([]byte("\x88\x00"))
	read("\x88\x00")
	if done, err := s.uncork(false); !done || err != nil {
		t.Fatalf("uncork: %v, %v", done, err)
	}

	// Idle: one goroutine writes all PINGs and PONGs, and their senders do not block. A CLOSE is written by its sender.
	for i, c := range []struct {
		frame string
		who   writer
	}{{"\x89\x00", byGoroutine}, {"\x8a\x00", byOther}, {"\x88\x00", bySender}, {"\x8a" + strings.Repeat("c", maxControls), bySender}} {
		if who := s.add([]byte(c.frame)); who != c.who {
			t.Errorf("control frame %d is written by %d, want %d", i, who, c.who)
		}
	}
	wait = reading("\x89\x00\x8a\x00\x88\x00\x8a" + strings.Repeat("c", maxControls))
	if err := s.flush(true); err != nil {
		t.Fatal(err)
	}
	wait()
	s.Write([]byte("\x8a\x00"))
	read("\x8a\x00")

	// A control frame that is added after the last flush is not left behind.
	s.promise()
	s.add([]byte("late"))
	if s.kept() {
		t.Error("a control frame is left behind")
	}
	in(promised)
	if done, err := s.uncork(false); !done || err != nil {
		t.Fatalf("uncork: %v, %v", done, err)
	}
	read("late")
	in(idle)

	// Closed: a control frame that cannot be written is no error of the frames before it.
	s.promise()
	s.add([]byte("lost"))
	s.controls = 0
	near.Close()
	if done, err := s.uncork(true); done || err == nil {
		t.Errorf("uncork of a closed connection: %v, %v", done, err)
	}
	s.promise()
	s.controls = len(s.frames)
	if !s.onlyControls() {
		t.Error("control frames count as the writer's own")
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
			peer, conn := open(t, Options{}, "wamp.2.json", frame(text, "one")+frame(closing, c.payload))
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

// TestReasonFits: the reason in CLOSE is cut to what a control frame holds.
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

// TestCloseTimes: a peer that does not answer CLOSE costs a second. One that takes nothing costs less.
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

// TestDialAddresses: the port of a URL has a default, and a redirect must not leave TLS or enter it.
func TestDialAddresses(t *testing.T) {
	errNone := errors.New("no such address")
	for url, want := range map[string]string{
		"ws://router/ws": "router:80", "ws://router:81/ws": "router:81", "wss://router/ws": "router:443", "wss://router:444/ws": "router:444",
		"ws://[::1]/ws": "[::1]:80",
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
	elsewhere := httptest.NewServer(http.RedirectHandler("https://router/ws", http.StatusTemporaryRedirect))
	defer elsewhere.Close()
	dial := func(context.Context, string) (net.Conn, error) {
		return net.Dial("tcp", elsewhere.Listener.Addr().String())
	}
	if _, err := Dial(context.Background(), "ws://router/ws", dial, Options{}); err == nil || !strings.Contains(err.Error(), "redirected to https://router/ws: the scheme differs") {
		t.Errorf("a redirect to TLS: %v", err)
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

// TestRefusedUpgrades: a request that is no valid upgrade is answered with an error.
func TestRefusedUpgrades(t *testing.T) {
	s := serve(t, Options{})
	for request, want := range map[string]string{
		"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n": "426",
		"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: soap\r\n\r\n":        "400 Bad Request: no common subprotocol: the client requested \"soap\"",
		"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n": "400",
	} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, request)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if got := fmt.Sprintf("%s: %s", resp.Status, body); !strings.HasPrefix(got, want) {
			t.Errorf("answered %s, want %s", got, want)
		}
		if err := <-s.errs; err == nil || !strings.HasPrefix(err.Error(), "websocket handshake: ") {
			t.Errorf("error is %v", err)
		}
	}
}
