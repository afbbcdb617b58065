// Package batch writes the messages of many goroutines to one connection, in one write for all that have gathered.
package batch

import (
	"context"
	"net"
	"sync"
	"time"
)

// Writer collects bytes to be written. One goroutine, Run, writes all collected bytes in one batch. So a reader that sends
// answers does not wait for the wire. The other methods may be called from any goroutine.
type Writer struct {
	conn net.Conn

	mu      sync.Mutex
	changed sync.Cond // on mu
	// Guarded by mu.
	next    []byte
	queued  uint64 // bytes so far
	written uint64
	err     error // why nothing more is written
}

const (
	// FullMark is how many bytes may wait before Room blocks.
	FullMark = 64 << 10

	// WriteTime is how long the peer may accept no bytes before Run ends.
	WriteTime = 30 * time.Second

	piece = 16 << 10 // bytes written at a time
)

// New returns a Writer to conn.
func New(conn net.Conn) *Writer {
	w := &Writer{conn: conn}
	w.changed.L = &w.mu
	return w
}

// Append queues the bytes that encode appends to dst, and does not wait. waiting is the number of queued bytes that are
// not yet written. If encode returns an error, nothing is queued.
func (w *Writer) Append(encode func(dst []byte, waiting uint64) ([]byte, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	next, err := encode(w.next, w.queued-w.written)
	if err != nil {
		return err
	}
	w.queued += uint64(len(next) - len(w.next))
	w.next = next
	w.changed.Broadcast()
	return nil
}

// Queued returns how many bytes were queued so far.
func (w *Writer) Queued() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.queued
}

// Written returns how many bytes were written so far.
func (w *Writer) Written() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written
}

// Room waits until at most FullMark bytes are left to write.
func (w *Writer) Room(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wait(ctx, func() bool { return w.queued-w.written <= FullMark })
}

// Flush waits until everything queued so far is written.
func (w *Writer) Flush(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := w.queued
	return w.wait(ctx, func() bool { return w.written >= end })
}

// wait waits until over returns true. The caller holds mu.
func (w *Writer) wait(ctx context.Context, over func() bool) error {
	if w.err != nil || over() {
		return w.err
	}
	defer context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changed.Broadcast()
	})()
	for w.err == nil && !over() {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.changed.Wait()
	}
	return w.err
}

// Close ends Run and all waits with err.
func (w *Writer) Close(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.close(err)
}

// close is Close with mu held. The first error is kept.
func (w *Writer) close(err error) {
	if w.err == nil {
		w.err = err
	}
	w.changed.Broadcast()
}

// Run writes until Close, or until an error.
func (w *Writer) Run() error {
	var batch []byte
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for w.err == nil && len(w.next) == 0 {
			w.changed.Wait()
		}
		if w.err != nil {
			return w.err
		}
		batch, w.next = w.next, batch[:0]
		w.write(batch)
		if cap(batch) > FullMark {
			batch = nil
		}
	}
}

// write writes in pieces, each with a time limit, so that a slow line works as long as the peer accepts bytes. The
// caller holds mu; write releases it during each write.
func (w *Writer) write(batch []byte) {
	for len(batch) > 0 {
		w.mu.Unlock()
		w.conn.SetWriteDeadline(time.Now().Add(WriteTime))
		n, err := w.conn.Write(batch[:min(piece, len(batch))])
		w.mu.Lock()
		batch = batch[n:]
		w.written += uint64(n)
		if err != nil {
			w.close(err)
			return
		}
		w.changed.Broadcast()
	}
}
