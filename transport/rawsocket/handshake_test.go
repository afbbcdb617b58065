package rawsocket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/wamp"
)

// script answers a handshake with fixed octets, one Read each, and keeps the written octets.
type script struct {
	reads   [][]byte
	written bytes.Buffer
	closed  bool
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.reads) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.reads[0])
	if s.reads[0] = s.reads[0][n:]; len(s.reads[0]) == 0 {
		s.reads = s.reads[1:]
	}
	return n, nil
}
func (s *script) Write(p []byte) (int, error) { return s.written.Write(p) }
func (s *script) Close() error                { s.closed = true; return nil }

func octets(parts ...string) (b [][]byte) {
	for _, p := range parts {
		b = append(b, []byte(p))
	}
	return b
}

func TestServerHandshake(t *testing.T) {
	for _, c := range []struct {
		name    string
		reads   [][]byte
		opts    Options
		reply   string
		refusal Refusal
		err     string
		want    wamp.Transport
	}{
		{name: "json, 512 octets", reads: octets("\x7f\x01\x00\x00"), reply: "\x7f\xb1\x00\x00",
			want: wamp.Transport{Serializer: wamp.JSON, Limit: 512}},
		{name: "msgpack, 16 MiB", reads: octets("\x7f\xf2\x00\x00"), reply: "\x7f\xb2\x00\x00",
			want: wamp.Transport{Serializer: wamp.MsgPack, Limit: 1<<24 - 1}},
		{name: "cbor, octet by octet", reads: octets("\x7f", "\x73", "\x00", "\x00"), reply: "\x7f\xb3\x00\x00",
			want: wamp.Transport{Serializer: wamp.CBOR, Limit: 1 << 16}},
		{name: "first octets read already", reads: octets("\x00\x00"), opts: Options{Head: []byte("\x7f\x73")}, reply: "\x7f\xb3\x00\x00",
			want: wamp.Transport{Serializer: wamp.CBOR, Limit: 1 << 16}},
		{name: "our limit is announced, rounded down", reads: octets("\x7f\x73\x00\x00"), opts: Options{MaxMessage: 70000}, reply: "\x7f\x73\x00\x00",
			want: wamp.Transport{Serializer: wamp.CBOR, Limit: 1 << 16}},
		{name: "our limit is at least 512", reads: octets("\x7f\x73\x00\x00"), opts: Options{MaxMessage: 1}, reply: "\x7f\x03\x00\x00",
			want: wamp.Transport{Serializer: wamp.CBOR, Limit: 1 << 16}},
		{name: "our limit is at most 16 MiB", reads: octets("\x7f\x73\x00\x00"), opts: Options{MaxMessage: 1 << 30}, reply: "\x7f\xf3\x00\x00",
			want: wamp.Transport{Serializer: wamp.CBOR, Limit: 1 << 16}},
		{name: "illegal serializer", reads: octets("\x7f\x70\x00\x00"), reply: "\x7f\x10\x00\x00", refusal: BadSerializer},
		{name: "ubjson", reads: octets("\x7f\x74\x00\x00"), reply: "\x7f\x10\x00\x00", refusal: BadSerializer},
		{name: "reserved serializer", reads: octets("\x7f\x7f\x00\x00"), reply: "\x7f\x10\x00\x00", refusal: BadSerializer},
		{name: "third octet", reads: octets("\x7f\x73\x01\x00"), reply: "\x7f\x30\x00\x00", refusal: ReservedBits},
		{name: "fourth octet", reads: octets("\x7f\x73\x00\x80"), reply: "\x7f\x30\x00\x00", refusal: ReservedBits},
		{name: "not RawSocket", reads: octets("G", "ET / HTTP/1.1\r\n\r\n"), err: "first octet is 47, want 7f"},
		{name: "nothing", err: "read: EOF"},
		{name: "half", reads: octets("\x7f\x73"), err: "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rw := &script{reads: c.reads}
			conn, err := Server(rw, c.opts)
			if got := rw.written.String(); got != c.reply {
				t.Errorf("replied % x, want % x", got, c.reply)
			}
			if c.err != "" || c.refusal != 0 {
				var refusal Refusal
				errors.As(err, &refusal)
				if err == nil || !strings.Contains(err.Error(), c.err) || refusal != c.refusal {
					t.Errorf("error is %v, want %q %v", err, c.err, c.refusal)
				}
				if !rw.closed {
					t.Error("the connection is still open")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if got := conn.Transport(); got.Protocol != "rawsocket" || got.Serializer != c.want.Serializer || got.Limit != c.want.Limit {
				t.Errorf("transport is %+v, want %+v", *got, c.want)
			}
		})
	}
}

func TestClientHandshake(t *testing.T) {
	for _, c := range []struct {
		name    string
		reply   string
		refusal Refusal
		err     string
	}{
		{"accepted", "\x7f\xf2\x00\x00", 0, ""},
		{"another serializer", "\x7f\xf3\x00\x00", 0, "serializer"},
		{"reserved bits", "\x7f\xf2\x00\x01", 0, "reserved"},
		{"serializer refused", "\x7f\x10\x00\x00", BadSerializer, ""},
		{"length refused", "\x7f\x20\x00\x00", BadLength, ""},
		{"bits refused", "\x7f\x30\x00\x00", ReservedBits, ""},
		{"full", "\x7f\x40\x00\x00", TooManyConnections, ""},
		{"a later refusal", "\x7f\x90\x00\x00", Refusal(9), ""},
		{"an HTTP server", "HTTP/1.1 400 Bad Request", 0, "first octet is 48"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rw := &script{reads: octets(c.reply)}
			conn, err := Client(rw, Options{Serializer: wamp.MsgPack, MaxMessage: 1 << 16})
			if got := rw.written.String(); got != "\x7f\x72\x00\x00" {
				t.Errorf("asked % x", got)
			}
			var refusal Refusal
			errors.As(err, &refusal)
			switch {
			case c.err == "" && c.refusal == 0:
				if err != nil {
					t.Fatal(err)
				}
				conn.Close()
			case err == nil || !strings.Contains(err.Error(), c.err) || refusal != c.refusal:
				t.Errorf("error is %v, want %q %v", err, c.err, c.refusal)
			}
			if !rw.closed {
				t.Error("the connection is still open")
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	rw := &script{reads: octets("\xf3\x00\x00")}
	if err := Refuse(rw, Options{Head: []byte{Magic}}, TooManyConnections); err != nil {
		t.Fatal(err)
	}
	if got := rw.written.String(); got != "\x7f\x40\x00\x00" || !rw.closed {
		t.Errorf("replied % x, closed %v", got, rw.closed)
	}
}

func TestHandshakeTimeout(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) io.ReadWriteCloser{
		"deadline":    func(c net.Conn) io.ReadWriteCloser { return c },
		"no deadline": func(c net.Conn) io.ReadWriteCloser { return struct{ io.ReadWriteCloser }{c} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				defer a.Close()
				go a.Write([]byte{Magic, 0x73})
				start := time.Now()
				_, err := Server(wrap(b), Options{HandshakeTimeout: 3 * time.Second})
				if err == nil || !strings.Contains(err.Error(), "not completed within 3s") || time.Since(start) != 3*time.Second {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
			})
		})
	}
}
