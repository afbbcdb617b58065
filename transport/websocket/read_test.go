package websocket

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/kit"
)

// client is a WebSocket client that makes its octets by hand.
type client struct {
	net.Conn
	r *bufio.Reader
}

// frameOf builds a client's frame: masked, with a mask that changes nothing.
func frameOf(head byte, payload string) string {
	b := []byte{head, 0x80}
	switch n := len(payload); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return string(b) + "\x00\x00\x00\x00" + payload
}

// Heads of frames.
const (
	text       = 0x81
	binaryData = 0x82
	closing    = 0x88
	ping       = 0x89
	pong       = 0x8A
)

func (c *client) send(t testing.TB, frames ...string) {
	t.Helper()
	if _, err := io.WriteString(c.Conn, strings.Join(frames, "")); err != nil {
		t.Error(err)
	}
}

// next reads a server's frame.
func (c *client) next(t testing.TB) (head byte, payload string) {
	t.Helper()
	var h [2]byte
	if _, err := io.ReadFull(c.r, h[:]); err != nil {
		t.Fatal(err)
	}
	n := int(h[1])
	switch {
	case n == 126:
		var b [2]byte
		io.ReadFull(c.r, b[:])
		n = int(binary.BigEndian.Uint16(b[:]))
	case n == 127:
		var b [8]byte
		io.ReadFull(c.r, b[:])
		n = int(binary.BigEndian.Uint64(b[:]))
	case n > 127:
		t.Fatal("a server's frame is masked")
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.r, b); err != nil {
		t.Fatal(err)
	}
	return h[0], string(b)
}

// closed reads frames up to CLOSE and returns its code.
func (c *client) closed(t testing.TB) int {
	t.Helper()
	for {
		if head, payload := c.next(t); head == closing {
			if len(payload) < 2 {
				return 1005
			}
			return int(binary.BigEndian.Uint16([]byte(payload)))
		}
	}
}

const upgrade = "GET /ws HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n"

// server accepts WebSockets.
type server struct {
	*httptest.Server
	conns chan *Conn
	errs  chan error
}

func serve(t testing.TB, o Options) *server {
	t.Helper()
	s := &server{conns: make(chan *Conn, 10), errs: make(chan error, 10)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, o)
		if err != nil {
			kit.Send(t, s.errs, err)
			return
		}
		kit.Send(t, s.conns, c)
	}))
	t.Cleanup(s.Close)
	return s
}

// ask sends a handshake with further headers, and octets after it.
func (s *server) ask(t testing.TB, headers, after string) (*client, *http.Response) {
	t.Helper()
	address := s.Listener.Addr().String()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &client{conn, bufio.NewReader(conn)}
	c.send(t, fmt.Sprintf(upgrade, address, headers)+after)
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, resp
}

// open makes a connection that speaks a subprotocol.
func open(t testing.TB, o Options, protocol, after string) (*client, *Conn) {
	t.Helper()
	s := serve(t, o)
	c, resp := s.ask(t, "Sec-WebSocket-Protocol: "+protocol+"\r\n", after)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answered %s", resp.Status)
	}
	conn := <-s.conns
	t.Cleanup(func() {
		conn.Close()
		c.Conn.Close()
		<-conn.Done()
	})
	return c, conn
}

func TestSubprotocols(t *testing.T) {
	for _, c := range []struct {
		asked  string
		chosen string
		want   wamp.Serializer
	}{
		{"wamp.2.json", "wamp.2.json", wamp.JSON},
		{"wamp.2.msgpack", "wamp.2.msgpack", wamp.MsgPack},
		{"wamp.2.cbor", "wamp.2.cbor", wamp.CBOR},
		{"wamp.2.json.batched", "wamp.2.json.batched", wamp.JSON},
		{"wamp.2.msgpack.batched", "wamp.2.msgpack.batched", wamp.MsgPack},
		{"wamp.2.cbor.batched", "wamp.2.cbor.batched", wamp.CBOR},
		{"wamp.2.json, wamp.2.cbor", "wamp.2.json", wamp.JSON}, // the client's order
		{"wamp.2.cbor,wamp.2.json", "wamp.2.cbor", wamp.CBOR},
		{"wamp.2.flatbuffers, mqtt, wamp.2.msgpack", "wamp.2.msgpack", wamp.MsgPack},
		{"chat\r\nSec-WebSocket-Protocol: wamp.2.json", "wamp.2.json", wamp.JSON},
		{"mqtt", "", 0},
		{"wamp.2.flatbuffers", "", 0},
		{"wamp.1.json", "", 0},
		{"wamp.2.json.batched.batched", "", 0},
		{"", "", 0},
	} {
		t.Run(c.asked, func(t *testing.T) {
			s := serve(t, Options{})
			header := "Sec-WebSocket-Protocol: " + c.asked + "\r\n"
			if c.asked == "" {
				header = ""
			}
			_, resp := s.ask(t, header, "")
			if c.chosen == "" {
				said, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(said), "wamp.2.cbor, wamp.2.msgpack, wamp.2.json, wamp.2.cbor.batched") {
					t.Errorf("answered %s: %s", resp.Status, said)
				}
				if err := <-s.errs; err == nil {
					t.Error("no error")
				}
				return
			}
			if got := resp.Header.Get("Sec-WebSocket-Protocol"); resp.StatusCode != 101 || got != c.chosen {
				t.Fatalf("answered %s with %q, want %q", resp.Status, got, c.chosen)
			}
			conn := <-s.conns
			if got := conn.Transport(); got.Serializer != c.want || got.Protocol != "websocket" {
				t.Errorf("transport is %+v", got)
			}
			conn.socket.Close()
			conn.Close()
			<-conn.Done()
		})
	}
}

func TestNotAnUpgrade(t *testing.T) {
	s := serve(t, Options{})
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("answered %s", resp.Status)
	}
}

func want(t *testing.T, c *Conn, msg string, more bool) {
	t.Helper()
	got, gotMore, err := c.ReadMessage()
	if err != nil || string(got) != msg || gotMore != more {
		t.Fatalf("read %.40q (%d octets), more %v, %v; want %.40q (%d octets), more %v", got, len(got), gotMore, err, msg, len(msg), more)
	}
}

func TestReadMessage(t *testing.T) {
	long := strings.Repeat("0123456789", 20000)
	c, conn := open(t, Options{}, "wamp.2.json", frameOf(text, "glued"))
	want(t, conn, "glued", false)
	// One segment over loopback: all data is available with the first message.
	c.send(t, frameOf(text, "one"), frameOf(text, ""), frameOf(text, "two"), frameOf(ping, "hi"), frameOf(text, "three")[:7])
	want(t, conn, "one", true)
	want(t, conn, "", true)
	want(t, conn, "two", false) // a PING is next
	c.send(t, frameOf(text, "three")[7:])
	want(t, conn, "three", false)
	if head, payload := c.next(t); head != pong || payload != "hi" {
		t.Errorf("PING was answered with %x %q", head, payload)
	}
	go c.send(t, frameOf(0x01, "frag"), frameOf(ping, ""), frameOf(0x00, "men"), frameOf(0x80, "ted"), frameOf(text, long))
	want(t, conn, "fragmented", false)
	want(t, conn, long, false)
	c.send(t, frameOf(closing, "\x03\xe8bye"))
	if _, _, err := conn.ReadMessage(); err != io.EOF {
		t.Errorf("error is %v, want io.EOF", err)
	}
	if code := c.closed(t); code != 1000 {
		t.Errorf("CLOSE was answered with %d", code)
	}
}

func TestBatches(t *testing.T) {
	bin := func(messages ...string) (s string) {
		for _, m := range messages {
			s += string(binary.BigEndian.AppendUint32(nil, uint32(len(m)))) + m
		}
		return s
	}
	for _, c := range []struct {
		protocol, frames string
		want             []string
		err              string
	}{
		{"wamp.2.json.batched", frameOf(text, "[1]\x1e[2]\x1e") + frameOf(text, "[3]\x1e"), []string{"[1]", "[2]", "[3]"}, ""},
		{"wamp.2.json.batched", frameOf(text, "[1]\x1e[2]"), []string{"[1]"}, "broken batch"},
		{"wamp.2.json.batched", frameOf(text, "[1]"), nil, "broken batch"},
		{"wamp.2.json.batched", frameOf(text, ""), nil, "empty batch"},
		{"wamp.2.cbor.batched", frameOf(binaryData, bin("a", "", "ccc")) + frameOf(binaryData, bin("d")), []string{"a", "", "ccc", "d"}, ""},
		{"wamp.2.cbor.batched", frameOf(binaryData, bin("a")+"\x00\x00\x00"), []string{"a"}, "broken batch"},
		{"wamp.2.cbor.batched", frameOf(binaryData, bin("a")+"\x00\x00\x00\x02b"), []string{"a"}, "broken batch"},
		{"wamp.2.msgpack.batched", frameOf(binaryData, "\xff\xff\xff\xffb"), nil, "broken batch"},
		{"wamp.2.msgpack.batched", frameOf(binaryData, ""), nil, "empty batch"},
	} {
		t.Run(fmt.Sprintf("%s %x", c.protocol, c.frames), func(t *testing.T) {
			peer, conn := open(t, Options{}, c.protocol, "")
			peer.send(t, c.frames)
			for i, m := range c.want {
				want(t, conn, m, c.err != "" || i+1 < len(c.want))
			}
			if c.err == "" {
				return
			}
			if _, _, err := conn.ReadMessage(); err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error is %v, want %q", err, c.err)
			}
			if code := peer.closed(t); code != 1002 {
				t.Errorf("CLOSE %d, want 1002", code)
			}
			if _, _, err := conn.ReadMessage(); err == nil {
				t.Error("read again after a failure")
			}
		})
	}
}

func TestBadFrames(t *testing.T) {
	for name, c := range map[string]struct {
		protocol, frames string
		code             int // 0: no CLOSE
		err              string
	}{
		"binary for JSON":          {"wamp.2.json", frameOf(binaryData, "x"), 1003, "wamp.2.json carries text"},
		"text for CBOR":            {"wamp.2.cbor", frameOf(text, "x"), 1003, "wamp.2.cbor carries binary"},
		"text for batched MsgPack": {"wamp.2.msgpack.batched", frameOf(text, "x"), 1003, "wamp.2.msgpack.batched carries"},
		"too long":                 {"wamp.2.json", frameOf(text, strings.Repeat("x", 1001)), 1009, "too big"},
		"too long in pieces":       {"wamp.2.json", frameOf(0x01, strings.Repeat("x", 900)) + frameOf(0x80, strings.Repeat("x", 900)), 1009, "too big"},
		"a length beyond all":      {"wamp.2.json", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00" + strings.Repeat("x", 2000), 1009, "too big"},
		"reserved bits":            {"wamp.2.json", "\xf1\x80\x00\x00\x00\x00", 1002, "rsv"},
		"a reserved kind":          {"wamp.2.json", frameOf(0x83, "x"), 1002, "opcode"},
		"nothing to continue":      {"wamp.2.json", frameOf(0x80, "x"), 1002, "continuation"},
		"a long PING":              {"wamp.2.json", frameOf(ping, strings.Repeat("x", 126)), 1002, "control frame"},
		"a PING in pieces":         {"wamp.2.json", frameOf(0x09, "x"), 1002, "control frame"},
		"no mask":                  {"wamp.2.json", "\x81\x01x", 1002, "unmasked"},
		"closed for cause":         {"wamp.2.json", frameOf(closing, "\x0f\xa0odd"), 4000, `closed with 4000 "odd"`},
	} {
		t.Run(name, func(t *testing.T) {
			peer, conn := open(t, Options{MaxMessage: 1000}, c.protocol, "")
			peer.send(t, c.frames)
			if _, _, err := conn.ReadMessage(); err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error is %v, want %q", err, c.err)
			}
			if code := peer.closed(t); code != c.code {
				t.Errorf("CLOSE %d, want %d", code, c.code)
			}
			peer.Conn.Close()
			if _, err := conn.Write([]byte("\x00\x00\x00\x01x"), true); err == nil {
				t.Error("the connection still writes")
			}
			<-conn.Done()
		})
	}
}

func TestPeerVanishes(t *testing.T) {
	peer, conn := open(t, Options{}, "wamp.2.json", frameOf(text, "one"))
	want(t, conn, "one", false)
	peer.Conn.Close()
	if _, _, err := conn.ReadMessage(); err != io.EOF {
		t.Errorf("error is %v, want io.EOF", err)
	}
}

func TestCloseUnblocks(t *testing.T) {
	for _, answers := range []bool{true, false} {
		t.Run(fmt.Sprintf("the peer answers: %v", answers), func(t *testing.T) {
			peer, conn := open(t, Options{}, "wamp.2.cbor", "")
			errs := make(chan error, 1)
			go func() { _, _, err := conn.ReadMessage(); errs <- err }()
			conn.Close()
			conn.Close()
			if code := peer.closed(t); code != 1000 {
				t.Errorf("CLOSE %d", code)
			}
			if answers {
				peer.send(t, frameOf(closing, "\x03\xe8"))
			}
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("error is %v, want net.ErrClosed", err)
			}
			<-conn.Done()
			if _, err := conn.Write([]byte("\x00\x00\x00\x01x"), true); !errors.Is(err, net.ErrClosed) {
				t.Errorf("write: %v", err)
			}
		})
	}
}

// TestDial talks to our own server, in each protocol, with and without compression.
func TestDial(t *testing.T) {
	for _, compress := range []bool{false, true} {
		for _, batched := range []bool{false, true} {
			for _, serializer := range wamp.Serializers {
				s := serve(t, Options{Compress: compress})
				near, err := dialServer(s, Options{Serializer: serializer, Batched: batched, Compress: compress})
				if err != nil {
					t.Fatal(err)
				}
				far := <-s.conns
				if near.protocol.Batched != batched || near.Transport().Serializer != serializer || far.Transport().Serializer != serializer {
					t.Errorf("asked for %v, batched %v; got %+v and %+v", serializer, batched, near.Transport(), far.Transport())
				}
				messages := []string{"one", "two", strings.Repeat("long ", 60000), "three", ""}
				var b []byte
				for _, m := range messages {
					b = binary.BigEndian.AppendUint32(b, uint32(len(m)))
					b = append(b, m...)
				}
				for _, ends := range [][2]*Conn{{near, far}, {far, near}} {
					go func() {
						if n, err := ends[0].Write(b, true); n != len(b) || err != nil {
							t.Errorf("wrote %d of %d: %v", n, len(b), err)
						}
					}()
					for _, m := range messages {
						got, _, err := ends[1].ReadMessage()
						if err != nil || string(got) != m {
							t.Fatalf("read %.20q, %v; want %.20q", got, err, m)
						}
					}
				}
				go far.ReadMessage() // so that CLOSE is answered
				near.Close()
				<-near.Done()
				far.Close()
				<-far.Done()
			}
		}
	}
}

func dialServer(s *server, o Options) (*Conn, error) {
	dial := func(ctx context.Context, address string) (net.Conn, error) { return net.Dial("tcp", address) }
	return Dial(context.Background(), "ws"+strings.TrimPrefix(s.URL, "http")+"/ws", dial, o)
}

func TestDialRefused(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		err    string
	}{
		"refused with words": {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "go away", http.StatusForbidden) }, "403 Forbidden: go away"},
		"not a WebSocket":    {func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }, "200 OK: hello"},
		"no subprotocol": {func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Sec-WebSocket-Protocol", "")
			conn, _, _ := http.NewResponseController(w).Hijack()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "+accept(r)+"\r\n\r\n")
			io.Copy(io.Discard, conn)
			conn.Close()
		}, "no subprotocol"},
	} {
		t.Run(name, func(t *testing.T) {
			hs := httptest.NewServer(http.HandlerFunc(c.answer))
			defer hs.Close()
			_, err := dialServer(&server{Server: hs}, Options{})
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error is %v, want %q", err, c.err)
			}
		})
	}
}

// FuzzReadMessage sends any octets after a handshake.
func FuzzReadMessage(f *testing.F) {
	f.Add([]byte(frameOf(text, "[1]")+frameOf(ping, "x")+frameOf(closing, "")), false)
	f.Add([]byte(frameOf(text, "[1]\x1e[2]\x1e")), true)
	f.Fuzz(func(t *testing.T, octets []byte, batched bool) {
		name := "wamp.2.json"
		if batched {
			name += ".batched"
		}
		peer, conn := open(t, Options{MaxMessage: 1000}, name, "")
		go io.Copy(io.Discard, peer.r)
		peer.Conn.Write(octets)
		peer.Conn.(*net.TCPConn).CloseWrite()
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				break
			}
		}
		<-conn.Done()
	})
}

// A message that is longer than allowed for the moment ends the connection.
func TestReadLimit(t *testing.T) {
	peer, c := open(t, Options{}, "wamp.2.json", "")
	c.SetReadLimit(10)
	peer.send(t, frameOf(text, "0123456789"))
	want(t, c, "0123456789", false)
	c.SetReadLimit(0)
	peer.send(t, frameOf(text, "0123456789x"))
	want(t, c, "0123456789x", false)
	c.SetReadLimit(10)
	peer.send(t, frameOf(text, "0123456789x"))
	if _, _, err := c.ReadMessage(); err == nil {
		t.Error("it is taken")
	}
	if code := peer.closed(t); code != 1009 {
		t.Errorf("closed with %d", code)
	}
}
