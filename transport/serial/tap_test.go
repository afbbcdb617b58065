package serial

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// TestLook: a line keeps the data of its port, within bounds, from the first look until the looks end.
func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Line{}
		look := func(from uint64) (string, uint64) {
			text, pieces, next := "", []Piece(nil), uint64(0)
			pieces, next = l.Look(from)
			for _, p := range pieces {
				text += map[bool]string{true: ">", false: "<"}[p.Out] + string(p.Bytes) + " "
			}
			return text, next
		}
		want := func(from uint64, text string) (next uint64) {
			t.Helper()
			got, next := look(from)
			if got != text {
				t.Errorf("from %d: %q, want %q", from, got, text)
			}
			return next
		}
		(*tap)(nil).note(false, []byte("a port without a line"))
		l.tap.note(false, []byte("before"))
		next := want(0, "")
		l.tap.note(false, []byte("ab"))
		time.Sleep(tapJoin / 2)
		l.tap.note(false, []byte("c")) // joined
		l.tap.note(true, []byte("d"))
		time.Sleep(2 * tapJoin)
		l.tap.note(true, []byte("e"))
		want(0, "<abc >d >e ")
		next = want(next, "<abc >d >e ")
		want(next, "")
		l.tap.note(true, []byte("f")) // not joined with a piece that was returned
		want(next, ">f ")
		want(next+100, "<abc >d >e >f ")

		time.Sleep(tapTime + 1)
		l.tap.note(false, []byte("g"))
		if l.tap.watched.Load() || l.tap.pieces != nil {
			t.Error("the line keeps bytes without a look")
		}
		next = want(0, "")

		for range 2 * tapPieces {
			time.Sleep(2 * tapJoin)
			l.tap.looked = time.Now()
			l.tap.note(false, []byte("x"))
		}
		if pieces, last := l.Look(0); len(pieces) != tapPieces || last != next+2*tapPieces {
			t.Errorf("%d pieces, next %d", len(pieces), last)
		}
		l.tap.note(false, bytes.Repeat([]byte("y"), 3*tapBytes))
		for range 100 {
			l.tap.note(false, bytes.Repeat([]byte("z"), tapBytes/10))
		}
		sum := 0
		pieces, _ := l.Look(0)
		for _, p := range pieces {
			sum += len(p.Bytes)
		}
		if sum != tapBytes || l.tap.bytes != sum {
			t.Errorf("%d bytes are kept, and %d are counted", sum, l.tap.bytes)
		}
	})
}
