// Package hdlc puts frames on an asynchronous line and finds them there again, as RFC 1662 does for PPP: a flag between
// frames, octets that the line might eat or take for something else escaped, and a CRC-32 at the end.
//
//	7E | address | control | info | FCS-32, least significant octet first | 7E
//
// Both directions go octet by octet, without looking ahead. What a frame means is for the package lapb to say.
package hdlc

// Octets with a meaning of their own. XON and XOFF are escaped, and dropped where they stand bare: a line may use them
// for flow control, or a driver put them in.
const (
	Flag   = 0x7E
	escape = 0x7D
	xon    = 0x11
	xoff   = 0x13

	flip = 0x20 // what an escaped octet is XORed with
)

const (
	headSize = 2 // address and control
	fcsSize  = 4
)

// Overhead is what a frame adds to its info when nothing is escaped and it shares its flags with its neighbours.
const Overhead = headSize + fcsSize + 1

// Frame is what stands between two flags. Its FCS was right.
type Frame struct {
	Address, Control byte
	Info             []byte
}
