package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// openOn opens a log on a disk that counts and fails.
func openOn(t *testing.T, disk *failing, dir string, limit int64) *log {
	t.Helper()
	l := &log{T: t, dir: dir}
	var err error
	l.Journal, l.found, err = OpenOn(disk, dir, limit, func(_ uint64, record []byte) { l.read = append(l.read, string(record)) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Journal.Close() })
	return l
}

func TestMachineDirectories(t *testing.T) {
	top := t.TempDir()
	deep := filepath.Join(top, "a", "b", "c")
	if err := Machine.MkdirAll(deep); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(deep); err != nil || !info.IsDir() {
		t.Errorf("%v, %v", info, err)
	}
	if err := Machine.MkdirAll(deep); err != nil {
		t.Errorf("an existing directory: %v", err)
	}
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "a"), filepath.Join(file, "a", "b")} {
		if err := Machine.MkdirAll(dir); err == nil {
			t.Errorf("%s was made below a file", dir)
		}
	}
	f, err := Machine.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	if size, err := f.Size(); size != 5 || err != nil {
		t.Errorf("%d bytes, %v", size, err)
	}
	f.Close()
	if size, err := f.Size(); size != 0 || err == nil {
		t.Errorf("a closed file has %d bytes, %v", size, err)
	}
}

// The names of all new directories are on disk before a file is made below them.
func TestNewDirectoriesAreSynced(t *testing.T) {
	top := t.TempDir()
	var synced []string
	sync := func(dir string) error {
		synced = append(synced, strings.TrimPrefix(dir, top))
		return nil
	}
	for _, c := range []struct {
		dir  string
		want []string
	}{{"a/b/c", []string{"", "/a", "/a/b"}}, {"a/b/c", nil}, {"a/b/d", []string{"/a/b"}}} {
		synced = nil
		if err := mkdirAll(filepath.Join(top, c.dir), sync); err != nil || !slices.Equal(synced, c.want) {
			t.Errorf("%s: %q were synced, want %q, %v", c.dir, synced, c.want, err)
		}
	}
	failure := errors.New("full")
	if err := mkdirAll(filepath.Join(top, "e/f"), func(string) error { return failure }); err != failure {
		t.Errorf("error is %v", err)
	}
}

// One file at a time is open for appending, and each file that is read is closed again.
func TestFilesAreClosed(t *testing.T) {
	disk := &failing{Disk: Machine}
	l := openOn(t, disk, t.TempDir(), 200)
	for range 20 {
		l.add("a record of some length")
	}
	if disk.open != 1 || disk.appends != len(l.files()) || disk.appends < 3 {
		t.Errorf("%d files are open, %d were opened for %d segments", disk.open, disk.appends, len(l.files()))
	}
	l = openOn(t, disk, l.dir, 200)
	if disk.open != 1 {
		t.Errorf("%d files are open after reading", disk.open)
	}
	n, octets := l.Newest()
	if err := l.Each(n, octets, func([]byte) {}); err != nil || disk.open != 1 {
		t.Errorf("%d files are open after Each: %v", disk.open, err)
	}
	if err := l.Trim(0); err != nil {
		t.Fatal(err)
	}
	l.add("one")
	if disk.open != 2 {
		t.Errorf("%d files are open after Trim", disk.open)
	}
	if err := l.Close(); err != nil || disk.open != 1 {
		t.Errorf("%d files are open after Close: %v", disk.open, err)
	}
}

// A segment that cannot be begun is neither kept open nor kept on disk.
func TestFailedBegin(t *testing.T) {
	broken := errors.New("broken")
	disk := &failing{Disk: Machine, sync: broken}
	l := openOn(t, disk, t.TempDir(), 1000)
	for range 3 {
		if n, err := l.Append(list([]string{"one"})); n != 0 || !errors.Is(err, broken) {
			t.Errorf("%d, %v", n, err)
		}
	}
	if disk.open != 0 || len(l.files()) != 0 || l.Records() != 0 {
		t.Errorf("%d files are open, %v are left", disk.open, l.files())
	}
	disk.sync, disk.write = nil, broken
	if n, err := l.Append(list([]string{"one"})); n != 0 || !errors.Is(err, broken) || disk.open != 0 || len(l.files()) != 0 {
		t.Errorf("a header that cannot be written: %d, %v; %d files are open, %v are left", n, err, disk.open, l.files())
	}
	disk.sync, disk.write = broken, nil
	disk.remove = broken // now the remains stay, and the next header says that they have no records
	if _, err := l.Append(list([]string{"one"})); !errors.Is(err, broken) {
		t.Error(err)
	}
	disk.sync = nil
	l.add("two")
	l = l.again()
	l.holds("two")
	if len(l.found.Bad) != 0 {
		t.Errorf("found %+v", l.found)
	}
}

// The journal never syncs the same data twice.
func TestSyncsOnce(t *testing.T) {
	disk := &failing{Disk: Machine}
	l := openOn(t, disk, t.TempDir(), 1000)
	if err := l.Sync(); err != nil || disk.syncs != 0 {
		t.Errorf("an empty log was synced %d times: %v", disk.syncs, err)
	}
	l.add("one")
	l.Sync()
	syncs := disk.syncs
	if err := l.Sync(); err != nil || disk.syncs != syncs {
		t.Errorf("%d syncs where nothing was appended: %v", disk.syncs-syncs, err)
	}
	l.add("two")
	if err := l.Sync(); err != nil || disk.syncs != syncs+1 {
		t.Errorf("%d syncs for one record: %v", disk.syncs-syncs, err)
	}
	number, octets := l.Newest()
	l.add("three")
	if err := l.Remove(number); err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(); err != nil || l.Holds(number, octets) {
		t.Errorf("after the removal of all segments: %v", err)
	}
}

// An error of the journal's directory counts, although its parent directory can be synced.
func TestFailedSyncOfTheOwnDirectory(t *testing.T) {
	broken := errors.New("broken")
	disk := &ownDirFails{failing: &failing{Disk: Machine}, err: broken}
	dir := filepath.Join(t.TempDir(), "log")
	disk.dir = dir
	j, _, err := OpenOn(disk, dir, 1000, func(uint64, []byte) {})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := j.Append(list([]string{"one"})); n != 0 || !errors.Is(err, broken) {
		t.Errorf("%d, %v", n, err)
	}
	disk.dir = filepath.Dir(dir)
	if n, err := j.Append(list([]string{"one"})); n != 0 || !errors.Is(err, broken) {
		t.Errorf("the parent directory: %d, %v", n, err)
	}
	disk.dir = ""
	if n, err := j.Append(list([]string{"one"})); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

type ownDirFails struct {
	*failing
	dir string
	err error
}

func (d *ownDirFails) SyncDir(dir string) error {
	if dir == d.dir {
		return d.err
	}
	return d.failing.SyncDir(dir)
}

// A torn tail that cannot be cut off is an error of Append. The log continues once it can be.
func TestTornTailThatStays(t *testing.T) {
	broken := errors.New("broken")
	for _, fail := range []failing{{append: broken}, {truncate: broken}, {syncDir: broken}} {
		l := open(t, t.TempDir(), 1<<20)
		l.add("first", "second")
		l.edit(func(b []byte) []byte { return b[:len(b)-3] })
		l.Journal.Close()
		disk := fail
		disk.Disk = Machine
		l = openOn(t, &disk, l.dir, 1<<20)
		for range 2 {
			if n, err := l.Append(list([]string{"third"})); n != 0 || !errors.Is(err, broken) || disk.open != 0 {
				t.Errorf("%+v: %d records, %v; %d files are open", fail, n, err, disk.open)
			}
		}
		disk = failing{Disk: Machine}
		l.add("third")
		l = l.again()
		l.holds("first", "third")
		if len(l.files()) != 1 || l.found.Torn != 0 || len(l.found.Bad) != 0 {
			t.Errorf("found %+v in %v", l.found, l.files())
		}
	}
}

// A whole segment that cannot be opened is left alone, and the next one is begun.
func TestNewestCannotBeOpened(t *testing.T) {
	l := open(t, t.TempDir(), 1<<20)
	l.add("first")
	l.Journal.Close()
	disk := &openOnce{failing: &failing{Disk: Machine}}
	j, _, err := OpenOn(disk, l.dir, 1<<20, func(uint64, []byte) {})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := j.Append(list([]string{"second"})); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	j.Close()
	l = open(t, l.dir, 1<<20)
	l.holds("first", "second")
	if len(l.files()) != 2 {
		t.Errorf("files: %v", l.files())
	}
}

// openOnce is a disk on which no existing file can be appended to.
type openOnce struct{ *failing }

func (d *openOnce) Append(name string, create bool) (File, error) {
	if !create {
		return nil, fs.ErrPermission
	}
	return d.failing.Append(name, create)
}

// A segment that has reached the limit exactly is full.
func TestFullSegment(t *testing.T) {
	l := open(t, t.TempDir(), int64(headerSize+headSize+1+tailSize))
	l.add("x")
	l.add("y")
	if segments := l.Segments(); len(segments) != 2 || !segments[0].Sealed || segments[1].Sealed {
		t.Errorf("%+v", segments)
	}
	l.Seal()
	if segments := l.Segments(); !segments[1].Sealed {
		t.Errorf("%+v after Seal", segments)
	}
	l.add("z")
	if n := len(l.Segments()); n != 3 {
		t.Errorf("%d segments after Seal", n)
	}
}

func TestRemove(t *testing.T) {
	disk := &failing{Disk: Machine}
	l := openOn(t, disk, t.TempDir(), 10)
	for _, record := range []string{"first, long enough", "second, long enough", "third, long enough"} {
		l.add(record)
	}
	if err := l.Remove(99); err != nil || len(l.files()) != 3 {
		t.Errorf("an unknown segment: %v, %v", err, l.files())
	}
	disk.remove = errors.New("broken")
	if err := l.Remove(1); !errors.Is(err, disk.remove) || !l.Holds(1, 1) || len(l.Segments()) != 3 {
		t.Errorf("a failed removal: %v, %+v", err, l.Segments())
	}
	if err := l.Trim(0); !errors.Is(err, disk.remove) || len(l.Segments()) != 3 {
		t.Errorf("a failed removal by Trim: %v, %+v", err, l.Segments())
	}
	disk.remove = fs.ErrNotExist // removed by another program
	if err := l.Remove(1); err != nil || len(l.Segments()) != 2 {
		t.Errorf("a file that is gone: %v, %+v", err, l.Segments())
	}
	disk.remove = nil
	if err := l.Remove(2); err != nil || len(l.Segments()) != 1 || l.Records() != 1 {
		t.Errorf("%v, %+v", err, l.Segments())
	}
	if err := l.Each(2, 1000, func([]byte) { t.Error("a record of a removed segment") }); err != nil {
		t.Error(err)
	}
}

// If a bad segment cannot be renamed, it stays in the log, and Rewrite reports it.
func TestBadSegmentThatStays(t *testing.T) {
	disk := &failing{Disk: Machine}
	l := openOn(t, disk, t.TempDir(), 1<<20)
	l.add("one", "two")
	l.Journal.Close()
	l.edit(func(b []byte) []byte { b[headerSize+headSize] ^= 1; return b })
	l = openOn(t, disk, l.dir, 1<<20)
	l.holds("two")
	disk.rename = errors.New("broken")
	if err := l.Rewrite(list([]string{"three"})); !errors.Is(err, disk.rename) {
		t.Error(err)
	}
	l = l.again()
	l.holds("two", "three")
}

// A Rewrite that fails leaves the log as it was; an empty log can be rewritten.
func TestFailedRewrite(t *testing.T) {
	disk := &failing{Disk: Machine}
	l := openOn(t, disk, t.TempDir(), 1<<20)
	if err := l.Rewrite(list(nil)); err != nil || len(l.Segments()) != 0 {
		t.Errorf("an empty log: %v", err)
	}
	if err := l.Rewrite(list([]string{"one"})); err != nil || l.Records() != 1 {
		t.Errorf("an empty log: %v", err)
	}
	disk.sync = errors.New("broken")
	if err := l.Rewrite(list([]string{"two"})); !errors.Is(err, disk.sync) || l.Records() != 1 || len(l.Segments()) != 1 {
		t.Errorf("%v, %+v", err, l.Segments())
	}
	disk.sync = nil
	l.add("three")
	l.again().holds("one", "three")
}

// A header's statement about the segment before it applies to that segment only. A missing segment costs its own records.
func TestMissingSegment(t *testing.T) {
	l := open(t, t.TempDir(), 30)
	records := []string{"first, and by far the longest of the three", "second", "third"}
	for _, record := range records {
		l.add(record)
		l.Seal()
	}
	if err := os.Remove(filepath.Join(l.dir, l.files()[1])); err != nil {
		t.Fatal(err)
	}
	l = l.again()
	l.holds(records[0], records[2])
	if len(l.found.Bad) != 0 || l.found.Torn != 0 {
		t.Errorf("found %+v", l.found)
	}
}

// Names that no segment has are left alone.
func TestOtherFiles(t *testing.T) {
	l := open(t, t.TempDir(), 1000)
	l.add("one")
	others := []string{"0.log", "0000000000.log", "-1.log", "x.log", "3", "notes.txt"}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(l.dir, "0000000005.log"), 0o700); err != nil {
		t.Fatal(err)
	}
	l = l.again()
	l.holds("one")
	l.Seal()
	l.add("two")
	if names := l.files(); !slices.Contains(names, "0000000006.log") || len(l.found.Bad) != 0 || len(names) != len(others)+3 {
		t.Errorf("found %+v in %v", l.found, names)
	}
}

// A part of a failed write is cut off before the next one. If it can't be cut off, the next record begins a new segment.
func TestFailedWrite(t *testing.T) {
	broken := errors.New("broken")
	for segments, truncate := range map[int]error{1: nil, 2: broken} {
		disk := &failing{Disk: Machine}
		l := openOn(t, disk, t.TempDir(), 1<<20)
		l.add("one")
		disk.write, disk.truncate = broken, truncate
		if n, err := l.Append(list([]string{"lost"})); n != 0 || !errors.Is(err, broken) || l.Records() != 1 {
			t.Errorf("%d, %v; %d records", n, err, l.Records())
		}
		disk.write, disk.truncate = nil, nil
		l.add("two")
		if n := len(l.Segments()); n != segments {
			t.Errorf("%d segments, want %d", n, segments)
		}
		l = l.again()
		l.holds("one", "two")
		if len(l.found.Bad) != 0 || l.found.Torn != 0 {
			t.Errorf("found %+v", l.found)
		}
	}
}

// failedFirstSync returns a log whose only record may not be on disk, as its sync has failed. The disk still fails.
func failedFirstSync(t *testing.T) (*failing, *log) {
	t.Helper()
	disk := &failing{Disk: Machine}
	l := openOn(t, disk, t.TempDir(), 1000)
	l.add("one")
	disk.sync = errors.New("broken")
	if err := l.Sync(); !Lost(err) {
		t.Fatal(err)
	}
	return disk, l
}

// A segment of which no record is known to be on disk is deleted.
func TestFailedFirstSync(t *testing.T) {
	disk, l := failedFirstSync(t)
	disk.sync = nil
	if l.add("two"); len(l.files()) != 1 {
		t.Errorf("%v are left", l.files())
	}
	l = l.again()
	l.holds("two")
}

// Close reports that the last records may not be on disk.
func TestFailedSyncAtTheEnd(t *testing.T) {
	disk := &failing{Disk: Machine}
	l := openOn(t, disk, t.TempDir(), 1000)
	l.add("one")
	disk.sync = errors.New("broken")
	if err := l.Close(); !Lost(err) || disk.open != 0 {
		t.Errorf("%v; %d files are open", err, disk.open)
	}
}

// Seal has nothing to do in an empty log.
func TestSealOfAnEmptyLog(t *testing.T) {
	l := open(t, t.TempDir(), 1000)
	l.Seal()
	l.add("one")
	l = l.again()
	l.holds("one")
}
