package mqtt

import (
	"net"
	"sync"
	"time"

	"runnel/transport/mqtt/packet"
)

// outgoing collects packets to be written. One goroutine writes all collected packets in one batch. So neither the reader nor
// the local client, which acknowledges, waits for the wire.
type outgoing struct {
	conn    net.Conn
	version packet.Version // static after join

	mu      sync.Mutex
	changed sync.Cond // on mu
	// Guarded by mu.
	next    []byte
	put     uint64 // bytes put in so far
	written uint64
	err     error // why nothing is written any more
}

const (
	// fullMark is how many bytes may wait before room blocks.
	fullMark = 64 << 10

	// writeTime is how long the broker may accept no bytes before the connection is closed.
	writeTime = 30 * time.Second
	piece     = 16 << 10 // bytes written at a time
)

func newOutgoing(conn net.Conn, v packet.Version) *outgoing {
	o := &outgoing{conn: conn, version: v}
	o.changed.L = &o.mu
	return o
}

// send queues a packet. It does not wait.
func (o *outgoing) send(p packet.Packet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return
	}
	before := len(o.next)
	o.next = p.Append(o.next, o.version)
	o.put += uint64(len(o.next) - before)
	o.changed.Broadcast()
}

// sent returns how many bytes were queued so far.
func (o *outgoing) sent() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.put
}

// room waits until at most fullMark bytes are left to write.
func (o *outgoing) room() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && o.put-o.written > fullMark {
		o.changed.Wait()
	}
	return o.err
}

// flush waits until everything queued so far is written.
func (o *outgoing) flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for end := o.put; o.err == nil && o.written < end; {
		o.changed.Wait()
	}
	return o.err
}

// close ends run and all waits with err.
func (o *outgoing) close(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	o.changed.Broadcast()
}

// run writes until close, or until an error.
func (o *outgoing) run() error {
	var batch []byte
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		for o.err == nil && len(o.next) == 0 {
			o.changed.Wait()
		}
		if o.err != nil {
			return o.err
		}
		batch, o.next = o.next, batch[:0]
		o.mu.Unlock()
		n, err := o.write(batch)
		if cap(batch) > fullMark {
			batch = nil
		}
		o.mu.Lock()
		o.written += uint64(n)
		if o.err == nil {
			o.err = err
		}
		o.changed.Broadcast()
	}
}

// write writes in pieces with a time limit each, so that a slow line is fine as long as the broker accepts bytes.
func (o *outgoing) write(batch []byte) (written int, err error) {
	for err == nil && written < len(batch) {
		var n int
		o.conn.SetWriteDeadline(time.Now().Add(writeTime))
		n, err = o.conn.Write(batch[written:min(written+piece, len(batch))])
		written += n
	}
	return written, err
}
