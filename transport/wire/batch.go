package wire

import (
	"encoding/binary"
	"errors"
)

// HeadSize is the size of the length in front of each message of a batch, in bytes.
const HeadSize = 4

var errTorn = errors.New("the batch ends inside a message")

// Fits returns the length of the messages at the beginning of a batch that fit into a buffer of size bytes, of which used are
// taken. An empty buffer takes a longer message, too. The error means that the batch ends inside a message.
func Fits(batch []byte, used, size int) (n int, err error) {
	for n < len(batch) {
		m := MessageSize(batch[n:])
		if m == 0 {
			return n, errTorn
		}
		if used+n > 0 && used+n+m > size {
			break
		}
		n += m
	}
	return n, nil
}

// MessageSize returns the length of a batch's first message with its head. It returns 0 if the message is incomplete.
func MessageSize(batch []byte) int {
	if len(batch) < HeadSize {
		return 0
	}
	n := binary.BigEndian.Uint32(batch)
	if uint64(n) > uint64(len(batch)-HeadSize) {
		return 0
	}
	return HeadSize + int(n)
}
