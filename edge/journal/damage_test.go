package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Each segment of a log in turn is emptied, zeroed, cut, or replaced by a copy of another. The records of the other
// segments are read, and the damage is reported. Only a missing file cannot be told from a deleted one.
func TestDamagedSegments(t *testing.T) {
	records := []string{"first, long enough", "second, long enough", "third, long enough", "fourth, long enough"}
	torn := []string{"emptied", "cut in the header", "header only", "cut in the record", "zeros at its end"} // applies to the newest segment
	for name, change := range map[string]func(b, other []byte) []byte{
		"emptied":            func(b, _ []byte) []byte { return nil },
		"zeroed":             func(b, _ []byte) []byte { clear(b); return b },
		"without header":     func(b, _ []byte) []byte { return b[headerSize:] },
		"header only":        func(b, _ []byte) []byte { return b[:headerSize] },
		"cut in the header":  func(b, _ []byte) []byte { return b[:7] },
		"cut in the record":  func(b, _ []byte) []byte { return b[:len(b)-9] },
		"zeros at its end":   func(b, _ []byte) []byte { clear(b[len(b)-9:]); return b },
		"a copy":             func(_, other []byte) []byte { return bytes.Clone(other) },
		"garbage":            func([]byte, []byte) []byte { return bytes.Repeat([]byte("what is this?"), 1000) },
		"a record more":      func(b, _ []byte) []byte { return append(b, b[headerSize:]...) },
		"cut, then appended": func(b, _ []byte) []byte { return append(b[:len(b)-9], b[headerSize:]...) },
	} {
		for i := range records {
			l := open(t, t.TempDir(), 10)
			l.add(records[:1]...)
			l.add(records[1:2]...)
			l.add(records[2:3]...)
			l.add(records[3:]...)
			names := l.files()
			other, _ := os.ReadFile(filepath.Join(l.dir, names[(i+1)%4]))
			l.editFile(names[i], func(b []byte) []byte { return change(b, other) })
			l = l.again()
			last := i == len(records)-1
			switch lossless, mayBeTorn := name == "a record more" && !last, slices.Contains(torn, name); {
			case lossless: // the next header states the valid size
				l.holds(records...)
			case name == "without header", name == "a record more":
				// The records are at other offsets, so they may or may not be found.
			default:
				l.holds(slices.Concat(records[:i], records[i+1:])...)
				if len(l.found.Bad) != 1 && !(last && mayBeTorn) {
					t.Errorf("segment %d %s: found %+v", i, name, l.found)
				}
			}
			l.add("more")
			l = l.again()
			if len(l.read) == 0 || l.read[len(l.read)-1] != "more" {
				t.Errorf("segment %d %s: then %q", i, name, l.read)
			}
		}
	}
}

// A log in the legacy format is read, and continues in segments of the new format.
func TestLegacyLogGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		want   []string
		bad    int
	}{
		"whole":           {func(b []byte) []byte { return b }, []string{"one", "two", "three", "four"}, 0},
		"torn":            {func(b []byte) []byte { return b[:len(b)-2] }, []string{"one", "two", "three"}, 0},
		"zeros behind":    {func(b []byte) []byte { return append(b, make([]byte, 100)...) }, []string{"one", "two", "three", "four"}, 0},
		"a length":        {func(b []byte) []byte { b[19] ^= 1; return b }, []string{"one", "three", "four"}, 1},
		"a record":        {func(b []byte) []byte { b[bytes.Index(b, []byte("two"))] ^= 1; return b }, []string{"one", "three", "four"}, 1},
		"without a magic": {func(b []byte) []byte { clear(b[:8]); return b }, []string{"one", "two", "three", "four"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "0000000007.log"), c.change(legacySegment("one", "two", "three", "four")), 0o600); err != nil {
				t.Fatal(err)
			}
			l := open(t, dir, 1<<20)
			l.holds(c.want...)
			if len(l.found.Bad) != c.bad {
				t.Errorf("found %+v", l.found)
			}
			l.add("five")
			l = l.again()
			l.holds(append(c.want, "five")...)
			if names := l.files(); len(names) != 2 || len(l.found.Bad) != c.bad || l.found.Torn != 0 {
				t.Errorf("found %+v in %v", l.found, names)
			}
		})
	}
}

// failing is a disk with operations that fail.
type failing struct {
	Disk
	sync, syncDir, remove, rename, truncate, append, write error

	syncs, appends int // calls of Sync and Append
	open           int // files that are open now
}

type failingFile struct {
	File
	disk *failing
}

func (d *failing) Append(name string, create bool) (File, error) {
	d.appends++
	if d.append != nil {
		return nil, d.append
	}
	return d.opened(d.Disk.Append(name, create))
}

func (d *failing) Open(name string) (File, error) { return d.opened(d.Disk.Open(name)) }

func (d *failing) opened(f File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	d.open++
	return failingFile{f, d}, nil
}

func (f failingFile) Close() error {
	f.disk.open--
	return f.File.Close()
}

func (d *failing) Rename(from, to string) error {
	if d.rename != nil {
		return d.rename
	}
	return d.Disk.Rename(from, to)
}

func (d *failing) SyncDir(dir string) error { return errors.Join(d.syncDir, d.Disk.SyncDir(dir)) }

func (d *failing) Remove(name string) error {
	if d.remove != nil {
		return d.remove
	}
	return d.Disk.Remove(name)
}

func (f failingFile) Write(b []byte) (int, error) {
	if f.disk.write != nil { // a part is written
		n, _ := f.File.Write(b[:len(b)/2])
		return n, f.disk.write
	}
	return f.File.Write(b)
}

func (f failingFile) Sync() error {
	f.disk.syncs++
	return f.disk.sync
}

func (f failingFile) Truncate(size int64) error {
	if f.disk.truncate != nil {
		return f.disk.truncate
	}
	return f.File.Truncate(size)
}

// After a failed sync the log is in the state of the last successful one. The segment is not used again, and new records
// go to another segment.
func TestFailedSync(t *testing.T) {
	broken := errors.New("broken")
	for _, truncate := range []error{nil, broken} {
		disk := &failing{Disk: Machine}
		dir := t.TempDir()
		var err error
		l := &log{T: t, dir: dir}
		if l.Journal, _, err = OpenOn(disk, dir, 1<<20, func(uint64, []byte) {}); err != nil {
			t.Fatal(err)
		}
		l.add("one")
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
		number, before := l.Newest()
		l.add("two")
		_, after := l.Newest()
		disk.sync, disk.truncate = broken, truncate
		if err := l.Sync(); !Lost(err) || !errors.Is(err, broken) {
			t.Fatalf("%v is not a LostError", err)
		}
		if disk.open != 0 {
			t.Errorf("%d files are open after a failed sync", disk.open)
		}
		if !l.Holds(number, before) || l.Holds(number, after) || l.Records() != 1 {
			t.Errorf("the log still has the lost records: %d records", l.Records())
		}
		syncs := disk.syncs
		if err := l.Sync(); err != nil || disk.syncs != syncs {
			t.Errorf("a failed sync was retried: %v", err)
		}
		disk.sync = nil
		l.add("three")
		if newest, _ := l.Newest(); newest == number {
			t.Error("a record was appended to the segment of a failed sync")
		}
		l = l.again()
		l.holds("one", "three")
		if len(l.found.Bad) != 0 {
			t.Errorf("found %+v", l.found)
		}
	}
}

// The Append that would begin the next segment fails if the full one cannot be synced.
func TestFailedSyncOfAFullSegment(t *testing.T) {
	disk := &failing{Disk: Machine}
	l := &log{T: t, dir: t.TempDir()}
	l.Journal, _, _ = OpenOn(disk, l.dir, 10, nil)
	l.add("long enough")
	number, octets := l.Newest()
	disk.sync = errors.New("broken")
	if n, err := l.Append(list([]string{"more"})); n != 0 || !Lost(err) || l.Holds(number, octets) {
		t.Errorf("%d, %v", n, err)
	}
}

// A segment is not used unless its name is on disk.
func TestFailedSyncOfADirectory(t *testing.T) {
	broken := errors.New("broken")
	for _, remove := range []error{nil, broken} {
		disk := &failing{Disk: Machine, syncDir: broken, remove: remove}
		l := &log{T: t, dir: t.TempDir()}
		l.Journal, _, _ = OpenOn(disk, l.dir, 1000, nil)
		for range 3 {
			if n, err := l.Append(list([]string{"one"})); n != 0 || !errors.Is(err, broken) {
				t.Errorf("%d, %v", n, err)
			}
		}
		disk.syncDir = nil
		l.add("two")
		l = l.again()
		l.holds("two")
		if len(l.found.Bad) != 0 {
			t.Errorf("found %+v", l.found)
		}
	}
}
