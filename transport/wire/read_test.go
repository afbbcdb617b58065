package wire

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/budget"
)

// source is a stream to read from. It records how much is asked of it, and gives as much as it has.
type source struct {
	has   int   // bytes; it is endless while has is negative
	gives int   // at most, in one read; 0: as much as is asked
	asked []int // bytes, of each read
	taken int
}

func (s *source) Read(p []byte) (int, error) {
	if s.has == 0 {
		return 0, io.EOF
	}
	n := len(p)
	s.asked = append(s.asked, n)
	if s.gives > 0 {
		n = min(n, s.gives)
	}
	if s.has > 0 {
		n = min(n, s.has)
		s.has -= n
	}
	s.taken += n
	return n, nil
}

// TestPlainReads: the buffer of a stream grows while reads fill it, up to a TLS record, and only then.
func TestPlainReads(t *testing.T) {
	for name, c := range map[string]struct {
		gives int
		want  []int
	}{
		"much":   {0, []int{1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 16 << 10, 16 << 10}},
		"little": {100, []int{1 << 10, 1 << 10, 1 << 10}},
	} {
		s := &source{has: -1, gives: c.gives}
		conn := New(stream{s, nil}, nil)
		for range c.want {
			if err := conn.Fill(1); err != nil {
				t.Fatal(err)
			}
			conn.Discard(len(conn.Buffered()))
		}
		if !slices.Equal(s.asked, c.want) {
			t.Errorf("%s: reads of %v bytes, want %v", name, s.asked, c.want)
		}
	}
	s := &source{has: -1}
	conn := New(stream{s, nil}, nil)
	conn.Fill(100_000)
	conn.Discard(len(conn.Buffered()))
	s.asked = nil
	conn.Fill(1)
	if !slices.Equal(s.asked, []int{1 << 10}) {
		t.Errorf("after a long message, reads of %v bytes", s.asked)
	}
}

// charged returns a Conn whose long messages are charged to an account. used returns the bytes that are charged.
func charged(t *testing.T, rw io.ReadWriteCloser, limit int64) (c *Conn, used func() int64) {
	t.Helper()
	memory := budget.New(limit, slog.New(slog.DiscardHandler))
	account, err := memory.Open(budget.Peer{Name: "peer", Close: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	c = New(rw, nil)
	c.Charge(account)
	return c, func() int64 { return memory.Status().Used }
}

// TestLongMessage: a long message is charged until the reader waits for the next one.
func TestLongMessage(t *testing.T) {
	const long = 300_000
	a, b := sockets(t)
	end, stop := io.Pipe() // keeps the reader of the stream waiting
	for _, from := range []struct {
		name string
		rw   io.ReadWriteCloser
		send func()
		end  io.Closer
	}{
		{"socket", b, func() { a.Write(make([]byte, long)) }, a},
		{"stream", stream{io.MultiReader(&source{has: long}, end), nil}, func() {}, stop},
	} {
		c, used := charged(t, from.rw, 1<<30)
		go from.send()
		if err := c.Fill(long); err != nil {
			t.Fatal(from.name, err)
		}
		if n := used(); n < long || n > 2*long {
			t.Errorf("%s: %d bytes are charged for a message of %d", from.name, n, long)
		}
		c.Discard(len(c.Buffered()))
		filled := make(chan error, 1)
		go func() { filled <- c.Fill(1) }()
		awaitReader(c)
		if n := used(); n != 0 {
			t.Errorf("%s: %d bytes are charged afterwards", from.name, n)
		}
		from.end.Close()
		if err := <-filled; err != io.EOF {
			t.Errorf("%s: %v", from.name, err)
		}
	}
}

// TestNoMemory checks that reading stops when memory runs out, and that the memory of the message is released.
func TestNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{has: -1}
		c, used := charged(t, stream{s, nil}, 200<<10)
		if err := c.Fill(1 << 20); !errors.Is(err, budget.ErrCut) || c.Err() == nil {
			t.Errorf("error is %v, the cause of the end %v", err, c.Err())
		}
		if s.taken != largeSize {
			t.Errorf("%d bytes were read, want %d", s.taken, largeSize)
		}
		if n := used(); n != 0 {
			t.Errorf("%d bytes are charged", n)
		}
	})
}

// TestBrokenMessage: a message that ends in the middle returns its memory.
func TestBrokenMessage(t *testing.T) {
	c, used := charged(t, stream{&source{has: 200_000}, nil}, 1<<30)
	if err := c.Fill(300_000); err != io.ErrUnexpectedEOF {
		t.Errorf("error is %v", err)
	}
	if n := used(); n != 0 {
		t.Errorf("%d bytes are charged", n)
	}
}

// TestReset checks that a connection reset by the peer is distinguished from a closed one.
func TestReset(t *testing.T) {
	a, b := sockets(t)
	c := New(b, nil)
	a.(*net.TCPConn).SetLinger(0)
	a.Close()
	if err := c.Fill(1); !errors.Is(err, syscall.ECONNRESET) || !strings.HasPrefix(err.Error(), "read: ") {
		t.Errorf("error is %v", err)
	}
}

// TestSignOfLife: bytes that a socket receives are a sign of life.
func TestSignOfLife(t *testing.T) {
	a, b := sockets(t)
	c := New(b, nil)
	defer c.Close()
	filled := make(chan error, 1)
	go func() { filled <- c.Fill(1) }()
	if !c.Probe(func() { a.Write([]byte("x")) }, time.Minute) {
		t.Error("there is no sign of life")
	}
	if err := <-filled; err != nil {
		t.Error(err)
	}
}

// TestBorrow: a reader borrows a buffer unless much of a message is buffered or the message is longer than a buffer. A
// connection that is closed meanwhile does not keep the buffer.
func TestBorrow(t *testing.T) {
	for name, c := range map[string]struct {
		have, want int
		closed     bool
		lent       int
	}{
		"nothing":      {0, 1, false, 1},
		"closed":       {0, 1, true, 0},
		"a little":     {restMax, restMax + 1, false, 1},
		"much":         {restMax + 1, restMax + 2, false, 0},
		"long":         {100, largeSize, false, 1},
		"too long":     {100, largeSize + 1, false, 0},
		"lent already": {-1, 1, false, 1},
		"half a small": {smallSize/2 + 1, smallSize, false, 1},
	} {
		a, b := sockets(t)
		conn := New(b, make([]byte, max(c.have, 0)))
		conn.want = c.want
		if c.have < 0 {
			conn.borrow()
		}
		if c.closed {
			conn.Close()
		}
		conn.borrow()
		if n := lent(); n != c.lent {
			t.Errorf("%s: %d buffers are lent, want %d", name, n, c.lent)
		}
		if n := len(conn.Buffered()); n != max(c.have, 0) {
			t.Errorf("%s: %d bytes are buffered, want %d", name, n, c.have)
		}
		conn.Close()
		a.Close()
	}
}
