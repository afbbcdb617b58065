package batch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// Room waits while more than FullMark bytes are left to write. Flush waits while any earlier bytes are left. The end of
// the connection ends both with its error.
func TestWriterWaits(t *testing.T) {
	ended := errors.New("ended")
	const size = FullMark / 4
	message := make([]byte, size)
	for _, c := range []struct {
		name     string
		messages int
		wait     func(*Writer, context.Context) error
		read     int // bytes read after which the wait is over; 0: it does not wait
	}{
		{"room for more", 3, (*Writer).Room, 0},
		{"just so much", 4, (*Writer).Room, 0},
		{"full", 5, (*Writer).Room, size},
		{"nothing to flush", 0, (*Writer).Flush, 0},
		{"something to flush", 2, (*Writer).Flush, 2 * size},
	} {
		for _, fails := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				o := New(near)
				for range c.messages {
					queue(o, message)
				}
				if sent := o.Queued(); sent != uint64(c.messages*size) {
					t.Fatalf("%d bytes were queued, want %d", sent, c.messages*size)
				}
				var err error
				over := false
				go func() {
					err = c.wait(o, t.Context())
					over = true
				}()
				if synctest.Wait(); over != (c.read == 0) || err != nil {
					t.Errorf("%s: over at once %v, %v", c.name, over, err)
				}
				written := make(chan error, 1)
				go func() { written <- o.Run() }()
				if fails {
					synctest.Wait()
					o.Close(ended)
					o.Close(io.EOF) // the first reason is kept
					near.Close()
					if synctest.Wait(); !over || c.read > 0 && err != ended || o.Room(t.Context()) != ended || o.Flush(t.Context()) != ended {
						t.Errorf("%s: after the end: over %v, %v, %v", c.name, over, err, o.Room(t.Context()))
					}
					if err := <-written; err != ended {
						t.Errorf("%s: run ends with %v", c.name, err)
					}
					queued := o.Queued()
					if err := queue(o, message); err != ended || o.Queued() != queued {
						t.Errorf("%s: bytes are queued after the end: %v", c.name, err)
					}
					return
				}
				io.ReadFull(far, make([]byte, c.messages*size))
				if synctest.Wait(); !over || err != nil {
					t.Errorf("%s: all is written: over %v, %v", c.name, over, err)
				}
				ping := make([]byte, 2)
				queue(o, []byte("ab"))
				if _, err := io.ReadFull(far, ping); err != nil || string(ping) != "ab" {
					t.Errorf("%s: then %q, %v", c.name, ping, err)
				}
				if synctest.Wait(); o.Written() != o.Queued() {
					t.Errorf("%s: %d of %d bytes are written", c.name, o.Written(), o.Queued())
				}
				near.Close()
				queue(o, ping)
				if err := <-written; !errors.Is(err, io.ErrClosedPipe) || o.Room(t.Context()) != err {
					t.Errorf("%s: run ends with %v, room with %v", c.name, err, o.Room(t.Context()))
				}
			})
		}
	}
}

// A long message may take longer than the limit for a pause, as long as the peer accepts parts of it.
func TestWriteOnANarrowLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		go func() {
			for range 64 {
				time.Sleep(time.Second)
				io.ReadFull(far, make([]byte, 1<<10))
			}
		}()
		o := New(near)
		queue(o, make([]byte, 64<<10))
		written := make(chan error, 1)
		go func() { written <- o.Run() }()
		if err := o.Flush(t.Context()); err != nil || o.Written() != 64<<10 {
			t.Fatalf("%d bytes, then %v", o.Written(), err)
		}
		began := time.Now()
		queue(o, make([]byte, 1))
		if err := <-written; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != WriteTime {
			t.Errorf("the peer that takes nothing: %v after %v", err, time.Since(began))
		}
	})
}

// A wait ends with its context, and says so. Without need to wait, the context has no effect.
func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		o := New(near)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		queue(o, make([]byte, FullMark+1))
		began := time.Now()
		if err := o.Room(ctx); err != context.DeadlineExceeded || time.Since(began) != time.Second {
			t.Errorf("room: %v after %v", err, time.Since(began))
		}
		if err := o.Flush(ctx); err != context.DeadlineExceeded {
			t.Errorf("flush: %v", err)
		}
		written := make(chan error, 1)
		go func() { written <- o.Run() }()
		io.ReadFull(far, make([]byte, FullMark+1))
		synctest.Wait()
		if err := o.Room(ctx); err != nil {
			t.Errorf("there is room: %v", err)
		}
		o.Close(io.EOF)
		<-written
	})
}

// Append passes the number of waiting bytes to the encoder. If the encoder fails, Append queues nothing.
func TestRefusedMessage(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	o := New(near)
	refused := errors.New("refused")
	queue(o, []byte("ab"))
	if err := o.Append(func(dst []byte, waiting uint64) ([]byte, error) {
		if waiting != 2 {
			t.Errorf("%d bytes wait", waiting)
		}
		return append(dst, 'x'), refused
	}); err != refused || o.Queued() != 2 {
		t.Errorf("%v, %d bytes are queued", err, o.Queued())
	}
	queue(o, []byte("cd"))
	written := make(chan error, 1)
	go func() { written <- o.Run() }()
	got := make([]byte, 4)
	if io.ReadFull(far, got); !bytes.Equal(got, []byte("abcd")) {
		t.Errorf("%q was written", got)
	}
	o.Close(io.EOF)
	near.Close()
	<-written
}

func queue(o *Writer, b []byte) error {
	return o.Append(func(dst []byte, _ uint64) ([]byte, error) { return append(dst, b...), nil })
}
