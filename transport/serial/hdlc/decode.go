package hdlc

import "hash/crc32"

// good is the CRC over an intact frame including its FCS. The standards name its complement, the residue DEBB20E3;
// crc32 complements its result.
const good = ^uint32(0xDEBB20E3)

// Counters count the frames a Decoder has seen. Only those in Frames were returned.
type Counters struct {
	Frames  uint64 // intact frames
	FCS     uint64 // frames with a wrong FCS
	Aborted uint64 // frames that their sender gave up
	Long    uint64 // frames longer than the agreed maximum
	Short   uint64 // frames too short to be valid
	Skipped uint64 // octets outside frames
}

// Bad returns the number of dropped frames.
func (c Counters) Bad() uint64 { return c.FCS + c.Aborted + c.Long + c.Short }

// Add adds the counters of another Decoder.
func (c *Counters) Add(o Counters) {
	c.Frames += o.Frames
	c.FCS += o.FCS
	c.Aborted += o.Aborted
	c.Long += o.Long
	c.Short += o.Short
	c.Skipped += o.Skipped
}

// Decoder finds frames in a stream of octets. It may be used by one goroutine at a time.
type Decoder struct {
	buf     []byte // the frame so far; its capacity is the longest frame
	open    bool   // inside a frame: a flag was seen, and the frame is still valid
	escaped bool   // the last octet was an escape
	count   Counters
}

// NewDecoder returns a Decoder for frames with at most maxInfo octets of info. It allocates once.
func NewDecoder(maxInfo int) *Decoder {
	return &Decoder{buf: make([]byte, 0, headSize+maxInfo+fcsSize)}
}

// Counters returns the counters so far.
func (d *Decoder) Counters() Counters { return d.count }

// Push takes the next octet. If it completes an intact frame, ok is true, and the frame is valid until the next call.
// Bad frames are counted and dropped.
func (d *Decoder) Push(b byte) (f Frame, ok bool) {
	switch {
	case b == Flag:
		return d.flag()
	case b == xon || b == xoff:
		// XON and XOFF are dropped even after an escape: no sender puts one there, but a driver may.
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

// flag ends the current frame and begins the next.
func (d *Decoder) flag() (f Frame, ok bool) {
	frame := d.buf
	switch {
	case !d.open: // the first flag, or the first after a frame that was too long
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
