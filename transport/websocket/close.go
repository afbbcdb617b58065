package websocket

import (
	"fmt"
	"time"

	"runnel/transport/websocket/frame"
)

const (
	closeTime      = time.Second            // for the peer to answer CLOSE
	stuckCloseTime = 200 * time.Millisecond // the same, for a peer that has not taken earlier frames
)

// Close starts the closing handshake and returns at once. ReadMessage and Write return when the peer has answered CLOSE,
// at the latest after a second.
func (c *Conn) Close() error {
	c.close(frame.Normal, "")
	return nil
}

// Done returns a channel that is closed when the connection is closed, shortly after Close.
func (c *Conn) Done() <-chan struct{} { return c.done }

// fail closes the connection because the peer violated the protocol. The peer receives err as the reason. The caller holds
// reading.
func (c *Conn) fail(code frame.Code, err error) error {
	c.discardHeld()
	c.socket.wire.Detach()
	c.giveBack()
	c.startClose(code, err.Error(), c.awaitEnd)
	return fmt.Errorf("websocket: %w", err)
}

func (c *Conn) close(code frame.Code, reason string) { c.startClose(code, reason, c.awaitClose) }

// startClose starts the closing handshake. Only the first call has an effect, so that a reader that finds the connection closed
// does not choose the code.
func (c *Conn) startClose(code frame.Code, reason string, await func()) {
	if !c.closed.Swap(true) {
		go c.closeHandshake(code, reason, await)
	}
}

// closeHandshake sends CLOSE, waits for the peer's answer by await, and closes the socket, within closeTime. A peer that has
// not taken earlier frames gets stuckCloseTime only.
func (c *Conn) closeHandshake(code frame.Code, reason string, await func()) {
	defer close(c.done)
	limit := closeTime
	if c.socket.behind() {
		limit = stuckCloseTime // enough for CLOSE if the peer resumes reading just now
	}
	late := time.AfterFunc(limit, func() { c.socket.Close() })
	defer late.Stop()
	err := c.socket.sendClose(code, reason)
	c.reading.Lock() // a running ReadMessage returns when CLOSE arrives or the socket is closed
	defer c.reading.Unlock()
	c.detachBuffers()
	if err == nil {
		await()
	}
	c.socket.Close()
	c.socket.wire.Detach()
}

// awaitClose reads until the peer has sent CLOSE or closed the connection. It drops messages.
func (c *Conn) awaitClose() {
	if c.peerClosed {
		return
	}
	for {
		h, err := c.dataHead()
		if err != nil {
			return
		}
		w := c.socket.wire
		w.Discard(h.Size)
		for left := h.Length; left > 0; {
			if w.Fill(1) != nil {
				return
			}
			n := int(min(left, int64(len(w.Buffered()))))
			w.Discard(n)
			left -= int64(n)
		}
	}
}

// awaitEnd drops everything that the peer sends until it closes the connection, because its frames are no longer trusted (RFC
// 6455, 7.1.7). Closing the connection at once would discard CLOSE on its way, if some of the peer's octets were not read.
func (c *Conn) awaitEnd() {
	w := c.socket.wire
	if w.Acquire(true) {
		w.CloseWrite() // not possible for every connection
	}
	for w.Fill(1) == nil {
		w.Discard(len(w.Buffered()))
	}
}

// detachBuffers gives up the buffers for the caller of ReadMessage, which may still use the last message.
func (c *Conn) detachBuffers() {
	c.discardHeld()
	c.socket.wire.Detach()
	c.parts.detach(c.socket)
	c.plain.detach(c.socket)
}
