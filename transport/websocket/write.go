package websocket

import (
	"encoding/binary"
	"errors"

	"runnel/transport/websocket/frame"
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
// empty, n excludes the last byte of the messages in it, so that the caller calls again.
func (c *Conn) Write(batch []byte, wait bool) (n int, err error) {
	if !wait && !c.socket.wire.NonBlocking() {
		return 0, c.writeError(c.socket.wire.Err())
	}
	if c.begun {
		c.socket.promise()
		if done, err := c.socket.flushed(wait); err != nil || !done {
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
		done, err := c.socket.flushed(wait)
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

// frame adds the first messages of a batch to the outbox as frames: one chunk, or one longer message alone. If it may wait, it
// writes a longer message.
func (c *Conn) frame(batch []byte, wait bool) (size int, err error) {
	size, messages, err := chunk(batch)
	if err != nil {
		return size, err
	}
	if wait && startsLong(batch) && c.asIs() {
		payload := batch[:size]
		if !c.protocol.Batched {
			payload = batch[headSize:size]
		}
		var head [frame.MaxHead]byte
		return size, c.socket.writeDirect(frame.AppendHead(head[:0], c.op, false, len(payload), false, 0), payload)
	}
	return size, c.socket.add(func(dst []byte) []byte { return c.appendFrames(dst, batch[:size], messages) })
}

// chunk returns the length and the number of the first messages of a batch that are framed together.
func chunk(batch []byte) (size, messages int, err error) {
	for size < chunkSize && size < len(batch) {
		m, err := messageSize(batch[size:])
		if err != nil {
			return size, messages, err
		}
		if size > 0 && m > chunkSize {
			break
		}
		size += m
		messages++
	}
	return size, messages, nil
}

// asIs reports whether the payload of a frame is a part of the batch itself.
func (c *Conn) asIs() bool {
	return c.socket.masks == nil && !c.deflate && !(c.protocol.Batched && c.protocol.Text())
}

// appendFrames appends the frames of a batch.
func (c *Conn) appendFrames(dst, batch []byte, messages int) []byte {
	if c.protocol.Batched {
		return c.appendBatch(dst, batch, messages)
	}
	for len(batch) > 0 {
		m := headSize + int(binary.BigEndian.Uint32(batch))
		dst = c.appendMessage(dst, batch[headSize:m])
		batch = batch[m:]
	}
	return dst
}

// appendBatch appends a batch as one frame. Batches of binary subprotocols have the form of the batch that Write gets.
func (c *Conn) appendBatch(dst, batch []byte, messages int) []byte {
	if !c.protocol.Text() {
		return c.appendMessage(dst, batch)
	}
	length := len(batch) - (headSize-1)*messages
	if c.compresses(length) {
		return c.appendMessage(dst, c.protocol.Pack(make([]byte, 0, length), batch))
	}
	dst, key := c.socket.appendHead(dst, c.op, false, length)
	at := len(dst)
	dst = c.protocol.Pack(dst, batch)
	if key != 0 {
		frame.Mask(dst[at:], key)
	}
	return dst
}

// appendMessage appends the frame of one WebSocket message.
func (c *Conn) appendMessage(dst, payload []byte) []byte {
	if c.compresses(len(payload)) {
		compressed(payload, func(short []byte) { dst = c.socket.appendFrame(dst, c.op, true, short) })
		return dst
	}
	return c.socket.appendFrame(dst, c.op, false, payload)
}

// compresses reports whether a message of a length is compressed.
func (c *Conn) compresses(length int) bool { return c.deflate && length >= compressMin }

// startsLong reports whether the first message of a batch is longer than a chunk.
func startsLong(batch []byte) bool {
	return len(batch) >= headSize && binary.BigEndian.Uint32(batch) > chunkSize
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
