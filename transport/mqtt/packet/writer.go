package packet

import (
	"net"
	"sync"
	"time"
)

// Writer collects packets to be written. One goroutine writes all collected packets in one batch, so a reader that
// acknowledges does not wait for the wire. Its methods may be called from any goroutine.
type Writer struct {
	conn    net.Conn
	version Version

	mu      sync.Mutex
	changed sync.Cond // on mu
	// Guarded by mu.
	next    []byte
	put     uint64 // bytes put in so far
	written uint64
	err     error // why writing has ended
}

const (
	// fullMark is how many bytes may wait before Room blocks.
	fullMark = 64 << 10

	// writeTime is how long the peer may accept no bytes before the connection is closed.
	writeTime = 30 * time.Second
	piece     = 16 << 10 // bytes written at a time
)

// NewWriter returns a Writer of packets of a version. Run writes them.
func NewWriter(conn net.Conn, v Version) *Writer {
	w := &Writer{conn: conn, version: v}
	w.changed.L = &w.mu
	return w
}

// Send queues a packet. It does not wait.
func (w *Writer) Send(p Packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return
	}
	before := len(w.next)
	w.next = p.Append(w.next, w.version)
	w.put += uint64(len(w.next) - before)
	w.changed.Broadcast()
}

// Sent returns how many bytes were queued so far.
func (w *Writer) Sent() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.put
}

// Room waits until at most fullMark bytes are left to write.
func (w *Writer) Room() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.err == nil && w.put-w.written > fullMark {
		w.changed.Wait()
	}
	return w.err
}

// Flush waits until everything queued so far is written.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for end := w.put; w.err == nil && w.written < end; {
		w.changed.Wait()
	}
	return w.err
}

// Close ends Run and all waits with err.
func (w *Writer) Close(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
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
		w.mu.Unlock()
		n, err := w.write(batch)
		if cap(batch) > fullMark {
			batch = nil
		}
		w.mu.Lock()
		w.written += uint64(n)
		if w.err == nil {
			w.err = err
		}
		w.changed.Broadcast()
	}
}

// write writes in pieces with a time limit each, so that a slow line is fine as long as the peer accepts bytes.
func (w *Writer) write(batch []byte) (written int, err error) {
	for err == nil && written < len(batch) {
		var n int
		w.conn.SetWriteDeadline(time.Now().Add(writeTime))
		n, err = w.conn.Write(batch[written:min(written+piece, len(batch))])
		written += n
	}
	return written, err
}
