package websocket

import (
	"context"
	"encoding/binary"
	"errors"
)

const (
	headSize = 4        // of a message in a batch
	portion  = 48 << 10 // octets of messages that are framed before they are written
)

// Write sends a batch: messages, each behind its length in four octets, big-endian. With wait it returns when all is
// written. Without, it writes what the wire takes at once and returns n < len(batch); the next Write must go on with
// batch[n:]. Frames that the wire takes only in part stay in the socket's buffer, less than a portion and one message;
// as long as they do, the last octet of what they stand for counts as not written.
func (c *Conn) Write(batch []byte, wait bool) (n int, err error) {
	if !wait && !c.socket.wire.Tries() {
		return 0, c.writeError(c.socket.wire.Err())
	}
	if c.framed > 0 {
		if done, err := c.socket.uncork(wait); err != nil || !done {
			return 0, c.writeError(err)
		}
		n, c.framed = c.framed, 0
	}
	for n < len(batch) {
		if !wait && long(batch[n:]) {
			return n, nil // the next Write waits, and needs no copy of it
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
			c.framed = 1
			return n - c.framed, nil
		}
	}
	return n, nil
}

// frame turns the first messages of a batch into frames in the socket's buffer.
func (c *Conn) frame(batch []byte, wait bool) (size int, err error) {
	c.socket.cork(wait)
	for size < portion && size < len(batch) {
		m, err := messageSize(batch[size:])
		if err != nil {
			return size, err
		}
		if size > 0 && m > portion {
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

// long reports whether the first message of a batch is longer than a portion.
func long(batch []byte) bool {
	return len(batch) >= headSize && binary.BigEndian.Uint32(batch) > portion
}

// pack turns messages into one batch as the subprotocol has it. In binary it is the same.
func (c *Conn) pack(batch []byte) []byte {
	if !c.protocol.Text() {
		return batch
	}
	b := c.protocol.Pack(c.scratch[:0], batch)
	c.scratch = b
	if cap(b) > 2*portion {
		c.scratch = nil
	}
	return b
}

var errShortBatch = errors.New("batch ends in mid-message")

// messageSize returns the length of a batch's first message with its head.
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

// writeError explains err and closes the connection.
func (c *Conn) writeError(err error) error {
	if err == nil {
		return nil
	}
	err = c.explain(err)
	c.Close()
	return err
}
