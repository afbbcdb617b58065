package hdlc

import "hash/crc32"

// good is the CRC over a frame and its FCS if nothing is broken: the complement of the residue DEBB20E3 that the
// standards name, as crc32 complements its result.
const good = ^uint32(0xDEBB20E3)

// Counters count what a Decoder saw. Only Frames came out of it.
type Counters struct {
	Frames  uint64 // good ones
	FCS     uint64 // with a wrong FCS
	Aborted uint64 // given up by their sender
	Long    uint64 // longer than agreed on
	Short   uint64 // too short to be any
	Skipped uint64 // octets outside frames
}

// Bad is the number of frames that were dropped.
func (c Counters) Bad() uint64 { return c.FCS + c.Aborted + c.Long + c.Short }

// Add adds what another Decoder saw.
func (c *Counters) Add(o Counters) {
	c.Frames += o.Frames
	c.FCS += o.FCS
	c.Aborted += o.Aborted
	c.Long += o.Long
	c.Short += o.Short
	c.Skipped += o.Skipped
}

// Decoder finds frames in a stream of octets. It belongs to one goroutine at a time.
type Decoder struct {
	buf     []byte // the frame so far; its capacity is the longest one
	open    bool   // a flag was seen, and nothing since that spoils the frame
	escaped bool   // the last octet was an escape
	count   Counters
}

// NewDecoder returns a Decoder of frames with at most maxInfo octets of info. It allocates once.
func NewDecoder(maxInfo int) *Decoder {
	return &Decoder{buf: make([]byte, 0, headSize+maxInfo+fcsSize)}
}

// Counters returns what was seen so far.
func (d *Decoder) Counters() Counters { return d.count }

// Push takes the next octet. If it closes a good frame, ok is true; the frame is valid until the next call. Bad frames
// are dropped silently and counted.
func (d *Decoder) Push(b byte) (f Frame, ok bool) {
	switch {
	case b == Flag:
		return d.flag()
	case b == xon || b == xoff:
		// Even behind an escape: no sender puts one there, but a driver may.
	case !d.open:
		d.count.Skipped++
	case b == escape && !d.escaped:
		d.escaped = true
	case len(d.buf) == cap(d.buf):
		d.count.Long++
		d.open = false
	default:
		if d.escaped {
			b ^= flip
			d.escaped = false
		}
		d.buf = append(d.buf, b)
	}
	return Frame{}, false
}

// flag closes a frame, and opens the next one.
func (d *Decoder) flag() (f Frame, ok bool) {
	frame := d.buf
	switch {
	case !d.open: // the first, or the first after what was too long
	case d.escaped:
		d.count.Aborted++
	case len(frame) == 0: // flags fill the time between frames
	case len(frame) < headSize+fcsSize:
		d.count.Short++
	case crc32.ChecksumIEEE(frame) != good:
		d.count.FCS++
	default:
		d.count.Frames++
		f, ok = Frame{frame[0], frame[1], frame[headSize : len(frame)-fcsSize]}, true
	}
	d.buf, d.open, d.escaped = d.buf[:0], true, false
	return f, ok
}
