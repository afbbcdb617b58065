package subprotocol

import (
	"bytes"
	"encoding/binary"
)

const (
	separator = 0x1E // ends each message of a batch in JSON
	headSize  = 4    // of a message in any other batch
)

// Split finds the first message of a batch: length bytes, with before bytes in front of it and after bytes following it.
func (p Protocol) Split(batch []byte) (before, length, after int, ok bool) {
	if p.Text() {
		length = bytes.IndexByte(batch, separator)
		return 0, length, 1, length >= 0
	}
	if len(batch) < headSize {
		return 0, 0, 0, false
	}
	n := binary.BigEndian.Uint32(batch)
	if uint64(n) > uint64(len(batch)-headSize) {
		return 0, 0, 0, false
	}
	return headSize, int(n), 0, true
}

// Pack appends a batch to dst. In messages, each message is preceded by its length in four bytes, big-endian. Batches of
// binary serializers have the same form.
func (p Protocol) Pack(dst, messages []byte) []byte {
	if !p.Text() {
		return append(dst, messages...)
	}
	for len(messages) > 0 {
		m := headSize + int(binary.BigEndian.Uint32(messages))
		dst = append(dst, messages[headSize:m]...)
		dst = append(dst, separator)
		messages = messages[m:]
	}
	return dst
}
