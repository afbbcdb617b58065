package edge

import "runnel/edge/budget"

// An outbox charges the account of its peer for buffers beyond the small ones; these are part of what a connection takes
// at rest. A buffer is charged when it grows and freed when a write has taken it, so the messages themselves cost nothing.

// bufferStep is what the capacity of a buffer beyond the large size is rounded up to, in octets.
const bufferStep = 16 << 10

// lacks reports whether the buffer has no room for n more octets. Holds mu.
func (o *outbox) needsRoom(n int) bool { return cap(o.buf.bytes)-len(o.buf.bytes) < n }

// grow replaces the buffer by one with room for n more octets. Without must it reports false if there is no memory. Holds
// mu.
func (o *outbox) grow(n int, must bool) bool {
	next, ok := o.larger(len(o.buf.bytes)+n, must)
	if !ok {
		return false
	}
	next.bytes = append(next.bytes, o.buf.bytes...)
	o.release(o.buf)
	o.buf = next
	return true
}

// larger returns a charged buffer for n octets in all.
func (o *outbox) larger(n int, must bool) (b *buffer, ok bool) {
	if n <= largeBuffer && !o.account.Tight() && o.account.Try(budget.Outboxes, largeBuffer) {
		b = largeBuffers.take()
		b.charged = largeBuffer
		return b, true
	}
	size := (n + bufferStep - 1) / bufferStep * bufferStep
	if !o.account.Tight() {
		size = max(size, min(n+n/4, 2*o.high)) // several messages may come
	}
	switch {
	case must:
		o.account.Grow(budget.Outboxes, size)
	case !o.account.Try(budget.Outboxes, size):
		return nil, false
	}
	return &buffer{bytes: make([]byte, 0, size), charged: size}, true
}

// keep puts back a buffer that was appended to, perhaps beyond what was expected. Holds mu.
func (o *outbox) putBack(buf []byte) {
	if grown := cap(buf) - cap(o.buf.bytes); grown > 0 {
		o.account.Grow(budget.Outboxes, grown)
		o.buf.charged += grown
	}
	o.buf.bytes = buf
}

// give gives a buffer back that is not used any more.
func (o *outbox) release(b *buffer) {
	if b.charged > 0 {
		o.account.Shrink(budget.Outboxes, b.charged)
		b.charged = 0
	}
	giveBuffer(b)
}
