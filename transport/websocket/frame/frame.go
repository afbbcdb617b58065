// Package frame encodes and checks the frames of a WebSocket (RFC 6455, 5; RFC 7692, 6). It reads and writes no connection.
//
//	frame.go   heads of frames
//	mask.go    masks of payloads
//	close.go   the content of CLOSE
package frame

import (
	"encoding/binary"
	"fmt"
)

// Op is the kind of a frame (RFC 6455, 5.2).
type Op byte

const (
	Continuation Op = 0x0
	Text         Op = 0x1
	Binary       Op = 0x2
	Close        Op = 0x8
	Ping         Op = 0x9
	Pong         Op = 0xA
)

// Control reports whether frames of the kind are control frames.
func (o Op) Control() bool { return o&8 != 0 }

// String returns the kind of a data message as used in errors.
func (o Op) String() string {
	switch o {
	case Text:
		return "text"
	case Binary:
		return "binary"
	}
	return fmt.Sprintf("opcode %d", byte(o))
}

const (
	MinHead    = 2   // octets of the shortest head
	MaxHead    = 14  // octets of the longest head
	MaxControl = 125 // octets of the longest payload of a control frame (RFC 6455, 5.5)
)

// Bits of a head's first two octets.
const (
	final    = 0x80
	deflated = 0x40 // RSV1, which permessage-deflate uses
	reserved = 0x30 // RSV2 and RSV3
	opBits   = 0x0F
	masked   = 0x80
	short    = 0x7F
)

// Head is the head of a frame.
type Head struct {
	Op         Op
	Final      bool
	Compressed bool // the frame begins a message that permessage-deflate has compressed
	Masked     bool
	Key        uint32 // the mask in the order of Mask; 0 without a mask
	Size       int    // octets of the head
	Length     int64  // octets of the payload
}

// Decoder checks a peer's frames, one after the other. The zero value is for a server without compression.
type Decoder struct {
	FromServer bool // the peer is a server, whose frames have no mask
	Deflate    bool // permessage-deflate was agreed on

	inside bool // between the fragments of a message
}

// Head decodes the head of the next frame, which b begins with. While b holds only a part of the head, h is not valid, and
// need is the length of the head in octets as far as b tells. Otherwise need is 0. An error is a *Error, and known as soon
// as the octets that cause it are in b. Every frame is decoded once.
func (d *Decoder) Head(b []byte) (h Head, need int, err error) {
	if len(b) < MinHead {
		return h, MinHead, nil
	}
	h = Head{Op: Op(b[0] & opBits), Final: b[0]&final != 0, Compressed: b[0]&deflated != 0, Masked: b[1]&masked != 0, Size: 2}
	if err := d.check(b[0], b[1], &h); err != nil {
		return h, 0, err
	}
	length := b[1] & short
	switch length {
	case 126:
		h.Size = 4
	case 127:
		h.Size = 10
	}
	keyAt := h.Size
	if h.Masked {
		h.Size += 4
	}
	if len(b) < h.Size {
		return h, h.Size, nil
	}
	if h.Length = longLength(b, length); h.Length < 0 {
		return h, 0, errLength
	}
	if h.Masked {
		h.Key = binary.LittleEndian.Uint32(b[keyAt:])
	}
	if !h.Op.Control() {
		d.inside = !h.Final
	}
	return h, 0, nil
}

// longLength returns the length of the payload, or -1 if it is not encoded in the fewest octets or does not fit into 63 bits
// (RFC 6455, 5.2). short is the length in the second octet.
func longLength(b []byte, short byte) int64 {
	switch short {
	case 126:
		if n := binary.BigEndian.Uint16(b[2:]); n > 125 {
			return int64(n)
		}
		return -1
	case 127:
		if n := binary.BigEndian.Uint64(b[2:]); n > 1<<16-1 && n < 1<<63 {
			return int64(n)
		}
		return -1
	}
	return int64(short)
}

var (
	errReserved     = &Error{ProtocolError, "unexpected rsv bits in a frame"}
	errCompressed   = &Error{ProtocolError, "unexpected rsv bits in a frame: rsv1 stands only in a message's first frame, and only with permessage-deflate"}
	errOp           = &Error{ProtocolError, "unknown opcode"}
	errControl      = &Error{ProtocolError, "invalid control frame: it has more than 125 bytes of content or is fragmented"}
	errUnmasked     = &Error{ProtocolError, "unmasked frame from a client"}
	errMasked       = &Error{ProtocolError, "masked frame from a server"}
	errContinuation = &Error{ProtocolError, "continuation frame without a message to continue"}
	errNoEnd        = &Error{ProtocolError, "new message inside a fragmented message: a continuation frame is missing"}
	errLength       = &Error{ProtocolError, "invalid length of a frame"}
)

// check checks the fields in the first two octets of a head.
func (d *Decoder) check(first, second byte, h *Head) error {
	switch {
	case first&reserved != 0: // RFC 6455, 5.2
		return errReserved
	case h.Compressed && (!d.Deflate || h.Op.Control() || h.Op == Continuation): // RFC 7692, 6
		return errCompressed
	case h.Op > Binary && h.Op < Close || h.Op > Pong:
		return errOp
	case !d.FromServer && !h.Masked: // RFC 6455, 5.1
		return errUnmasked
	case d.FromServer && h.Masked:
		return errMasked
	case h.Op.Control():
		if !h.Final || second&short > MaxControl { // RFC 6455, 5.5
			return errControl
		}
	case h.Op == Continuation && !d.inside: // RFC 6455, 5.4
		return errContinuation
	case h.Op != Continuation && d.inside:
		return errNoEnd
	}
	return nil
}

// AppendHead appends the head of a frame that is a whole message or a control frame. A client's frame is masked with key.
func AppendHead(dst []byte, op Op, compressed bool, length int, mask bool, key uint32) []byte {
	first, second := final|byte(op), byte(0)
	if compressed {
		first |= deflated
	}
	if mask {
		second = masked
	}
	switch {
	case length <= MaxControl:
		dst = append(dst, first, second|byte(length))
	case length < 1<<16:
		dst = append(dst, first, second|126, byte(length>>8), byte(length))
	default:
		dst = append(dst, first, second|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(length))
	}
	if mask {
		dst = binary.LittleEndian.AppendUint32(dst, key)
	}
	return dst
}

// WholeMessage reports whether b begins with all octets of an unfragmented data message. It does not check that the frame is
// valid.
func WholeMessage(b []byte) bool {
	if len(b) < 2 || b[0]&final == 0 {
		return false
	}
	if op := Op(b[0] & opBits); op != Text && op != Binary {
		return false
	}
	size, length := 2, uint64(b[1]&short)
	if b[1]&masked != 0 {
		size += 4
	}
	switch length {
	case 126:
		if size += 2; len(b) >= size {
			length = uint64(binary.BigEndian.Uint16(b[2:]))
		}
	case 127:
		if size += 8; len(b) >= size {
			length = binary.BigEndian.Uint64(b[2:])
		}
	}
	return len(b) >= size && length <= uint64(len(b)-size)
}
