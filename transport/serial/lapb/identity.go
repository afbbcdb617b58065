package lapb

import (
	"encoding/binary"
	"unicode/utf8"
)

// identityVersion is the first octet of an XID's info; identityHead is the length without the name.
const (
	identityVersion = 0x01
	identityHead    = 8
)

// Identity is an end's description of itself: 01 | k | N1, 16 bits | boot id, 32 bits | name. Numbers are
// little-endian.
type Identity struct {
	Window, Info int
	BootID       uint32
	Name         string
}

func (i Identity) append(dst []byte) []byte {
	dst = append(dst, identityVersion, byte(i.Window))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(i.Info))
	dst = binary.LittleEndian.AppendUint32(dst, i.BootID)
	return append(dst, i.Name...)
}

// parseIdentity reads an XID's info. ok is false if a value is out of range.
func parseIdentity(info []byte) (i Identity, ok bool) {
	if len(info) < identityHead || len(info) > identityHead+maxName || info[0] != identityVersion {
		return i, false
	}
	i = Identity{
		Window: int(info[1]),
		Info:   int(binary.LittleEndian.Uint16(info[2:])),
		BootID: binary.LittleEndian.Uint32(info[4:]),
		Name:   string(info[identityHead:]),
	}
	ok = i.Window >= 1 && i.Window <= MaxWindow && i.Info >= MinInfo && i.Info <= MaxInfo && utf8.ValidString(i.Name)
	return i, ok
}
