package journal

import (
	"hash/crc32"
	"io"
)

const (
	windowSize = 64 << 10
	blockSize  = 4 << 10 // unit in which unreadable parts are skipped
)

// window gives access to the bytes of a segment through a buffer. Unreadable parts are replaced by zeros, and failed is set.
type window struct {
	from   io.ReaderAt
	size   int64 // of the segment
	failed bool

	start int64 // offset of buf in the segment
	buf   []byte
	far   []byte // for reads that do not fit into buf
}

func newWindow(from io.ReaderAt, size int64) *window {
	return &window{from: from, size: size, buf: make([]byte, 0, min(windowSize, size))}
}

// at returns n bytes from offset on, or fewer at the end of the segment. They are valid until the next call.
func (w *window) at(offset, n int64) []byte {
	n = min(n, w.size-offset)
	if n <= 0 {
		return nil
	}
	if w.holds(offset, n) {
		return w.buf[offset-w.start:][:n]
	}
	if n > int64(cap(w.buf)) {
		return w.readFar(offset, n)
	}
	w.start = offset
	w.buf = w.buf[:min(int64(cap(w.buf)), w.size-offset)]
	w.fill(w.buf, offset)
	return w.buf[:n]
}

func (w *window) holds(offset, n int64) bool {
	return offset >= w.start && offset+n <= w.start+int64(len(w.buf))
}

// readFar is at without moving buf.
func (w *window) readFar(offset, n int64) []byte {
	if int64(cap(w.far)) < n {
		w.far = make([]byte, n)
	}
	data := w.far[:n]
	w.fill(data, offset)
	return data
}

func (w *window) fill(data []byte, offset int64) {
	if n, _ := w.from.ReadAt(data, offset); n == len(data) {
		return
	}
	for len(data) > 0 {
		block := data[:min(int64(len(data)), blockSize-offset%blockSize)]
		if n, _ := w.from.ReadAt(block, offset); n < len(block) {
			clear(block[n:])
			w.failed = true
		}
		data, offset = data[len(block):], offset+int64(len(block))
	}
}

// checksum continues a CRC over n bytes from offset on.
func (w *window) checksum(crc uint32, offset, n int64) uint32 {
	if w.holds(offset, n) {
		return crc32.Update(crc, castagnoli, w.buf[offset-w.start:][:n])
	}
	for n > 0 {
		data := w.readFar(offset, min(n, windowSize))
		crc = crc32.Update(crc, castagnoli, data)
		offset, n = offset+int64(len(data)), n-int64(len(data))
	}
	return crc
}

// last returns the last byte of the segment.
func (w *window) last() byte { return w.at(w.size-1, 1)[0] }
