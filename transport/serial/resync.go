package serial

import (
	"io"

	"runnel/edge/wamp"
)

// handshakeLen is the length of RawSocket's handshake: 7F, LLLLSSSS, 00, 00 (advanced/transport_rawsocket.md).
const handshakeLen = 4

// Resync reads until it has what looks like the handshake of a RawSocket client, and returns it with whatever arrived
// behind it; the octets before it are dropped. A device may be in the middle of a message when its port is opened, or
// print boot messages, and a RawSocket stream without a link layer has no other mark to begin at. skipped is told how
// many octets were dropped, each time some are.
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

// findHandshake returns where the first handshake begins, or the beginning of one that may still become whole.
func findHandshake(b []byte) (at int, whole bool) {
	for at = range b {
		if plausible(b[at:]) {
			return at, len(b)-at >= handshakeLen
		}
	}
	return len(b), false
}

// plausible reports whether b, as far as it goes, is a handshake that asks for a serializer we speak. Others are not
// worth the risk: in the middle of a message anything may look like a handshake.
func plausible(b []byte) bool {
	return b[0] == 0x7F &&
		(len(b) < 2 || wamp.Serializer(b[1]&0x0F).Known()) &&
		(len(b) < 3 || b[2] == 0) &&
		(len(b) < 4 || b[3] == 0)
}
