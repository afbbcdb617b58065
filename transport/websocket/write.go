package websocket

import (
	"context"
	"encoding/binary"
	"errors"
)

const (
	headSize  = 4        // bytes of the length in front of a message of a batch
	chunkSize = 48 << 10 // bytes of messages that are framed before they are written
)

// Write sends a batch: messages, each preceded by its length in four bytes, big-endian. With wait it returns when the
// whole batch is written. Without wait it writes as much as the socket takes at once. If n < len(batch), the next Write
// must continue with batch[n:].
//
// Frames that the socket took only in part stay in the outbox: less than one chunk and one message. Until the outbox is
// empty, n leaves out the last byte of the messages in it, so that the caller comes back.
func (c *Conn) Write(batch []byte, wait bool) (n int, err error) {
	if !wait && !c.socket.wire.NonBlocking() {
		return 0, c.writeError(c.socket.wire.Err())
	}
	if c.begun {
		if done, err := c.socket.uncork(wait); err != nil || !done {
			return 0, c.writeError(err)
		}
		n, c.begun = 1, false
	}
	for n < len(batch) {
		if !wait && startsLong(batch[n:]) {
			return n, nil // the next Write waits, and can then write the message without a copy
		}
		size, err := c.frame(batch[n:], wait)
		if err != nil {
			return n, c.writeError(err)
		}
		n += size
		done, err := c.socket.uncork(wait)
		if err != nil {
			return n, c.writeError(err)
		}
		if !done {
			c.begun = true
			return n - 1, nil
		}
	}
	return n, nil
}

// frame adds the first messages of a batch to the outbox as frames: one chunk, or one longer message alone.
func (c *Conn) frame(batch []byte, wait bool) (size int, err error) {
	c.socket.cork(wait)
	for size < chunkSize && size < len(batch) {
		m, err := messageSize(batch[size:])
		if err != nil {
			return size, err
		}
		if size > 0 && m > chunkSize {
			break
		}
		if !c.protocol.Batched {
			err = c.ws.Write(context.Background(), c.kind, batch[size+headSize:size+m])
		}
		if err != nil {
			return size, err
		}
		size += m
	}
	if c.protocol.Batched {
		err = c.ws.Write(context.Background(), c.kind, c.pack(batch[:size]))
	}
	return size, err
}

// startsLong reports whether the first message of a batch is longer than a chunk.
func startsLong(batch []byte) bool {
	return len(batch) >= headSize && binary.BigEndian.Uint32(batch) > chunkSize
}

// pack encodes messages as one batch of the subprotocol. Binary subprotocols use the same form.
func (c *Conn) pack(batch []byte) []byte {
	if !c.protocol.Text() {
		return batch
	}
	b := c.protocol.Pack(c.scratch[:0], batch)
	c.scratch = b
	if cap(b) > 2*chunkSize {
		c.scratch = nil
	}
	return b
}

var errShortBatch = errors.New("the batch ends inside a message")

// messageSize returns the length of a batch's first message, including the four bytes in front of it.
func messageSize(batch []byte) (int, error) {
	if len(batch) < headSize {
		return 0, errShortBatch
	}
	n := binary.BigEndian.Uint32(batch)
	if uint64(n) > uint64(len(batch)-headSize) {
		return 0, errShortBatch
	}
	return headSize + int(n), nil
}

// writeError closes the connection after a failed write and returns the cause; nil stays nil.
func (c *Conn) writeError(err error) error {
	if err == nil {
		return nil
	}
	err = c.explain(err)
	c.Close()
	return err
}
