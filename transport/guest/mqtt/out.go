package mqtt

import (
	"sync"

	"runnel/edge/budget"
	"runnel/transport/mqtt/packet"
)

const (
	// outMark is how many bytes may wait for the client before the router waits.
	outMark = 64 << 10

	// outHard is how many bytes may wait before the router stops reading the client's packets.
	outHard = 4 * outMark

	keepOut = 16 << 10 // the largest buffer that is used again
)

// buffers are for outgoing packets. An idle connection has none.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}

// put appends a packet to the bytes that wait for the client. The caller holds mu.
func (c *Conn) put(p packet.Packet) {
	if c.dead || c.reasonSent {
		return
	}
	if c.out == nil {
		c.out = (*buffers.Get().(*[]byte))[:0]
	}
	c.out = p.Append(c.out, c.version)
}

// flush writes as many of the waiting bytes as the connection accepts at once. A goroutine writes the rest.
func (c *Conn) flush() {
	c.mu.Lock()
	c.unlockAndFlush()
}

// unlockAndFlush is flush for a caller that holds mu. It unlocks mu.
func (c *Conn) unlockAndFlush() {
	if c.writing || len(c.out) == 0 || c.dead {
		c.mu.Unlock()
		return
	}
	c.writing = true
	for {
		batch := c.out
		c.out = nil
		c.mu.Unlock()
		n, err := c.wire.Write(batch, false)
		if err == nil && n < len(batch) {
			go c.drain(batch, n)
			return
		}
		if !c.endWrite(batch, err) {
			return
		}
	}
}

// drain writes the rest of a batch, and all bytes that were appended meanwhile.
func (c *Conn) drain(batch []byte, n int) {
	for {
		charge := budget.Buffer(cap(batch))
		c.account.Grow(budget.Outboxes, charge)
		_, err := c.wire.Write(batch[n:], true)
		c.account.Shrink(budget.Outboxes, charge)
		if !c.endWrite(batch, err) {
			return
		}
		batch, n = c.out, 0
		c.out = nil
		c.mu.Unlock()
	}
}

// endWrite ends a write. If there is more to write, it returns true with mu held.
func (c *Conn) endWrite(batch []byte, err error) (more bool) {
	if cap(batch) <= keepOut {
		buffers.Put(&batch)
	}
	c.mu.Lock()
	if err != nil {
		c.dead = true
	}
	c.room.Broadcast()
	if !c.dead && len(c.out) > 0 {
		return true
	}
	c.writing = false
	c.mu.Unlock()
	return false
}
