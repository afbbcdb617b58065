package rawsocket

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var errBroken = errors.New("broken cable")

// faulty is a stream that reads what it holds and then fails, and that fails to write once writes is 0.
type faulty struct {
	io.Reader
	writes int
	closed bool
}

func (f *faulty) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = errBroken
	}
	return n, err
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.writes--; f.writes < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func (f *faulty) Close() error { f.closed = true; return nil }

const clientWord, routerWord = "\x7f\x73\x00\x00", "\x7f\xf3\x00\x00"

// TestHandshakeFaults checks that a stream that fails during the handshake is closed, and that the error holds the cause.
func TestHandshakeFaults(t *testing.T) {
	server := func(f *faulty) error { _, err := Server(f, Options{}); return err }
	client := func(f *faulty) error { _, err := Client(f, Options{}); return err }
	refuse := func(f *faulty) error { return Refuse(f, Options{}, TooManyConnections) }
	for name, c := range map[string]struct {
		shake  func(*faulty) error
		stream string
		writes int
		err    string
	}{
		"server, nothing to read":       {server, "", 1, "rawsocket handshake: read: broken cable"},
		"server, half a word":           {server, clientWord[:3], 1, "rawsocket handshake: read: broken cable"},
		"server, cannot answer":         {server, clientWord, 0, "rawsocket handshake: write: broken cable"},
		"server, cannot refuse":         {server, "\x7f\x70\x00\x00", 0, "rawsocket handshake: serializer unsupported (and write: broken cable)"},
		"client, cannot ask":            {client, routerWord, 0, "rawsocket handshake: write: broken cable"},
		"client, no answer":             {client, "", 1, "rawsocket handshake: read: broken cable"},
		"client, half an answer":        {client, routerWord[:1], 1, "rawsocket handshake: read: broken cable"},
		"refusing, nothing to read":     {refuse, "", 1, "rawsocket handshake: read: broken cable"},
		"refusing, cannot answer":       {refuse, clientWord, 0, "rawsocket handshake: maximum connection count reached (and write: broken cable)"},
		"refusing what is no RawSocket": {refuse, "GET ", 1, "rawsocket handshake: first octet is 47, want 7f"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &faulty{Reader: strings.NewReader(c.stream), writes: c.writes}
			if err := c.shake(f); err == nil || err.Error() != c.err {
				t.Errorf("error is %v, want %s", err, c.err)
			}
			if !f.closed {
				t.Error("the stream is still open")
			}
		})
	}
}

func TestRefusalTexts(t *testing.T) {
	for refusal, text := range map[Refusal]string{
		BadSerializer: "serializer unsupported", BadLength: "maximum message length unacceptable",
		ReservedBits: "use of reserved bits", TooManyConnections: "maximum connection count reached", 7: "refusal 7",
	} {
		if refusal.Error() != text {
			t.Errorf("refusal %d is %q, want %q", refusal, refusal, text)
		}
	}
}

// TestFaults: a stream that fails in service ends the connection with the cause, in both directions.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		stream string
		writes int
		err    string
	}{
		"while it waits":   {"", 9, "rawsocket: read: broken cable"},
		"within a head":    {"\x00\x00", 9, "rawsocket: read: broken cable"},
		"within a message": {frame(0, "hello")[:7], 9, "rawsocket: read: broken cable"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &faulty{Reader: strings.NewReader(clientWord + frame(0, "first") + c.stream), writes: c.writes}
			conn, err := Server(f, Options{})
			if err != nil {
				t.Fatal(err)
			}
			want(t, conn, "first")
			for range 2 {
				if msg, _, err := conn.ReadMessage(); err == nil || err.Error() != c.err {
					t.Errorf("read %q, %v; want the error %s", msg, err, c.err)
				}
			}
			if !f.closed {
				t.Error("the stream is still open")
			}
		})
	}
	t.Run("when it writes PONG", func(t *testing.T) {
		f := &faulty{Reader: strings.NewReader(clientWord + frame(1, "ping") + frame(0, "next")), writes: 1}
		conn, err := Server(f, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if msg, _, err := conn.ReadMessage(); err == nil || err.Error() != "rawsocket: write: broken cable" || !f.closed {
			t.Errorf("read %q, %v; closed is %v", msg, err, f.closed)
		}
	})
	t.Run("when it writes", func(t *testing.T) {
		f := &faulty{Reader: strings.NewReader(clientWord), writes: 1}
		conn, err := Server(f, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // the right to write is free each time
			if n, err := conn.Write([]byte(frame(0, "x")), true); n != 0 || err == nil || err.Error() != "rawsocket: write: broken cable" {
				t.Errorf("wrote %d, %v", n, err)
			}
		}
	})
}

func TestWholeMessage(t *testing.T) {
	for _, c := range []struct {
		b    string
		want bool
	}{
		{"", false}, {"\x00\x00\x00", false}, {frame(0, ""), true}, {frame(0, "")[:3], false},
		{frame(0, "x"), true}, {frame(0, "xy")[:5], false}, {frame(0, "x") + "\x00", true},
		{frame(1, ""), false}, {frame(2, ""), false}, {"\x08\x00\x00\x00", false}, {"\x00\xff\xff\xff", false},
	} {
		if got := wholeMessage([]byte(c.b)); got != c.want {
			t.Errorf("wholeMessage(% x) is %v", c.b, got)
		}
	}
	if !wholeMessage([]byte("\x00\xff\xff\xff" + strings.Repeat("x", lengthBits))) {
		t.Error("the longest message is not whole")
	}
}

func TestMissing(t *testing.T) {
	batch := []byte(frame(0, "12345") + frame(0, "") + frame(0, "123"))
	for n, want := range []int{0, 8, 7, 6, 5, 4, 3, 2, 1, 0, 3, 2, 1, 0, 6, 5, 4, 3, 2, 1, 0} {
		if got := missing(batch, 0, n); got != want {
			t.Errorf("after %d bytes, %d are missing, want %d", n, got, want)
		}
		if n >= 2 { // the batch continues a frame of which an earlier batch wrote two bytes
			if got := missing(batch[2:], 7, n-2); n > 2 && got != want {
				t.Errorf("after 2 and %d bytes, %d are missing, want %d", n-2, got, want)
			}
		}
	}
}

func TestParseHead(t *testing.T) {
	for _, c := range []struct {
		head   string
		limit  int
		kind   kind
		length int
		ok     bool
	}{
		{"\x00\x00\x02\x00", 512, message, 512, true},
		{"\x00\x00\x02\x01", 512, 0, 0, false},
		{"\x01\x00\x00\x00", 512, ping, 0, true},
		{"\x02\x00\x00\x09", 512, pong, 9, true},
		{"\x03\x00\x00\x00", 512, 0, 0, false},
		{"\x08\x00\x00\x00", 1 << 24, message, 1 << 24, true},
		{"\x09\x00\x00\x00", 1 << 24, ping, 1 << 24, true},
		{"\x08\x00\x00\x00", 1<<24 - 1, 0, 0, false},
		{"\x08\x00\x00\x01", 1 << 24, 0, 0, false},
		{"\x80\x00\x00\x00", 512, 0, 0, false},
		{"\x10\x00\x00\x00", 512, 0, 0, false},
	} {
		k, length, err := parseHead([]byte(c.head), c.limit)
		if k != c.kind || length != c.length || (err == nil) != c.ok {
			t.Errorf("% x, limit %d: kind %d, length %d, %v", c.head, c.limit, k, length, err)
		}
	}
}

// TestTimes: the default times hold, and the handshake's ends with the handshake.
func TestTimes(t *testing.T) {
	type ends struct {
		near net.Conn
		peer net.Conn
	}
	for name, f := range map[string]func(t *testing.T, e ends){
		"a dead peer": func(t *testing.T, e ends) {
			for _, timeout := range []time.Duration{0, -time.Second} {
				a, b := net.Pipe()
				go io.WriteString(b, clientWord)
				go io.Copy(io.Discard, b)
				c, err := Server(a, Options{PingInterval: 30 * time.Second, PingTimeout: timeout})
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.ReadMessage(); err == nil || err.Error() != "rawsocket: no answer to PING in 10s" {
					t.Errorf("error is %v", err)
				}
				b.Close()
			}
		},
		"no handshake within 10 s": func(t *testing.T, e ends) {
			start := time.Now()
			if _, err := Server(e.near, Options{}); err == nil || !strings.Contains(err.Error(), "not completed within 10s") || time.Since(start) != 10*time.Second {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		},
		"no deadline to be had": func(t *testing.T, e ends) {
			if _, err := Server(noDeadline{e.near}, Options{}); err == nil || !strings.Contains(err.Error(), "not completed within 10s") {
				t.Errorf("error is %v", err)
			}
		},
		"the peer leaves in time": func(t *testing.T, e ends) {
			e.peer.Close()
			if _, err := Server(e.near, Options{}); err == nil || err.Error() != "rawsocket handshake: read: EOF" {
				t.Errorf("error is %v", err)
			}
		},
		"no limit": func(t *testing.T, e ends) {
			time.AfterFunc(time.Hour, func() { e.peer.Close() })
			if _, err := Server(e.near, Options{HandshakeTimeout: -1}); err == nil || err.Error() != "rawsocket handshake: read: EOF" {
				t.Errorf("error is %v", err)
			}
		},
		"a message after an hour": func(t *testing.T, e ends) {
			for _, near := range []io.ReadWriteCloser{e.near, struct{ io.ReadWriteCloser }{e.near}, noDeadline{e.near}} {
				go func() {
					io.WriteString(e.peer, clientWord)
					io.ReadFull(e.peer, make([]byte, 4))
					time.Sleep(time.Hour)
					io.WriteString(e.peer, frame(0, "late"))
				}()
				c, err := Server(near, Options{})
				if err != nil {
					t.Fatal(err)
				}
				want(t, c, "late")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				f(t, ends{a, b})
				a.Close()
				b.Close()
			})
		})
	}
}

// noDeadline is a connection that cannot set a deadline.
type noDeadline struct{ net.Conn }

func (noDeadline) SetDeadline(time.Time) error { return errors.ErrUnsupported }

// TestProbe: a peer lives if it sends anything within the time.
func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		lives  bool
	}{"PONG": {frame(2, pingText), true}, "a message": {frame(0, "busy"), true}, "nothing": {"", false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, peer := net.Pipe()
				go io.WriteString(peer, clientWord)
				go io.ReadFull(peer, make([]byte, 4))
				conn, err := Server(a, Options{})
				if err != nil {
					t.Fatal(err)
				}
				go conn.ReadMessage()
				asked := make(chan string, 1)
				go func() {
					b := make([]byte, headSize+len(pingText))
					io.ReadFull(peer, b)
					asked <- string(b)
					io.WriteString(peer, c.answer)
				}()
				if lives := conn.Probe(5 * time.Second); lives != c.lives {
					t.Errorf("lives is %v", lives)
				}
				if got := <-asked; got != frame(1, pingText) {
					t.Errorf("the peer got % x", got)
				}
				conn.Close()
				peer.Close()
			})
		})
	}
}

// TestOneWriter: while a frame is partly written, no PING gets into it and the stream cannot be closed for writing.
func TestOneWriter(t *testing.T) {
	peer, near := networks["tcp"](t)
	send(peer, clientWord)
	c, err := Server(near, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	batch := []byte(frame(0, strings.Repeat("x", 1<<24-1)))
	n, err := c.Write(batch, false)
	if err != nil || n == len(batch) {
		t.Fatalf("wrote %d of %d, %v", n, len(batch), err)
	}
	if c.ping() {
		t.Error("a PING was written into a frame")
	}
	if err := c.CloseWrite(); err == nil || err.Error() != "rawsocket: close for writing: a write is in progress" {
		t.Errorf("error is %v", err)
	}
	go io.Copy(io.Discard, peer)
	if m, err := c.Write(batch[n:], true); err != nil || n+m != len(batch) {
		t.Errorf("wrote %d and %d of %d, %v", n, m, len(batch), err)
	}
	if !c.ping() {
		t.Error("no PING was written after the frame")
	}
}
