package websocket

import (
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"runnel/edge/budget"
	"runnel/test/kit"
	"runnel/transport/websocket/frame"
	"runnel/transport/wire"
)

// openCharged opens a connection whose memory is charged to an account. used returns the bytes of its messages.
func openCharged(t *testing.T, protocol string) (peer *client, conn *Conn, used func() int64) {
	t.Helper()
	memory := budget.New(1<<30, slog.Default())
	account, err := memory.Open(budget.Peer{Name: "peer"})
	if err != nil {
		t.Fatal(err)
	}
	peer, conn = open(t, Options{Account: account}, protocol, "")
	return peer, conn, func() int64 { return memory.Status().Use["reading"] }
}

// TestLongMessageIsCharged: the account is charged for a long message until the next one is awaited.
func TestLongMessageIsCharged(t *testing.T) {
	peer, conn, used := openCharged(t, "wamp.2.json")
	if conn.Account() == nil {
		t.Error("the connection has no account")
	}
	long := strings.Repeat("0123456789", 30_000)
	go peer.send(t, frameOf(text, long))
	want(t, conn, long, false)
	if n := used(); n < int64(len(long)) {
		t.Errorf("%d bytes are charged for a message of %d", n, len(long))
	}
	peer.send(t, frameOf(text, "short"))
	want(t, conn, "short", false)
	if n := used(); n != 0 {
		t.Errorf("%d bytes are charged for a short message", n)
	}
}

// TestFailureReturnsMemory: a connection that fails in a long message returns its memory.
func TestFailureReturnsMemory(t *testing.T) {
	long := frameOf(binaryData, "\xff\xff\xff\xff"+strings.Repeat("x", 300_000))
	for name, sent := range map[string]string{"a broken batch": long, "the peer vanishes": long[:250_000]} {
		peer, conn, used := openCharged(t, "wamp.2.cbor.batched")
		go func() {
			peer.send(t, sent)
			if len(sent) < len(long) {
				peer.Conn.Close()
			}
		}()
		if _, _, err := conn.ReadMessage(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if n := used(); n != 0 {
			t.Errorf("%s: %d bytes are charged", name, n)
		}
	}
}

// TestCloseReturnsMemory: a connection that is closed returns the memory of the last message, in one frame or in pieces, before the
// peer has answered CLOSE.
func TestCloseReturnsMemory(t *testing.T) {
	long := strings.Repeat("0123456789", 30_000)
	for name, frames := range map[string]string{"one frame": frameOf(text, long), "pieces": frameOf(0x01, long[:10]) + frameOf(0x80, long[10:])} {
		peer, conn, used := openCharged(t, "wamp.2.json")
		go peer.send(t, frames)
		want(t, conn, long, false)
		if n := used(); n < int64(len(long)) {
			t.Errorf("%s: %d bytes are charged", name, n)
		}
		go conn.Close()
		kit.Eventually(t, name+": the memory is returned", func() bool { return used() == 0 })
		peer.Conn.Close()
		<-conn.Done()
	}
}

// many is more than the number of buffers that the pool lends at its lowest limit.
const many = 20

// limitBuffers lowers the limit of the pool for the duration of the test.
func limitBuffers(t *testing.T) {
	wire.LimitBuffers(0)
	t.Cleanup(func() { wire.LimitBuffers(1 << 40) })
}

// spare reports whether the pool has buffers left for a connection, which needs one for its socket and one for a message.
func spare() bool {
	var socket, message wire.Loan
	defer socket.Forget()
	defer message.Forget()
	return len(socket.Take()) == 64<<10 && len(message.Take()) == 64<<10
}

func appendFrame(dst []byte) []byte { return append(dst, "frame"...) }

// TestClosedHoldsNoBuffer: a closed connection holds no buffer, even if its reader or writer never returns.
func TestClosedHoldsNoBuffer(t *testing.T) {
	limitBuffers(t)
	for name, leave := range map[string]func(){
		"in the middle of reading": func() {
			peer, conn := open(t, Options{}, "wamp.2.json", "")
			peer.send(t, frameOf(text, "one"))
			want(t, conn, "one", false)
			peer.Conn.Close()
			conn.Close()
			<-conn.Done()
		},
		"with frames to write": func() {
			near, _ := net.Pipe()
			s := newSocket(near, nil)
			s.add(appendFrame)
			s.Close()
		},
		"with frames that come later": func() {
			near, _ := net.Pipe()
			s := newSocket(near, nil)
			s.Close()
			s.add(appendFrame)
		},
	} {
		for range many {
			leave()
		}
		if !spare() {
			t.Errorf("closed %s, connections hold all buffers", name)
		}
	}
}

// TestOpenHoldsBuffers: the buffers of frames that are not written yet count as lent.
func TestOpenHoldsBuffers(t *testing.T) {
	limitBuffers(t)
	for range many {
		near, _ := net.Pipe()
		s := newSocket(near, nil)
		defer s.Close()
		s.add(appendFrame)
	}
	if spare() {
		t.Error("more buffers are lent than there may be")
	}
}

// TestControlFramesAreCharged: a control frame that outgrows the first buffer is charged until it is written.
func TestControlFramesAreCharged(t *testing.T) {
	memory := budget.New(1<<30, slog.Default())
	account, err := memory.Open(budget.Peer{Name: "peer"})
	kit.Must(t, err)
	near, far := net.Pipe()
	s := newSocket(near, nil)
	defer s.Close()
	s.charge(account)
	charged := func() int64 { return memory.Status().Use["outboxes"] }
	full := make([]byte, 64<<10)
	s.add(func(dst []byte) []byte { return append(dst, full...) })
	if n := charged(); n != 0 {
		t.Errorf("%d bytes are charged for the first buffer", n)
	}
	s.control(frame.Pong, nil)
	if n := charged(); n < 2 {
		t.Errorf("%d bytes are charged for a longer one", n)
	}
	go io.ReadFull(far, make([]byte, len(full)+2))
	if done, err := s.flushed(true); !done || err != nil {
		t.Errorf("flushed: %v, %v", done, err)
	}
	if n := charged(); n != 0 {
		t.Errorf("%d bytes are charged for an empty outbox", n)
	}
}

// unclosable is a connection that reports an error when it is closed.
type unclosable struct{ net.Conn }

var errUnclosable = errors.New("unclosable")

func (u unclosable) Close() error {
	u.Conn.Close()
	return errUnclosable
}

// TestSocketClose: the socket returns the error of the connection below.
func TestSocketClose(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	if err := newSocket(unclosable{near}, nil).Close(); err != errUnclosable {
		t.Errorf("error is %v", err)
	}
}

// TestLongest: the limit itself is allowed.
func TestLongest(t *testing.T) {
	peer, conn := open(t, Options{MaxMessage: 1000}, "wamp.2.json", "")
	m := strings.Repeat("x", 1000)
	peer.send(t, frameOf(text, m), frameOf(0x01, m[:500]), frameOf(0x80, m[500:]))
	want(t, conn, m, false)
	want(t, conn, m, false)
}

// TestLongestCompressed: the limit is that of the decompressed message.
func TestLongestCompressed(t *testing.T) {
	s := serve(t, Options{Compress: true, MaxMessage: 1000})
	near, err := dialServer(s, Options{Compress: true})
	kit.Must(t, err)
	far := <-s.conns
	write := func(m string) {
		_, err := near.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(m))), m...), true)
		kit.Must(t, err)
	}
	longest := strings.Repeat("x", 1000)
	write(longest)
	want(t, far, longest, false)
	write(longest + "x")
	if _, _, err := far.ReadMessage(); err == nil || !strings.Contains(err.Error(), "too big") {
		t.Errorf("error is %v", err)
	}
	near.Close()
	<-near.Done()
	<-far.Done()
}
