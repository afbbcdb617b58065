package serial

import (
	"sync"
	"sync/atomic"
	"time"
)

// Piece is a number of bytes that crossed a port at once.
type Piece struct {
	At    time.Time
	Out   bool // to the device
	Bytes []byte
}

// The limits of a tap.
const (
	tapTime   = 10 * time.Second // the tap records for this long after each reading of it
	tapBytes  = 16 << 10
	tapPieces = 512
	tapJoin   = 20 * time.Millisecond // bytes that follow within this time belong to the same piece
)

// tap keeps the recent data of a line's port while an operator watches it. Otherwise it keeps nothing.
type tap struct {
	watched atomic.Bool

	mu     sync.Mutex
	looked time.Time // when it was looked at last
	pieces []Piece
	next   uint64 // the number of the piece after the last one
	seen   uint64 // next at the last Look: pieces before it no longer change
	bytes  int    // in pieces
}

// note keeps bytes that crossed the port. t may be nil.
func (t *tap) note(out bool, b []byte) {
	if t == nil || len(b) == 0 || !t.watched.Load() {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.looked) > tapTime {
		t.watched.Store(false)
		t.pieces, t.bytes = nil, 0
		return
	}
	b = b[max(0, len(b)-tapBytes):]
	t.bytes += len(b)
	last := len(t.pieces) - 1
	if last >= 0 && t.next > t.seen && t.pieces[last].Out == out && now.Sub(t.pieces[last].At) < tapJoin {
		t.pieces[last].Bytes = append(t.pieces[last].Bytes, b...)
	} else {
		t.pieces = append(t.pieces, Piece{now, out, append([]byte(nil), b...)})
		t.next++
	}
	for len(t.pieces) > tapPieces || t.bytes > tapBytes && len(t.pieces) > 1 {
		t.bytes -= len(t.pieces[0].Bytes)
		t.pieces[0].Bytes = nil
		t.pieces = t.pieces[1:]
	}
	if over := t.bytes - tapBytes; over > 0 { // a single piece that has grown
		t.pieces[0].Bytes = append([]byte(nil), t.pieces[0].Bytes[over:]...)
		t.bytes = tapBytes
	}
}

// Look returns the bytes that crossed the line's port since the piece of a number, as far as they are kept, and the number for
// the next call. The line keeps them for 10 s after a call; before the first one it has kept none.
func (l *Line) Look(from uint64) (pieces []Piece, next uint64) {
	t := &l.tap
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looked, t.seen = time.Now(), t.next
	t.watched.Store(true)
	first := t.next - uint64(len(t.pieces))
	if from < first || from > t.next {
		from = first
	}
	return append(pieces, t.pieces[from-first:]...), t.next
}
