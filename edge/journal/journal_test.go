package journal

import (
	"bytes"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// log is a journal with the records that Open has read.
type log struct {
	*testing.T
	*Journal
	dir   string
	found Found
	read  []string
}

func open(t *testing.T, dir string, limit int64) *log {
	t.Helper()
	l := &log{T: t, dir: dir}
	var err error
	l.Journal, l.found, err = Open(dir, limit, func(record []byte) { l.read = append(l.read, string(record)) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Journal.Close() })
	return l
}

// again closes and reopens the log, as after a restart.
func (l *log) again() *log {
	l.Helper()
	if err := l.Journal.Close(); err != nil {
		l.Fatal(err)
	}
	return open(l.T, l.dir, l.limit)
}

func (l *log) add(records ...string) {
	l.Helper()
	if n, err := l.Append(list(records)); err != nil || n != len(records) {
		l.Fatalf("appended %d of %d records: %v", n, len(records), err)
	}
}

func list(records []string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, r := range records {
			if !yield([]byte(r)) {
				return
			}
		}
	}
}

func (l *log) holds(want ...string) {
	l.Helper()
	if !slices.Equal(l.read, want) {
		l.Fatalf("the log has the records %.200q, want %.200q", l.read, want)
	}
}

// files returns the names of the segments and of the files renamed as bad.
func (l *log) files() (names []string) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		l.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// edit changes the contents of the newest segment.
func (l *log) edit(change func(data []byte) []byte) {
	l.Helper()
	names := l.files()
	l.editFile(names[len(names)-1], change)
}

func (l *log) editFile(name string, change func(data []byte) []byte) {
	l.Helper()
	path := filepath.Join(l.dir, name)
	data, err := os.ReadFile(path)
	if err != nil {
		l.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		l.Fatal(err)
	}
}

func TestRecordsStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "log")
	l := open(t, dir, 1<<20)
	l.holds()
	if len(l.segments) != 0 {
		t.Fatal("an empty log has segments")
	}
	l.add("one", "", strings.Repeat("x", 300_000))
	l.add("two")
	l = l.again()
	l.holds("one", "", strings.Repeat("x", 300_000), "two")
	l.add("three")
	if n := l.files(); len(n) != 1 {
		t.Errorf("a restart began a new segment: %v", n)
	}
	l = l.again()
	if l.read[4] != "three" || l.Records() != 5 || l.found.Records != 5 {
		t.Errorf("%d records, found %+v", l.Records(), l.found)
	}
	info, err := os.Stat(filepath.Join(dir, l.files()[0]))
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != l.Octets() {
		t.Errorf("%v, %v; the log reports %d bytes", info, err, l.Octets())
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v", info.Mode())
	}
}

// An incomplete write at the end of the log is not read, and the next write removes it.
func TestTail(t *testing.T) {
	const second = headSize + len("second") + tailSize
	for name, cut := range map[string]func([]byte) []byte{
		"in the record":     func(b []byte) []byte { return b[:len(b)-3] },
		"in the head":       func(b []byte) []byte { return b[:len(b)-second+3] },
		"zeros behind":      func(b []byte) []byte { return append(b[:len(b)-second], make([]byte, 200_000)...) },
		"few zeros":         func(b []byte) []byte { return append(b[:len(b)-second], 0, 0, 0) },
		"zeros in place":    func(b []byte) []byte { clear(b[len(b)-second:]); return b },
		"zeros in the last": func(b []byte) []byte { clear(b[len(b)-6:]); return b },
		"zeros in the head": func(b []byte) []byte { clear(b[len(b)-second+2:]); return b },
		"the last zero":     func(b []byte) []byte { clear(b[len(b)-second+5:]); return b },
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, t.TempDir(), 1<<20)
			l.add("first", "second")
			l.edit(cut)
			l = l.again()
			l.holds("first")
			if l.found.Torn == 0 || len(l.found.Bad) != 0 {
				t.Errorf("found %+v", l.found)
			}
			l = l.again() // reading changes nothing
			l.holds("first")
			l.add("third")
			l = l.again()
			l.holds("first", "third")
			if l.found.Torn != 0 || len(l.files()) != 1 {
				t.Errorf("found %+v in %v", l.found, l.files())
			}
		})
	}
}

// A segment with an incomplete header is not damage.
func TestBegun(t *testing.T) {
	for _, n := range []int{0, 3, len(magic), headerSize - 1, headerSize} {
		for _, zeroed := range []int{0, 1, headerSize - n, 5000} {
			l := open(t, t.TempDir(), 1<<20)
			l.add("first")
			l.edit(func(b []byte) []byte {
				if n+zeroed > headerSize && n < headerSize {
					return b[:0]
				}
				return append(b[:n], make([]byte, zeroed)...)
			})
			l = l.again()
			l.holds()
			if len(l.found.Bad) != 0 {
				t.Errorf("found %+v", l.found)
			}
			l.add("second")
			l.again().holds("second")
		}
	}
}

// A flipped bit costs only the record that it is in. All other records are read, and Rewrite keeps the damaged file.
func TestDamage(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   string
	}{
		"in a record":         {func(b []byte) []byte { b[bytes.Index(b, []byte("bb"))] ^= 4; return b }, "a c d"},
		"in a checksum":       {func(b []byte) []byte { b[bytes.Index(b, []byte("bb"))-1] ^= 4; return b }, "a c d"},
		"in the first":        {func(b []byte) []byte { b[bytes.Index(b, []byte("aa"))] ^= 4; return b }, "bb c d"},
		"in a length":         {func(b []byte) []byte { b[bytes.Index(b, []byte("bb"))-8] ^= 4; return b }, "a c d"},
		"in a high length":    {func(b []byte) []byte { b[bytes.Index(b, []byte("bb"))-5] ^= 4; return b }, "a c d"},
		"in the last":         {func(b []byte) []byte { b[len(b)-7] ^= 4; return b }, "a bb c"},
		"in the last length":  {func(b []byte) []byte { b[len(b)-14] ^= 4; return b }, "a bb c"},
		"in the magic":        {func(b []byte) []byte { b[0] ^= 4; return b }, "a bb c d"},
		"in the header":       {func(b []byte) []byte { b[12] ^= 4; return b }, "a bb c d"},
		"no header":           {func(b []byte) []byte { clear(b[:headerSize]); return b }, "a bb c d"},
		"zeros in the midst":  {func(b []byte) []byte { i := bytes.Index(b, []byte("bb")); clear(b[i-8 : i+10]); return b }, "a d"},
		"all zeros":           {func(b []byte) []byte { clear(b); return b }, ""},
		"a strange file":      {func([]byte) []byte { return bytes.Repeat([]byte("what is this?"), 1000) }, ""},
		"shorter than a head": {func([]byte) []byte { return []byte("?") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := open(t, t.TempDir(), 1<<20)
			l.add("aa", "bb", "c", "d")
			l.edit(c.change)
			l = l.again()
			want := strings.Fields(strings.Replace(c.want, "a ", "aa ", 1))
			l.holds(want...)
			if len(l.found.Bad) != 1 || l.found.Torn != 0 {
				t.Errorf("found %+v", l.found)
			}
			l.add("e")
			l = l.again()
			l.holds(append(want, "e")...)
			if err := l.Rewrite(list(l.read)); err != nil {
				t.Fatal(err)
			}
			l = l.again()
			l.holds(append(want, "e")...)
			if names := l.files(); len(l.found.Bad) != 0 || len(names) != 2 || !strings.HasSuffix(names[0], ".log.bad") {
				t.Errorf("found %+v in %v", l.found, names)
			}
		})
	}
}

func TestFewBadFilesAreKept(t *testing.T) {
	l := open(t, t.TempDir(), 1<<20)
	for i := range 3 * maxBadFiles {
		l.add(fmt.Sprint(i), "x", "y")
		l.edit(func(b []byte) []byte { b[headerSize+headSize] ^= 1; return b })
		l = l.again()
		if err := l.Rewrite(list([]string{"z"})); err != nil {
			t.Fatal(err)
		}
	}
	if names := l.files(); len(names) != maxBadFiles+1 {
		t.Errorf("files: %v", names)
	}
}

func TestSegments(t *testing.T) {
	l := open(t, t.TempDir(), 1000)
	var all []string
	for i := range 100 {
		all = append(all, fmt.Sprintf("%03d", i)+strings.Repeat("x", 97))
		l.add(all[i])
	}
	if n := len(l.files()); n < 8 || n > 14 {
		t.Fatalf("%d segments for 11,300 bytes", n)
	}
	for _, keep := range []int{100, 91, 55, 7} {
		if err := l.Trim(keep); err != nil {
			t.Fatal(err)
		}
		if l.Records() < keep || l.Records() > keep+12 {
			t.Errorf("%d records are left, want %d", l.Records(), keep)
		}
		l = l.again()
		l.holds(all[100-l.Records():]...)
	}
	l.add("more")
	if err := l.Trim(0); err != nil || len(l.files()) != 0 || l.Octets() != 0 {
		t.Errorf("%v; %v and %d bytes are left", err, l.files(), l.Octets())
	}
	l.add("again")
	l = l.again()
	l.holds("again")
}

// Only the newest segment can be torn. An older segment that ends within a record is damaged.
func TestTornInTheMidst(t *testing.T) {
	l := open(t, t.TempDir(), 10)
	l.add("first, long enough")
	l.add("second, long enough")
	l.editFile(l.files()[0], func(b []byte) []byte { return b[:len(b)-1] })
	l = l.again()
	l.holds("second, long enough")
	if len(l.found.Bad) != 1 {
		t.Errorf("found %+v", l.found)
	}
}

func TestRewrite(t *testing.T) {
	l := open(t, t.TempDir(), 1000)
	for i := range 50 {
		l.add(fmt.Sprint("garbage ", i, strings.Repeat("x", 50)))
	}
	if err := l.Rewrite(list([]string{"live 1", "live 2"})); err != nil {
		t.Fatal(err)
	}
	if len(l.files()) != 1 || l.Records() != 2 {
		t.Errorf("%d records in %v", l.Records(), l.files())
	}
	l.add("live 3")
	l = l.again()
	l.holds("live 1", "live 2", "live 3")
	if err := l.Rewrite(list(nil)); err != nil || len(l.files()) != 0 {
		t.Errorf("%v: %v is left of an empty log", err, l.files())
	}
}

// A log in a directory that cannot be written to can be read, and Append returns the cause. Once the directory is
// writable, the log works again.
func TestNoPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(filepath.Join(file, "log"), 1000, nil); err == nil {
		t.Error("opened a log below a regular file")
	}
	parent := filepath.Join(t.TempDir(), "parent")
	l := open(t, filepath.Join(parent, "log"), 1000)
	if err := os.WriteFile(parent, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Append(list([]string{"one"})); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
	os.Remove(parent)
	l.add("two")
	l.again().holds("two")
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	unprivileged(t, dir)
	l := open(t, dir, 10)
	l.add("first, long enough")
	if err := os.Chmod(l.dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(l.dir, 0o700)
	l = l.again()
	l.holds("first, long enough")
	if n, err := l.Append(list([]string{"second"})); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := l.Trim(0); err == nil {
		t.Error("a file was removed")
	}
	os.Chmod(l.dir, 0o700)
	l.add("third")
	l.again().holds("first, long enough", "third")
}
