// Package hdlc puts frames on an asynchronous line and finds them again, as RFC 1662 does for PPP: flags between frames,
// escapes for octets with a special meaning, and a CRC-32 at the end.
//
//	7E | address | control | info | FCS-32, least significant octet first | 7E
//
// Encoder and decoder work octet by octet, without lookahead. Package lapb gives the frames their meaning.
package hdlc

// Octets with a special meaning. XON and XOFF are escaped by the sender. Bare ones are dropped: they come from flow
// control on the line or from a driver.
const (
	Flag   = 0x7E
	escape = 0x7D
	xon    = 0x11
	xoff   = 0x13

	flip = 0x20 // an escaped octet is XORed with this
)

const (
	headSize = 2 // address and control
	fcsSize  = 4
)

// Overhead is the size a frame adds to its info if nothing is escaped and it shares its flags with its neighbours.
const Overhead = headSize + fcsSize + 1

// Frame is the content between two flags, without the FCS.
type Frame struct {
	Address, Control byte
	Info             []byte
}
