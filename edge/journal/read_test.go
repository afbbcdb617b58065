package journal

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
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
	at(int64(len(data)), 1, 2) // empty
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

// garbage returns lengths of garbage: the head of the record after it is in the same window, across the window's end,
// or beyond it.
func garbage() (lengths []int) {
	for n := range 40 {
		lengths = append(lengths, n, windowSize-n)
	}
	return append(lengths, windowSize+1, 3*windowSize)
}

// Garbage of any length between two records costs neither of them.
func TestGarbageBetween(t *testing.T) {
	for _, n := range garbage() {
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

// From reads from any record on until it is told to stop, and skips damage.
func TestFrom(t *testing.T) {
	l := open(t, t.TempDir(), 1<<20)
	records := []string{"one", "two", strings.Repeat("three", 30), "", "five"}
	l.add(records...)
	number, octets := l.Newest()
	from := func(offset, octets int64, most int) (read []string, ends []int64, next int64) {
		t.Helper()
		next, err := l.From(number, offset, octets, nil, func(record []byte, end int64) bool {
			read, ends = append(read, string(record)), append(ends, end)
			return len(read) < most
		})
		if err != nil {
			t.Fatal(err)
		}
		return read, ends, next
	}
	all, ends, next := from(0, octets, 100)
	if !slices.Equal(all, records) || next != octets || ends[len(ends)-1] != octets {
		t.Fatalf("%q, %d, next %d of %d", all, ends, next, octets)
	}
	for i, end := range ends {
		if read, _, next := from(end, octets, 100); !slices.Equal(read, records[i+1:]) || next != octets {
			t.Errorf("from record %d: %q, next %d", i+1, read, next)
		}
		if read, _, next := from(0, octets, i+1); !slices.Equal(read, records[:i+1]) || next != end {
			t.Errorf("up to record %d: %q, next %d", i, read, next)
		}
		if read, _, next := from(0, end, 100); !slices.Equal(read, records[:i+1]) || next != end {
			t.Errorf("of %d bytes: %q, next %d", end, read, next)
		}
	}
	if read, _, _ := from(0, ends[1]+3, 100); !slices.Equal(read, records[:2]) {
		t.Errorf("with a part of a record: %q", read)
	}
	l.edit(func(data []byte) []byte {
		data[ends[0]+headSize] ^= 1
		return data
	})
	if read, _, next := from(0, octets, 100); !slices.Equal(read, append([]string{"one"}, records[2:]...)) || next != octets {
		t.Errorf("with a damaged record: %q, next %d", read, next)
	}
	l.edit(func(data []byte) []byte {
		data[ends[1]] ^= 1
		return data
	})
	if read, _, next := from(0, octets, 100); !slices.Equal(read, []string{"one", "", "five"}) || next != octets {
		t.Errorf("with a damaged head: %q, next %d", read, next)
	}
}

// TestFromReadsIntoTheBuffer: From allocates no buffer if it gets one.
func TestFromReadsIntoTheBuffer(t *testing.T) {
	l := open(t, t.TempDir(), 1<<20)
	l.add("one", "two")
	number, octets := l.Newest()
	buf := make([]byte, 0, octets)
	if _, err := l.From(number, 0, octets, buf, func([]byte, int64) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if read := buf[:octets]; !bytes.Contains(read, []byte("one")) || !bytes.Contains(read, []byte("two")) {
		t.Errorf("the buffer holds %q", read)
	}
}

// From finds the next record after garbage of any length, even at the beginning.
func TestFromAfterGarbage(t *testing.T) {
	l := open(t, t.TempDir(), 1<<20)
	l.add("one")
	number, _ := l.Newest()
	for _, n := range garbage() {
		for _, fill := range []byte{0, 1, 0xff} {
			for _, records := range [][]string{{"one", "two"}, {"one", ""}, {"two"}, {""}} {
				last := len(records) - 1
				data := append(segmentOf(records[:last]...), bytes.Repeat([]byte{fill}, n)...)
				data = appendHere(data, records[last])
				l.edit(func([]byte) []byte { return data })
				var read []string
				next, err := l.From(number, 0, int64(len(data)), nil, func(record []byte, end int64) bool {
					read = append(read, string(record))
					if len(read) == len(records) && end != int64(len(data)) {
						t.Errorf("the last of %q ends at %d of %d", records, end, len(data))
					}
					return true
				})
				if !slices.Equal(read, records) || next != int64(len(data)) || err != nil {
					t.Errorf("%d bytes of %d before the last of %q: read %q, next %d of %d, %v", n, fill, records, read, next, len(data), err)
				}
			}
		}
	}
}

// A segment that was deleted has no records; one that cannot be read is an error.
func TestFromUnreadable(t *testing.T) {
	l := open(t, t.TempDir(), 1<<20)
	l.add("one", "two")
	number, octets := l.Newest()
	none := func(record []byte, _ int64) bool {
		t.Errorf("%q is read", record)
		return true
	}
	path := l.path(number)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if next, err := l.From(number, 0, octets, nil, none); next != octets || err != nil {
		t.Errorf("deleted: %d, %v", next, err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := l.From(number, 0, octets, nil, none); err == nil {
		t.Error("a directory is read")
	}
	l.disk = unopened{l.disk}
	if next, err := l.From(number, 0, octets, nil, none); !errors.Is(err, fs.ErrPermission) || next == octets {
		t.Errorf("not opened: %d, %v", next, err)
	}
}

// unopened is a disk whose files cannot be opened for reading.
type unopened struct{ Disk }

func (unopened) Open(string) (File, error) { return nil, fs.ErrPermission }

// End is the offset of the next record: after the last one, or after the header of a new segment.
func TestEnd(t *testing.T) {
	l := open(t, t.TempDir(), 1<<20)
	for _, prepare := range []func(){func() {}, func() {}, l.Seal, func() { l = l.again() }} {
		prepare()
		want := l.End()
		l.add("record")
		number, octets := l.Newest()
		if begin := octets - int64(Overhead+len("record")); begin != want {
			t.Errorf("the record begins at %d, want %d", begin, want)
		}
		if _, err := l.From(number, want, octets, nil, func(record []byte, _ int64) bool { return string(record) == "record" }); err != nil {
			t.Error(err)
		}
	}
}
