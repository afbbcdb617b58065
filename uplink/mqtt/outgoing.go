package mqtt

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

// outgoing gathers what is to be written. One goroutine writes all that has gathered in one piece, so that nobody else
// waits for the wire: neither who reads, nor the local realm's client, which acknowledges.
type outgoing struct {
	conn net.Conn

	mu      sync.Mutex
	changed sync.Cond // on mu
	// Guarded by mu.
	next    bytes.Buffer
	put     uint64 // octets, so far
	written uint64
	err     error // nothing is written any more
}

const (
	// fullMark is how many octets may wait before what can wait does.
	fullMark = 64 << 10

	// writeTime is how long the broker may take nothing before it is given up.
	writeTime = 30 * time.Second
	piece     = 16 << 10 // octets
)

func newOutgoing(conn net.Conn) *outgoing {
	o := &outgoing{conn: conn}
	o.changed.L = &o.mu
	return o
}

// packet is what can be written: each kind of the packets'.
type packet interface{ Write(io.Writer) error }

// send puts a packet behind the others; it does not wait.
func (o *outgoing) send(p packet) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return
	}
	before := o.next.Len()
	p.Write(&o.next) // a buffer takes everything
	o.put += uint64(o.next.Len() - before)
	o.changed.Broadcast()
}

// sent returns how many octets were sent so far.
func (o *outgoing) sent() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.put
}

// room waits until not much is left to be written.
func (o *outgoing) room() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.err == nil && o.put-o.written > fullMark {
		o.changed.Wait()
	}
	return o.err
}

// flush waits until all that was sent so far is written.
func (o *outgoing) flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for end := o.put; o.err == nil && o.written < end; {
		o.changed.Wait()
	}
	return o.err
}

// close ends run and all who wait.
func (o *outgoing) close(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
	o.changed.Broadcast()
}

// run writes until close, or until it can't.
func (o *outgoing) run() error {
	var batch bytes.Buffer
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		for o.err == nil && o.next.Len() == 0 {
			o.changed.Wait()
		}
		if o.err != nil {
			return o.err
		}
		batch, o.next = o.next, batch
		o.mu.Unlock()
		n, err := o.write(batch.Bytes())
		if batch.Reset(); batch.Cap() > fullMark {
			batch = bytes.Buffer{}
		}
		o.mu.Lock()
		o.written += uint64(n)
		if o.err == nil {
			o.err = err
		}
		o.changed.Broadcast()
	}
}

// write writes in pieces, each of which has its time: what counts is that the broker takes anything, however narrow the
// line is.
func (o *outgoing) write(batch []byte) (written int, err error) {
	for err == nil && written < len(batch) {
		var n int
		o.conn.SetWriteDeadline(time.Now().Add(writeTime))
		n, err = o.conn.Write(batch[written:min(written+piece, len(batch))])
		written += n
	}
	return written, err
}
