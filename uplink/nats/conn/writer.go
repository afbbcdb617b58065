package conn

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"
)

const (
	// fullMark is how many bytes may wait before room waits.
	fullMark = 64 << 10

	// writeTime is how long the server may accept no bytes before the connection is closed.
	writeTime = 30 * time.Second
	piece     = 16 << 10 // bytes written at a time
)

// writer collects outgoing bytes. One goroutine writes everything that has been collected in one batch.
type writer struct {
	conn  net.Conn
	limit int // of the bytes that wait

	mu      sync.Mutex
	changed sync.Cond // on mu
	// Guarded by mu.
	next    []byte
	put     uint64 // bytes put in so far
	written uint64
	err     error // why writing has ended
}

// send queues a message: PUB or HPUB.
func (w *writer) send(m *Out) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	header := len(m.Header)
	if header > 0 {
		header += len("\r\n")
	}
	size := header + len(m.Data)
	if waiting := w.put - w.written; waiting > 0 && waiting+uint64(size+len(m.Subject)+len(m.Reply)) > uint64(w.limit) {
		return ErrFull
	}
	before := len(w.next)
	b := w.next
	if header > 0 {
		b = append(b, 'H')
	}
	b = append(append(b, "PUB "...), m.Subject...)
	b = append(b, ' ')
	if m.Reply != "" {
		b = append(append(b, m.Reply...), ' ')
	}
	if header > 0 {
		b = append(strconv.AppendInt(b, int64(header), 10), ' ')
	}
	b = append(strconv.AppendInt(b, int64(size), 10), "\r\n"...)
	if header > 0 {
		b = append(append(b, m.Header...), "\r\n"...)
	}
	w.next = append(append(b, m.Data...), "\r\n"...)
	w.queued(before)
	return nil
}

// line queues a line of the protocol from its words.
func (w *writer) line(parts ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	before := len(w.next)
	for i, p := range parts {
		if i > 0 {
			w.next = append(w.next, ' ')
		}
		w.next = append(w.next, p...)
	}
	w.next = append(w.next, "\r\n"...)
	w.queued(before)
	return nil
}

func (w *writer) queued(before int) {
	w.put += uint64(len(w.next) - before)
	w.changed.Broadcast()
}

// room waits until at most fullMark bytes are left to write.
func (w *writer) room(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changed.Broadcast()
	})()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && w.put-w.written > fullMark {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.changed.Wait()
	}
	return w.err
}

// close ends run and all waits with err.
func (w *writer) close(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.changed.Broadcast()
}

// run writes until close, or until an error.
func (w *writer) run() error {
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
		w.mu.Unlock()
		err := w.write(batch)
		if cap(batch) > fullMark {
			batch = nil
		}
		w.mu.Lock()
		if w.err == nil {
			w.err = err
		}
		w.changed.Broadcast()
	}
}

// write writes in pieces with a time limit each, so that a slow line is fine as long as the server accepts bytes.
func (w *writer) write(batch []byte) (err error) {
	for err == nil && len(batch) > 0 {
		var n int
		w.conn.SetWriteDeadline(time.Now().Add(writeTime))
		n, err = w.conn.Write(batch[:min(piece, len(batch))])
		batch = batch[n:]
		w.mu.Lock()
		w.written += uint64(n)
		w.changed.Broadcast()
		w.mu.Unlock()
	}
	return err
}
