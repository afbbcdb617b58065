package edge

import (
	"runnel/edge/budget"
	"runnel/edge/buffers"
)

// An outbox charges the account of its peer for large buffers. Small ones are part of the cost of an idle connection. A
// buffer is charged when it grows and freed when it is written, so messages themselves cost nothing.

// bufferStep is the granularity of the capacity of buffers above the large size, in bytes.
const bufferStep = 16 << 10

// needsRoom reports whether the buffer has no room for n more bytes. The caller holds mu.
func (o *outbox) needsRoom(n int) bool { return cap(o.buf.Bytes)-len(o.buf.Bytes) < n }

// grow replaces the buffer by one with room for n more bytes. Without must it returns false if there is no memory. The
// caller holds mu.
func (o *outbox) grow(n int, must bool) bool {
	next, ok := o.larger(len(o.buf.Bytes)+n, must)
	if !ok {
		return false
	}
	next.Bytes = append(next.Bytes, o.buf.Bytes...)
	o.release(o.buf)
	o.buf = next
	return true
}

// larger returns a buffer for a total of n bytes. It is charged unless it is small.
func (o *outbox) larger(n int, must bool) (b *buffers.Buffer, ok bool) {
	if n <= buffers.SmallSize {
		return buffers.Small.Take(), true
	}
	stock := &buffers.Medium
	if n > buffers.MediumSize {
		stock = &buffers.Large
	}
	if n <= stock.Size && !o.account.Tight() && o.account.Try(budget.Outboxes, stock.Size) {
		b = stock.Take()
		b.Charged = stock.Size
		return b, true
	}
	size := (n + bufferStep - 1) / bufferStep * bufferStep
	if !o.account.Tight() {
		size = max(size, min(n+n/4, 2*o.high)) // room for several messages
	}
	switch {
	case must:
		o.account.Grow(budget.Outboxes, size)
	case !o.account.Try(budget.Outboxes, size):
		return nil, false
	}
	return &buffers.Buffer{Bytes: make([]byte, 0, size), Charged: size}, true
}

// putBack replaces the buffer's bytes after an append, which may have reallocated them. The caller holds mu.
func (o *outbox) putBack(buf []byte) {
	if grown := cap(buf) - cap(o.buf.Bytes); grown > 0 {
		o.account.Grow(budget.Outboxes, grown)
		o.buf.Charged += grown
	}
	o.buf.Bytes = buf
}

// release frees a buffer.
func (o *outbox) release(b *buffers.Buffer) {
	if b.Charged > 0 {
		o.account.Shrink(budget.Outboxes, b.Charged)
		b.Charged = 0
	}
	buffers.Give(b)
}
