package wire

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// writer is a stream to write to: it takes limit bytes at most in one Write.
type writer struct {
	limit int
	err   error
	sizes []int // of the writes
}

func (w *writer) Read([]byte) (int, error) { select {} }
func (w *writer) Close() error             { return nil }
func (w *writer) Write(p []byte) (int, error) {
	w.sizes = append(w.sizes, len(p))
	return min(len(p), w.limit), w.err
}

func TestAcquire(t *testing.T) {
	c := New(&writer{}, nil)
	if !c.Acquire(false) {
		t.Fatal("the right to write is not free")
	}
	if c.Acquire(false) {
		t.Error("it was acquired twice")
	}
	c.Release()
	if !c.Acquire(true) {
		t.Fatal("the right to write was not released")
	}
	c.Close()
	if c.Acquire(true) {
		t.Error("it was acquired on a closed connection")
	}
}

func TestWriteFaults(t *testing.T) {
	errBroken := errors.New("broken cable")
	for name, w := range map[string]struct {
		w   writer
		n   int
		err string
	}{
		"an error":             {writer{0, errBroken, nil}, 0, "write: broken cable"},
		"an error in between":  {writer{3, errBroken, nil}, 3, "write: broken cable"},
		"a short write":        {writer{3, nil, nil}, 3, "write: short write"},
		"everything, an error": {writer{10, errBroken, nil}, 10, "write: broken cable"},
		"everything":           {writer{10, nil, nil}, 10, ""},
	} {
		c := New(&w.w, nil)
		if c.NonBlocking() {
			t.Errorf("%s: the stream does not block", name)
		}
		if n, err := c.Write([]byte("0123456789"), false); n != 0 || err != nil {
			t.Errorf("%s: without wait %d, %v", name, n, err)
		}
		c.Acquire(true)
		n, err := c.Write([]byte("0123456789"), true)
		if n != w.n || (err == nil) != (w.err == "") || err != nil && err.Error() != w.err {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if cause := c.Err(); (cause == nil) != (w.err == "") {
			t.Errorf("%s: the cause is %v", name, cause)
		}
		if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: close for writing: %v", name, err)
		}
	}
}

// TestSocketWrites checks that a write to a socket writes as much as fits, or waits.
func TestSocketWrites(t *testing.T) {
	a, b := sockets(t)
	c := New(a, nil)
	if !c.NonBlocking() {
		t.Error("a socket blocks")
	}
	all := []byte(strings.Repeat("x", 16<<20))
	before := c.sent.Load()
	n, err := c.Write(all, false)
	if n == 0 || n == len(all) || err != nil || c.sent.Load() == before {
		t.Fatalf("wrote %d, %v", n, err)
	}
	for more := 1; more > 0; n += more { // until the socket is full
		before = c.sent.Load()
		if more, err = c.Write(all[n:], false); err != nil {
			t.Fatal(err)
		}
	}
	if c.sent.Load() != before {
		t.Error("a write to a full socket counts as progress")
	}
	got := make(chan int64, 1)
	go func() { m, _ := io.Copy(io.Discard, b); got <- m }()
	if m, err := c.Write(all[n:], true); n+m != len(all) || err != nil {
		t.Errorf("wrote %d and %d, %v", n, m, err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
	if m := <-got; m != int64(len(all)) {
		t.Errorf("the peer got %d bytes", m)
	}
	b.Close()
	for err == nil { // the peer's system answers the first with a reset
		_, err = c.Write([]byte("x"), true)
	}
	if !strings.HasPrefix(err.Error(), "write: ") || c.Err() == nil {
		t.Errorf("error is %v, cause %v", err, c.Err())
	}
}

// TestPieces: slow writes get shorter, fast ones longer, within their bounds.
func TestPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		c := New(struct{ io.ReadWriteCloser }{a}, nil)
		if c.piece != pieceStart || New(a, nil).piece != pieceMax {
			t.Errorf("the first piece has %d bytes", c.piece)
		}
		write := func(pause time.Duration, n int) {
			go c.Write(make([]byte, n), true)
			for got, p := 0, make([]byte, n); got < n; {
				time.Sleep(pause)
				m, _ := b.Read(p)
				got += m
			}
			synctest.Wait()
		}
		write(0, 100) // less than a piece proves nothing
		if c.piece != pieceStart {
			t.Errorf("after a short write: %d", c.piece)
		}
		write(0, 200_000)
		if c.piece != pieceMax {
			t.Errorf("after fast writes: %d", c.piece)
		}
		write(time.Second, 10*pieceMax)
		if c.piece != pieceMax {
			t.Errorf("after writes of a second: %d", c.piece)
		}
		write(slowPiece, 10*pieceMax)
		if c.piece != pieceMax {
			t.Errorf("after writes that are just not slow: %d", c.piece)
		}
		write(3*time.Second, 10*pieceMax)
		if c.piece != pieceMin {
			t.Errorf("after slow writes: %d", c.piece)
		}
		write(fastPiece, 10*pieceMin)
		if c.piece != pieceMin {
			t.Errorf("after writes that are just not fast: %d", c.piece)
		}
		a.Close()
		b.Close()
	})
}

// TestAlive distinguishes peers that are silent, gone, busy or slow.
func TestAlive(t *testing.T) {
	const interval, timeout = 30 * time.Second, 10 * time.Second
	for name, c := range map[string]struct {
		ping  bool // it is written
		peer  func(c *Conn, far net.Conn)
		after time.Duration // of the end; 0: none within an hour
		err   string
	}{
		"silent":             {true, nil, interval + timeout, "no answer to PING in 10s"},
		"takes nothing":      {false, nil, interval + timeout, "the peer read no bytes for 10s"},
		"takes bytes slowly": {false, func(c *Conn, _ net.Conn) { c.sent.Add(1) }, 0, ""},
		"sends":              {true, func(_ *Conn, far net.Conn) { far.Write([]byte("x")) }, 0, ""},
		"the reader is busy": {true, func(c *Conn, _ net.Conn) { c.received.Store(c.received.Load() &^ readerWaits) }, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				conn := New(near, nil)
				var pings atomic.Int32
				conn.KeepAlive(interval, timeout, func() bool { pings.Add(1); return c.ping })
				go func() {
					for n := 1; conn.Fill(n) == nil; n++ {
					}
				}()
				start := time.Now()
				for conn.Err() == nil && time.Since(start) < time.Hour {
					if c.peer != nil {
						c.peer(conn, far)
					}
					select {
					case <-conn.Done():
					case <-time.After(5 * time.Second):
					}
				}
				switch err := conn.Err(); {
				case c.after == 0 && err != nil, c.after > 0 && (err == nil || err.Error() != c.err):
					t.Errorf("error is %v, want %q", err, c.err)
				case c.after > 0 && (time.Since(start) < c.after || time.Since(start) > c.after+interval || pings.Load() != 1):
					t.Errorf("found after %v and %d PINGs", time.Since(start), pings.Load())
				}
				conn.Close()
				if conn.alive.timer.Stop() {
					t.Error("the timer of a closed connection runs")
				}
				ended := pings.Load()
				time.Sleep(time.Hour)
				if pings.Load() != ended {
					t.Error("a closed connection sends PING")
				}
			})
		})
	}
	c := New(&writer{}, nil)
	c.KeepAlive(0, timeout, nil)
	if c.alive != nil {
		t.Error("an interval of 0 turns the keep-alive on")
	}
}

// TestProbe: any bytes within the time are a sign of life.
func TestProbe(t *testing.T) {
	for name, c := range map[string]struct {
		answer time.Duration // after the PING
		close  bool
		lives  bool
	}{"at once": {0, false, true}, "in time": {4 * time.Second, false, true}, "late": {6 * time.Second, false, false}, "closed": {time.Second, true, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				conn := New(near, nil)
				go conn.Fill(2)
				synctest.Wait()
				start := time.Now()
				lives := conn.Probe(func() {
					time.Sleep(c.answer)
					if c.close {
						conn.Close()
						return
					}
					far.Write([]byte("x"))
				}, 5*time.Second)
				if took := time.Since(start); lives != c.lives || took > 5*time.Second+probeStep || c.lives && took > c.answer+2*probeStep || c.close && took > 2*time.Second {
					t.Errorf("lives is %v after %v", lives, took)
				}
				time.Sleep(2 * time.Second)
				conn.Close()
				far.Close()
			})
		})
	}
}

// TestPool: the pool lends a bounded number of buffers and keeps a bounded number.
func TestPool(t *testing.T) {
	p := pool{max: 20}
	var lent [][]byte
	for range 20 {
		b, is := p.get(large)
		if is != large || len(b) != largeSize {
			t.Fatalf("got %d bytes, lent is %v", len(b), is)
		}
		lent = append(lent, b)
	}
	if b, is := p.get(large); is != nothing || len(b) != smallSize+restMax {
		t.Errorf("beyond the bound: %d bytes, lent is %v", len(b), is)
	}
	p.abandon(large)
	if _, is := p.get(large); is != large {
		t.Error("an abandoned buffer still counts as lent")
	}
	for _, b := range lent {
		p.put(b, large)
	}
	if len(p.idle) != idleMax || p.lent != 0 {
		t.Errorf("%d are kept, %d lent", len(p.idle), p.lent)
	}
	for limit, want := range map[int64]int{0: lentMin, 20 * largeSize: 20, 1 << 40: lentMax} {
		LimitBuffers(limit)
		if buffers.max != want {
			t.Errorf("%d bytes are %d buffers, want %d", limit, buffers.max, want)
		}
	}
	buffers.max = 0
}
