package serial

import (
	"io"

	"runnel/edge/wamp"
)

// handshakeLen is the length of RawSocket's handshake: 7F, LLLLSSSS, 00, 00 (advanced/transport_rawsocket.md).
const handshakeLen = 4

// Resync reads until a RawSocket client's handshake appears, drops everything before it, and returns the handshake with
// any input after it. A device may be in the middle of a message when its port is opened, or print boot messages; RawSocket
// without framing has no other mark to synchronize on. skipped is called with the number of bytes dropped each time.
func Resync(r io.Reader, skipped func(n int)) (head []byte, err error) {
	buf := make([]byte, 256)
	have := 0
	for {
		n, err := r.Read(buf[have:])
		have += n
		at, whole := findHandshake(buf[:have])
		if at > 0 {
			skipped(at)
		}
		if whole {
			return buf[at:have], nil
		}
		have = copy(buf, buf[at:have])
		if err != nil {
			return nil, err
		}
	}
}

// findHandshake returns the index of the first handshake, complete or possibly incomplete at the end.
func findHandshake(b []byte) (at int, whole bool) {
	for at = range b {
		if plausible(b[at:]) {
			return at, len(b)-at >= handshakeLen
		}
	}
	return len(b), false
}

// plausible reports whether b is the beginning of a handshake with a known serializer. Other serializers are not accepted,
// as too much data in the middle of a message would look like a handshake.
func plausible(b []byte) bool {
	return b[0] == 0x7F &&
		(len(b) < 2 || wamp.Serializer(b[1]&0x0F).Known()) &&
		(len(b) < 3 || b[2] == 0) &&
		(len(b) < 4 || b[3] == 0)
}
