package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"runnel/test/kit"
)

// sockets makes a connected pair of TCP sockets.
func sockets(t testing.TB) (a, b net.Conn) {
	t.Helper()
	return kit.Sockets(t, "tcp", "127.0.0.1:0")
}

// awaitReader waits until the reader waits for the peer.
func awaitReader(c *Conn) {
	for c.received.Load()&readerWaits == 0 {
		runtime.Gosched()
	}
}

func lent() int {
	buffers.mu.Lock()
	defer buffers.mu.Unlock()
	return buffers.lent + buffers.lentSmall
}

// stream is a connection without a peer.
type stream struct {
	io.Reader
	io.Writer
}

func (stream) Close() error { return nil }

// TestFill takes a stream apart in steps of every size, over both kinds of connection, in pieces of several sizes.
func TestFill(t *testing.T) {
	sent := make([]byte, 300<<10)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	head := sent[:3]
	kinds := map[string]func(t *testing.T) *Conn{
		"tcp": func(t *testing.T) *Conn {
			a, b := sockets(t)
			go func() { a.Write(sent[3:]); a.Close() }()
			return New(b, head)
		},
		"reader": func(*testing.T) *Conn { return New(stream{bytes.NewReader(sent[3:]), nil}, head) },
		"octets": func(*testing.T) *Conn { return New(stream{iotest.OneByteReader(bytes.NewReader(sent[3:])), nil}, head) },
		"errors": func(*testing.T) *Conn { return New(stream{iotest.DataErrReader(bytes.NewReader(sent[3:])), nil}, head) },
	}
	for name, open := range kinds {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			defer c.Close()
			var got []byte
			for step := 1; len(got) < len(sent); step = step*3 + 1 {
				n := min(step, len(sent)-len(got))
				if err := c.Fill(n); err != nil {
					t.Fatalf("after %d octets, need %d: %v", len(got), n, err)
				}
				got = append(got, c.Buffered()[:n]...)
				c.Discard(n)
				if step > 200<<10 {
					step = 1
				}
			}
			if !bytes.Equal(got, sent) {
				t.Error("the octets are not those sent")
			}
			if err := c.Fill(1); err != io.EOF {
				t.Errorf("at the end: %v", err)
			}
			if err := c.Fill(1); err != io.EOF {
				t.Errorf("after the end: %v", err)
			}
		})
	}
	if n := lent(); n != 0 {
		t.Errorf("%d buffers are still lent", n)
	}
}

func TestEndInTheMiddle(t *testing.T) {
	c := New(stream{strings.NewReader("abc"), nil}, nil)
	if err := c.Fill(4); err != io.ErrUnexpectedEOF {
		t.Errorf("error is %v", err)
	}
}

// TestLoans: a connection that waits, is closed, or was left by its reader, has no borrowed buffer.
func TestLoans(t *testing.T) {
	for name, f := range map[string]func(a net.Conn, c *Conn){
		"waits": func(a net.Conn, c *Conn) {
			go c.Fill(1)
			awaitReader(c)
		},
		"waits in mid-message": func(a net.Conn, c *Conn) {
			a.Write([]byte("abc"))
			c.Fill(3)
			go c.Fill(4)
			awaitReader(c)
			if n := len(c.Buffered()); n != 3 {
				t.Errorf("%d octets are buffered", n)
			}
		},
		"closed while octets are buffered": func(a net.Conn, c *Conn) {
			a.Write([]byte("abc"))
			c.Fill(1)
			c.Close()
		},
		"closed before": func(a net.Conn, c *Conn) {
			a.Write([]byte("abc"))
			c.Close()
			if c.Fill(1) == nil {
				t.Error("read from a closed connection")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := sockets(t)
			c := New(b, nil)
			f(a, c)
			if n := lent(); n != 0 {
				t.Errorf("%d buffers are still lent", n)
			}
			c.Close()
		})
	}
}

// TestAllBuffersLent: readers that hold on to their buffers leave smaller ones to others.
func TestAllBuffersLent(t *testing.T) {
	loans := make([]Loan, lentMax+1)
	held := make([][]byte, len(loans))
	for i := range loans {
		held[i] = loans[i].Take()
	}
	if n := lent(); n != lentMax {
		t.Errorf("%d buffers are lent", n)
	}
	a, b := sockets(t)
	c := New(b, nil)
	defer c.Close()
	sent := bytes.Repeat([]byte("0123456789"), 10000)
	go a.Write(sent)
	if err := c.Fill(len(sent)); err != nil || !bytes.Equal(c.Buffered(), sent) {
		t.Errorf("read %d octets, %v", len(c.Buffered()), err)
	}
	for i := range loans {
		loans[i].Return(held[i])
		loans[i].Forget()
	}
	if n := lent(); n != 0 {
		t.Errorf("%d buffers are still lent", n)
	}
}

// TestFailKeepsTheFirstCause: a dead peer is not reported as a connection that was closed.
func TestFailKeepsTheFirstCause(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	c := New(b, nil)
	first := errors.New("first")
	errs := make(chan error)
	go func() { errs <- c.Fill(1) }()
	c.Fail(first)
	c.Fail(errors.New("second"))
	c.Close()
	if err := <-errs; err != first {
		t.Errorf("Fill: %v", err)
	}
	if _, err := c.Write([]byte("x"), true); err != first {
		t.Errorf("Write: %v", err)
	}
	if c.Err() != first || !isClosed(c.Done()) {
		t.Errorf("Err: %v", c.Err())
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}
