package rawsocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"runnel/edge/wamp"
	"runnel/test/kit"
)

// networks makes connected pairs of the kinds a Conn treats differently.
var networks = map[string]func(t testing.TB) (a, b net.Conn){
	"tcp":  func(t testing.TB) (a, b net.Conn) { return kit.Sockets(t, "tcp", "127.0.0.1:0") },
	"unix": func(t testing.TB) (a, b net.Conn) { return kit.Sockets(t, "unix", filepath.Join(t.TempDir(), "s")) },
	"pipe": func(t testing.TB) (a, b net.Conn) { return net.Pipe() },
}

// over runs a test on each kind of connection: peer is the far end's octets after the handshake.
func over(t *testing.T, opts Options, f func(t *testing.T, c *Conn, peer net.Conn)) {
	for name, pair := range networks {
		t.Run(name, func(t *testing.T) {
			peer, near := pair(t)
			go peer.Write([]byte{Magic, 0xf3, 0, 0})
			ready := make(chan error, 1)
			go func() {
				var reply [4]byte
				_, err := io.ReadFull(peer, reply[:])
				ready <- err
			}()
			c, err := Server(near, opts)
			if err := errors.Join(err, <-ready); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			f(t, c, peer)
		})
	}
}

// frame builds a frame by hand.
func frame(head byte, payload string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(head)<<24|uint32(len(payload)))
	return string(b[:]) + payload
}

func send(peer net.Conn, s string) { go peer.Write([]byte(s)) }

func want(t *testing.T, c *Conn, msg string) {
	t.Helper()
	got, _, err := c.ReadMessage()
	if err != nil {
		t.Fatalf("read: %v, want %.40q", err, msg)
	}
	if string(got) != msg {
		t.Fatalf("read %.40q (%d octets), want %.40q (%d octets)", got, len(got), msg, len(msg))
	}
}

func TestReadMessage(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 1<<15) // 512 KiB
	over(t, Options{}, func(t *testing.T, c *Conn, peer net.Conn) {
		messages := []string{"one", "", "two", big, strings.Repeat("x", 70000), "three", strings.Repeat("y", 65532), "four"}
		var stream string
		for _, m := range messages {
			stream += frame(0, m)
		}
		send(peer, stream)
		for _, m := range messages {
			want(t, c, m)
		}
	})
}

func TestReadOctetByOctet(t *testing.T) {
	stream := "\x7f\xf1\x00\x00" + frame(0, "hello") + frame(2, "pong") + frame(0, strings.Repeat("z", 3000)) + frame(0, "")
	rw := struct {
		io.Reader
		io.Writer
		io.Closer
	}{iotest.OneByteReader(strings.NewReader(stream)), io.Discard, io.NopCloser(nil)}
	c, err := Server(rw, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, c, "hello")
	want(t, c, strings.Repeat("z", 3000))
	want(t, c, "")
	if _, _, err := c.ReadMessage(); err != io.EOF {
		t.Errorf("error is %v, want io.EOF", err)
	}
}

func TestMore(t *testing.T) {
	peer, near := networks["tcp"](t)
	send(peer, "\x7f\xf3\x00\x00")
	c, err := Server(near, Options{})
	if err != nil {
		t.Fatal(err)
	}
	// One segment over loopback: all data is available with the first message.
	send(peer, frame(0, "a")+frame(0, "b")+frame(0, "c")[:4])
	for _, step := range []struct {
		msg  string
		more bool
	}{{"a", true}, {"b", false}} {
		msg, more, err := c.ReadMessage()
		if err != nil || string(msg) != step.msg || more != step.more {
			t.Errorf("read %q, more %v, %v; want %q, %v", msg, more, err, step.msg, step.more)
		}
	}
}

func TestBadFrames(t *testing.T) {
	for name, c := range map[string]struct{ stream, err string }{
		"reserved bits":        {"\x10\x00\x00\x00", "reserved bits"},
		"type 3":               {"\x03\x00\x00\x00", "reserved type 3"},
		"type 7":               {"\x07\x00\x00\x00", "reserved type 7"},
		"too long":             {"\x00\x00\x02\x01", "longer than the agreed limit of 512"},
		"PING too long":        {"\x01\x00\x02\x01", "longer than the agreed limit of 512"},
		"16 MiB":               {"\x08\x00\x00\x00", "longer than the agreed limit of 512"},
		"more than 16 MiB":     {"\x08\x00\x00\x01", "longer than 16 MiB"},
		"end in a head":        {"\x00\x00", "unexpected EOF"},
		"end in a message":     {frame(0, "hello")[:8], "unexpected EOF"},
		"end between messages": {"", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			over(t, Options{MaxMessage: 512}, func(t *testing.T, conn *Conn, peer net.Conn) {
				go func() {
					peer.Write([]byte(frame(0, "first") + c.stream))
					if strings.Contains(c.err, "EOF") {
						peer.Close()
					}
				}()
				want(t, conn, "first")
				for range 2 {
					_, _, err := conn.ReadMessage()
					if err == nil || !strings.Contains(err.Error(), c.err) {
						t.Fatalf("error is %v, want %q", err, c.err)
					}
				}
				if _, err := conn.Write([]byte(frame(0, "x")), true); err == nil {
					t.Error("the connection still writes")
				}
			})
		})
	}
}

func TestLongestFrames(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 64 MiB")
	}
	all := strings.Repeat("\x00\x01\x02\x03\x04\x05\x06\x07", 1<<21)
	peer, near := networks["tcp"](t)
	send(peer, "\x7f\xf3\x00\x00")
	c, err := Server(near, Options{MaxMessage: 1 << 24})
	if err != nil {
		t.Fatal(err)
	}
	io.ReadFull(peer, make([]byte, 4))
	send(peer, "\x08\x00\x00\x00"+all+"\x09\x00\x00\x00"+all+frame(0, "end"))
	got := make(chan string)
	go func() {
		b := make([]byte, 4+len(all))
		io.ReadFull(peer, b)
		got <- string(b)
	}()
	want(t, c, all)
	want(t, c, "end")
	if pong := <-got; pong != "\x0a\x00\x00\x00"+all {
		t.Errorf("PONG starts with % x and is wrong", pong[:4])
	}
}

func TestPong(t *testing.T) {
	over(t, Options{}, func(t *testing.T, c *Conn, peer net.Conn) {
		payloads := []string{"", "x", strings.Repeat("p", 5000), strings.Repeat("q", 1<<20)}
		var stream, answer string
		for _, p := range payloads {
			stream += frame(1, p)
			answer += frame(2, p)
		}
		send(peer, stream+frame(2, "a PONG nobody asked for")+frame(0, "end"))
		read := make(chan []byte)
		go func() {
			b := make([]byte, len(answer))
			io.ReadFull(peer, b)
			read <- b
		}()
		want(t, c, "end")
		if got := <-read; string(got) != answer {
			t.Error("the answer is not each PING's octets in one PONG")
		}
	})
}

func TestWrite(t *testing.T) {
	over(t, Options{}, func(t *testing.T, c *Conn, peer net.Conn) {
		batch := []byte(frame(0, "one") + frame(0, "two"))
		read := make(chan []byte)
		go func() {
			b := make([]byte, len(batch))
			io.ReadFull(peer, b)
			read <- b
		}()
		n, err := c.Write(batch, false)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := c.Write(batch[n:], true); err != nil || n+m != len(batch) {
			t.Fatalf("wrote %d, then %d of %d, %v", n, m, len(batch), err)
		}
		if got := <-read; !bytes.Equal(got, batch) {
			t.Errorf("wire has %q, want %q", got, batch)
		}
	})
}

func TestCloseUnblocks(t *testing.T) {
	over(t, Options{}, func(t *testing.T, c *Conn, peer net.Conn) {
		errs := make(chan error, 2)
		go func() { _, _, err := c.ReadMessage(); errs <- err }()
		go func() { _, err := c.Write(make([]byte, 64<<20), true); errs <- err }() // more than any socket takes
		io.ReadFull(peer, make([]byte, 1))                                         // the writer is at it
		c.Close()
		c.Close()
		for range 2 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("error is %v, want net.ErrClosed", err)
			}
		}
	})
}

func TestClientAndServer(t *testing.T) {
	for _, s := range wamp.Serializers {
		a, b := networks["tcp"](t)
		done := make(chan error, 1)
		var server *Conn
		go func() {
			var err error
			server, err = Server(b, Options{MaxMessage: 1 << 16})
			done <- err
		}()
		client, err := Client(a, Options{Serializer: s})
		if err := errors.Join(err, <-done); err != nil {
			t.Fatal(err)
		}
		if got := client.Transport(); got.Serializer != s || got.Limit != 1<<16 {
			t.Errorf("client's view: %+v", got)
		}
		if got := server.Transport(); got.Serializer != s || got.Limit != 1<<20 {
			t.Errorf("server's view: %+v", got)
		}
	}
}

// TestReadLimit: a frame that is longer than currently allowed ends the connection before its octets have arrived.
func TestReadLimit(t *testing.T) {
	over(t, Options{}, func(t *testing.T, c *Conn, peer net.Conn) {
		c.SetReadLimit(10)
		send(peer, frame(0, "0123456789")+frame(0, "0123456789x"))
		want(t, c, "0123456789")
		c.SetReadLimit(0)
		want(t, c, "0123456789x")
		c.SetReadLimit(10)
		send(peer, frame(0, "0123456789x")[:headSize])
		if _, _, err := c.ReadMessage(); err == nil || !strings.Contains(err.Error(), "longer than the agreed limit of 10") {
			t.Errorf("error is %v", err)
		}
	})
}

// TestCloseWrite: the peer reads the end of the stream, and can still send.
func TestCloseWrite(t *testing.T) {
	over(t, Options{}, func(t *testing.T, c *Conn, peer net.Conn) {
		if _, ok := peer.(interface{ CloseWrite() error }); !ok {
			if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("error is %v", err)
			}
			return
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := peer.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("the peer reads %d octets, %v", n, err)
		}
		send(peer, frame(0, "late"))
		want(t, c, "late")
		peer.Close()
		if _, _, err := c.ReadMessage(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	})
}
