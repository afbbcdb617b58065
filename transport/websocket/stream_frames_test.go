package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/transport/websocket/frame"
)

// streamOf returns a stream whose server's octets are made by hand.
func streamOf(t *testing.T) (s *Stream, server *net.TCPConn) {
	t.Helper()
	near, far := loopback(t)
	return &Stream{Conn: near, buf: make([]byte, streamBuffer), decoder: frame.Decoder{FromServer: true}, masks: newMasks()}, far
}

// serverFrame is a frame without a mask.
func serverFrame(head byte, payload string) string {
	if len(payload) < 126 {
		return string([]byte{head, byte(len(payload))}) + payload
	}
	return string([]byte{head, 126, byte(len(payload) >> 8), byte(len(payload))}) + payload
}

// The octets of frames may arrive in any pieces, with control frames and empty frames between them.
func TestStreamFrames(t *testing.T) {
	long := strings.Repeat("0123456789", 2*streamBuffer/10)
	octets := serverFrame(binaryData, "one") + serverFrame(ping, "hi") + serverFrame(binaryData, "") + serverFrame(0x02, "tw") + serverFrame(pong, "") + serverFrame(0x80, "o") +
		serverFrame(binaryData, long) + serverFrame(ping, "") + serverFrame(binaryData, "end") + serverFrame(closing, "\x03\xe8bye")
	for _, piece := range []int{1, 3, 1000, len(octets)} {
		for _, size := range []int{1, 7, streamBuffer, 3 * streamBuffer} {
			s, server := streamOf(t)
			go func() {
				for at := 0; at < len(octets); at += piece {
					io.WriteString(server, octets[at:min(at+piece, len(octets))])
				}
			}()
			var got []byte
			var err error
			for b := make([]byte, size); err == nil; {
				var n int
				n, err = s.Read(b)
				got = append(got, b[:n]...)
			}
			if !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "bye") || string(got) != "onetwo"+long+"end" {
				t.Errorf("pieces of %d, reads of %d: %d bytes, %v", piece, size, len(got), err)
			}
			if n, again := s.Read(make([]byte, 1)); n != 0 || again != err {
				t.Errorf("a further read: %d, %v", n, again)
			}
			kit.Must(t, s.Close())
			answers, _ := io.ReadAll(server)
			if heads := fmt.Sprintf("%x %x", answers[:2], answers[8:10]); len(answers) != 14 || heads != "8a82 8a80" {
				t.Errorf("the PINGs are answered with % x", answers)
			}
		}
	}
}

// Frames that break the protocol end the stream with an error other than io.EOF.
func TestStreamBadFrames(t *testing.T) {
	for what, c := range map[string]struct{ octets, want string }{
		"text":             {serverFrame(text, "x"), "text message"},
		"reserved bits":    {"\xf2\x00", "rsv"},
		"a masked frame":   {frameOf(binaryData, "x"), "masked"},
		"nothing to go on": {serverFrame(0x80, "x"), "continuation"},
		"an odd CLOSE":     {serverFrame(closing, "\x03"), "close"},
	} {
		s, server := streamOf(t)
		io.WriteString(server, c.octets)
		if n, err := s.Read(make([]byte, 10)); n != 0 || err == nil || errors.Is(err, io.EOF) || !strings.Contains(strings.ToLower(err.Error()), c.want) {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
	s, server := streamOf(t)
	io.WriteString(server, serverFrame(binaryData, "abc")[:4])
	server.Close()
	got, err := io.ReadAll(s)
	if string(got) != "ab" || err != nil {
		t.Errorf("a connection that ends inside a frame: %q, %v", got, err)
	}
}

// A read of no bytes does not wait. A write after the deadline leaves the stream as it is; a write that fails ends it.
func TestStreamBounds(t *testing.T) {
	s, server := streamOf(t)
	if n, err := s.Read(nil); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	kit.Must(t, s.SetDeadline(time.Unix(1, 0)))
	for range 2 {
		if _, err := s.Read(make([]byte, 1)); !isTimeout(err) {
			t.Errorf("read: %v", err)
		}
		if _, err := s.Write([]byte("x")); !isTimeout(err) {
			t.Errorf("write: %v", err)
		}
	}
	kit.Must(t, s.SetDeadline(time.Time{}))
	if n, err := s.Write([]byte("abc")); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	b := make([]byte, 9)
	io.ReadFull(server, b)
	frame.Mask(b[6:], binary.LittleEndian.Uint32(b[2:]))
	if b[0] != binaryData || b[1] != 0x83 || string(b[6:]) != "abc" {
		t.Errorf("% x", b)
	}
	io.WriteString(server, serverFrame(ping, ""))
	reading := make(chan error, 1)
	go func() { _, err := s.Read(make([]byte, 1)); reading <- err }()
	if _, err := io.ReadFull(server, b[:6]); err != nil || b[0] != pong || b[1] != 0x80 {
		t.Errorf("a PING with nothing behind it is answered with % x, %v", b[:6], err)
	}
	s.Conn.Close()
	kit.Receive(t, "the end of the read", reading)
	_, first := s.Write([]byte("x"))
	if _, again := s.Write([]byte("x")); first == nil || again != first {
		t.Errorf("writes to a closed connection: %v, %v", first, again)
	}
}

func isTimeout(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}

func TestMoreIsAWholeMessage(t *testing.T) {
	for name, c := range map[string]struct {
		b    string
		want bool
	}{
		"nothing": {"", false}, "text": {frameOf(text, "x"), true}, "binary": {frameOf(binaryData, ""), true}, "two": {frameOf(text, "x") + "\x81", true},
		"half a head": {"\x81", false}, "half a message": {frameOf(text, "xy")[:7], false}, "no key": {"\x81\x80\x00\x00\x00", false},
		"the first piece": {frameOf(0x01, "x"), false}, "the last piece": {frameOf(0x80, "x"), false}, "PING": {frameOf(ping, ""), false}, "CLOSE": {frameOf(closing, ""), false},
		"reserved kind": {frameOf(0x83, ""), false}, "a long one": {frameOf(text, strings.Repeat("x", 70_000)), true}, "126": {frameOf(text, strings.Repeat("x", 126)), true},
		"half a length": {"\x81\xfe\x00", false}, "a length beyond all": {"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", false},
	} {
		if got := frame.WholeMessage([]byte(c.b)); got != c.want {
			t.Errorf("%s: more is %v", name, got)
		}
	}
}
