package hdlc

import "hash/crc32"

// Append appends f to dst between flags. If dst ends with a flag, that flag opens the frame. Append does not allocate if
// dst has room; a frame takes at most 2*(len(f.Info)+6)+2 octets.
func Append(dst []byte, f Frame) []byte {
	if len(dst) == 0 || dst[len(dst)-1] != Flag {
		dst = append(dst, Flag)
	}
	fcs := sum(f)
	dst = stuff(dst, f.Address)
	dst = stuff(dst, f.Control)
	for _, b := range f.Info {
		dst = stuff(dst, b)
	}
	for range fcsSize {
		dst = stuff(dst, byte(fcs))
		fcs >>= 8
	}
	return append(dst, Flag)
}

func stuff(dst []byte, b byte) []byte {
	switch b {
	case Flag, escape, xon, xoff:
		return append(dst, escape, b^flip)
	}
	return append(dst, b)
}

// sum returns the FCS. The head is summed by hand, as a slice of it would escape to the heap.
func sum(f Frame) uint32 {
	crc := ^uint32(0)
	for _, b := range [headSize]byte{f.Address, f.Control} {
		crc = crc32.IEEETable[byte(crc)^b] ^ crc>>8
	}
	return crc32.Update(^crc, crc32.IEEETable, f.Info)
}
