package journal

import (
	"bytes"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The memory of a long record is given back, and a record that is too long is skipped.
func TestLongRecords(t *testing.T) {
	l := open(t, t.TempDir(), 1<<20)
	l.add(strings.Repeat("x", 3*batch))
	if l.buf != nil {
		t.Errorf("%d bytes are kept", cap(l.buf))
	}
	l.add("short")
	if cap(l.buf) == 0 {
		t.Error("a short buffer is not kept")
	}
	n, err := l.Append(func(yield func([]byte) bool) {
		_ = yield(make([]byte, maxRecord+1)) && yield([]byte("last"))
	})
	if n == 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	l = l.again()
	l.holds(strings.Repeat("x", 3*batch), "short", "last")
}

// flaky is a reader that fails in some blocks, or at its first reads only.
type flaky struct {
	*bytes.Reader
	bad   map[int64]bool // blocks
	fails int
	reads int
}

func (f *flaky) ReadAt(b []byte, at int64) (int, error) {
	f.reads++
	if f.fails > 0 {
		f.fails--
		return 0, syscall.EIO
	}
	for i := range b {
		if f.bad[(at+int64(i))/blockSize] {
			n, _ := f.Reader.ReadAt(b[:i], at)
			return n, syscall.EIO
		}
	}
	return f.Reader.ReadAt(b, at)
}

// A block that cannot be read costs the records in it, and the segment is bad. A read that succeeds the second time costs
// nothing.
func TestUnreadableBlocks(t *testing.T) {
	var records []string
	for i := range 200 {
		records = append(records, strings.Repeat(string(rune('a'+i%26)), 500))
	}
	data := segmentOf(records...)
	size := int64(len(data))
	for _, block := range []int64{0, 3, 15, 16, size/blockSize - 1} {
		var read []string
		r := scan(&flaky{Reader: bytes.NewReader(data), bad: map[int64]bool{block: true}}, 1, size, func(b []byte) { read = append(read, string(b)) })
		if r.condition != bad || len(read) < len(records)-11 || len(read) > len(records)-7 || !in(read, records) {
			t.Errorf("block %d: %d of %d records, %+v", block, len(read), len(records), r)
		}
	}
	var read []string
	r := scan(&flaky{Reader: bytes.NewReader(data), fails: 1}, 1, size, func(b []byte) { read = append(read, string(b)) })
	if r.condition != whole || !slices.Equal(read, records) {
		t.Errorf("one failed read: %d of %d records, %+v", len(read), len(records), r)
	}
}

// in reports whether some is all of the records, in order, with some left out.
func in(some, all []string) bool {
	for _, r := range all {
		if len(some) > 0 && some[0] == r {
			some = some[1:]
		}
	}
	return len(some) == 0
}

func TestWindow(t *testing.T) {
	data := make([]byte, windowSize+100)
	for i := range data {
		data[i] = byte(i % 251)
	}
	from := &flaky{Reader: bytes.NewReader(data)}
	w := newWindow(from, int64(len(data)))
	at := func(offset, n int64, reads int) {
		t.Helper()
		want := data[min(offset, int64(len(data))):min(offset+n, int64(len(data)))]
		if got := w.at(offset, n); !bytes.Equal(got, want) || from.reads != reads {
			t.Errorf("at %d: %d bytes, want %d; %d reads, want %d", offset, len(got), len(want), from.reads, reads)
		}
	}
	at(0, windowSize, 1) // fits the window exactly
	at(10, 5, 1)
	at(windowSize-1, 1, 1)
	at(windowSize-1, 2, 2) // moves the window
	at(windowSize+90, 50, 2)
	at(int64(len(data)), 1, 2) // nothing is there
	at(windowSize-1, 3, 2)
	at(0, windowSize+1, 3) // longer than the window, which stays where it is
	at(windowSize+1, 3, 3)
	at(0, windowSize+1, 4)
	if far := w.at(0, windowSize+1); &far[0] != &w.at(1, windowSize+1)[0] {
		t.Error("a new buffer is used for each long read")
	}
	if w.last() != data[len(data)-1] || w.failed {
		t.Error("the last byte is wrong")
	}
	if w.at(int64(len(data)), 0) != nil || w.at(int64(len(data))+5, 1) != nil {
		t.Error("bytes behind the end")
	}
}

// Garbage of any length between two records costs neither of them.
func TestGarbageBetween(t *testing.T) {
	for n := range 40 {
		for _, last := range []string{"two", ""} {
			for _, fill := range []byte{0, 1, 0xff} {
				data := append(segmentOf("one"), bytes.Repeat([]byte{fill}, n)...)
				read, r := scanned(appendHere(data, last))
				if !slices.Equal(read, []string{"one", last}) || (r.condition == whole) != (n == 0) {
					t.Errorf("%d bytes of %d before %q: read %q, %+v", n, fill, last, read, r)
				}
				data = append(legacySegment("one"), bytes.Repeat([]byte{fill}, n)...)
				read, r = scanned(appendLegacy(data, last))
				if !slices.Equal(read, []string{"one", last}) || (r.condition == whole) != (n == 0) {
					t.Errorf("legacy, %d bytes of %d before %q: read %q, %+v", n, fill, last, read, r)
				}
			}
		}
	}
}

// The search in a legacy segment ends when its work is used up.
func TestLegacyWork(t *testing.T) {
	data := legacySegment("one")
	s := scanner{window: newWindow(bytes.NewReader(data), int64(len(data))), place: newPlace(1)}
	none, one := int64(0), int64(1)
	if got := s.findLegacy(int64(len(legacyMagic)), &none); got != s.size {
		t.Errorf("found %d without work", got)
	}
	if got := s.findLegacy(int64(len(legacyMagic)), &one); got != int64(len(legacyMagic)) {
		t.Errorf("found %d", got)
	}
}
