// Package journal keeps records in a directory: an append-only log of segment files, made for flash memory and for
// machines whose power is cut.
//
// A segment begins with a magic word; then come records, each its length, the CRC-32C of length and record, and the
// record. New records go to the end of the newest segment, many with one write; a full segment is followed by a new one.
// Nothing is ever written over. What is no longer wanted goes away with whole segments: Trim deletes the oldest ones,
// Rewrite writes all that still counts to new ones and deletes the others.
//
// Reading never fails because of what is in the files, and changes nothing. The newest segment may end in the middle of
// a record or in zeros, which is what a power cut leaves: that tail is not a part of the log, and the next write cuts it
// off. Any other damage makes a segment bad: what can still be read of it counts, and when its turn to be deleted comes
// it is renamed to end in ".bad" instead, for somebody to look at. The owner of a log with a bad segment should Rewrite.
//
// Records may be read twice after a write failed or a Rewrite was cut short, always in their order; an owner whose
// records each say a whole state (of one topic, say) need not care.
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Journal is a log in one directory, which must be its own. It is used by one goroutine at a time.
type Journal struct {
	// Static after Open.
	disk  Disk
	dir   string
	limit int64 // octets in a segment after which a new one is begun

	segments []*segment // from old to new
	active   File       // the newest segment, if it is open to be appended to
	next     uint64     // the number of the next segment
	unsynced bool
	buf      []byte
}

// segment is one file.
type segment struct {
	number  uint64
	octets  int64 // that count: without a torn tail
	records int
	torn    bool // there is a tail to be cut off
	bad     bool
	sealed  bool // it is not appended to any more
}

// Found says what Open has read.
type Found struct {
	Records int
	Torn    int64    // octets of a torn tail, which do not count
	Bad     []string // files with damage in their midst
}

const (
	suffix   = ".log"
	aside    = ".bad"
	maxAside = 3        // so many bad files are kept
	batch    = 64 << 10 // octets in one write; roughly
)

// Open reads the log in dir from its first record to its last. A record's bytes are valid during the call of each. A
// directory that is not there is an empty log; the first Append makes it. limit is how long a segment may be, roughly.
func Open(dir string, limit int64, each func(record []byte)) (*Journal, Found, error) {
	return OpenOn(Machine, dir, limit, func(_ uint64, record []byte) { each(record) })
}

// OpenOn is Open on a disk. It says of each record which segment it is in.
func OpenOn(disk Disk, dir string, limit int64, each func(segment uint64, record []byte)) (*Journal, Found, error) {
	j := &Journal{disk: disk, dir: dir, limit: limit, next: 1}
	var found Found
	entries, err := disk.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, found, fmt.Errorf("open journal: %w", err)
	}
	for _, e := range entries {
		number, ok := segmentNumber(e.Name())
		if !ok {
			continue
		}
		j.next = max(j.next, number+1)
		if e.Type().IsRegular() {
			j.segments = append(j.segments, &segment{number: number})
		}
	}
	slices.SortFunc(j.segments, func(a, b *segment) int { return cmp.Compare(a.number, b.number) })
	for i, s := range j.segments {
		j.read(s, i == len(j.segments)-1, &found, each)
	}
	return j, found, nil
}

// segmentNumber reads the number out of a file's name.
func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 63)
	return number, err == nil && number > 0
}

func (j *Journal) path(number uint64) string {
	return filepath.Join(j.dir, fmt.Sprintf("%010d%s", number, suffix))
}

// read reads one segment; newest says that it may be torn.
func (j *Journal) read(s *segment, newest bool, found *Found, each func(uint64, []byte)) {
	count := func(record []byte) {
		s.records++
		each(s.number, record)
	}
	size, state := int64(0), bad
	if f, err := j.disk.Open(j.path(s.number)); err == nil {
		if size, err = f.Size(); err == nil {
			s.octets, state = scan(f, size, count)
		}
		f.Close()
	}
	found.Records += s.records
	switch {
	case state == torn && newest:
		s.torn = true
		found.Torn += size - s.octets
	case state != whole:
		s.bad, s.sealed, s.octets = true, true, size
		found.Bad = append(found.Bad, j.path(s.number))
	}
}

// Octets returns how long the log is.
func (j *Journal) Octets() (n int64) {
	for _, s := range j.segments {
		n += s.octets
	}
	return n
}

// Records returns how many records are in the log.
func (j *Journal) Records() (n int) {
	for _, s := range j.segments {
		n += s.records
	}
	return n
}

// Newest returns the segment that was appended to last and how long it is; 0 if there is none.
func (j *Journal) Newest() (number uint64, octets int64) {
	if len(j.segments) == 0 {
		return 0, 0
	}
	s := j.segments[len(j.segments)-1]
	return s.number, s.octets
}

// Segment is what there is of a log.
type Segment struct {
	Number uint64
	Octets int64
	Sealed bool // it is not appended to any more
}

// Segments returns all segments, from old to new.
func (j *Journal) Segments() (list []Segment) {
	for _, s := range j.segments {
		list = append(list, Segment{Number: s.number, Octets: s.octets, Sealed: s.sealed})
	}
	return list
}

// Each reads the first so many octets of a segment, whatever state they are in. Unlike all else it may be called by any
// goroutine at any time, as long as these octets are there. A segment that is gone has no records.
func (j *Journal) Each(number uint64, octets int64, each func(record []byte)) error {
	f, err := j.disk.Open(j.path(number))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("read journal: %w", err)
	}
	defer f.Close()
	scan(f, octets, each)
	return nil
}

// Seal has the next Append begin a new segment.
func (j *Journal) Seal() {
	if n := len(j.segments); n > 0 {
		j.segments[n-1].sealed = true
	}
}

// Append adds records to the end of the log. When it fails, the first n of them are there. A record longer than 256 MiB
// is left out.
func (j *Journal) Append(records iter.Seq[[]byte]) (n int, err error) {
	j.buf = j.buf[:0]
	pending := 0
	for record := range records {
		if len(record) <= maxRecord {
			j.buf = appendRecord(j.buf, record)
		}
		pending++
		if len(j.buf) < batch {
			continue
		}
		if err := j.write(pending); err != nil {
			return n, err
		}
		n, pending, j.buf = n+pending, 0, j.buf[:0]
	}
	if len(j.buf) > 0 {
		if err := j.write(pending); err != nil {
			return n, err
		}
	}
	if cap(j.buf) > 2*batch {
		j.buf = nil // a long record came
	}
	return n + pending, nil
}

// write appends buf, which holds so many records, whole or not at all.
func (j *Journal) write(records int) error {
	s, err := j.ready()
	if err != nil {
		return err
	}
	data := j.buf
	if s.octets == 0 {
		data = append([]byte(magic), data...)
	}
	j.unsynced = true
	if _, err := j.active.Write(data); err != nil {
		// A part may be there, and nothing may be written behind it.
		if j.active.Truncate(s.octets) != nil {
			s.sealed = true
			j.deactivate()
		}
		return fmt.Errorf("write journal: %w", err)
	}
	s.octets += int64(len(data))
	s.records += records
	return nil
}

// ready returns the segment to append to, with its file open.
func (j *Journal) ready() (*segment, error) {
	if n := len(j.segments); n > 0 {
		s := j.segments[n-1]
		if s.octets >= j.limit {
			s.sealed = true
		}
		if !s.sealed && (j.active != nil || j.reopen(s)) {
			return s, nil
		}
	}
	if err := j.Sync(); err != nil {
		return nil, err
	}
	j.deactivate()
	return j.begin()
}

// reopen opens the newest segment of an earlier run and cuts off its torn tail.
func (j *Journal) reopen(s *segment) bool {
	f, err := j.disk.Append(j.path(s.number), false)
	if err != nil {
		return false
	}
	if s.torn && f.Truncate(s.octets) != nil {
		f.Close()
		return false
	}
	s.torn = false
	j.active = f
	return true
}

// begin makes a new segment.
func (j *Journal) begin() (*segment, error) {
	if err := j.disk.MkdirAll(j.dir); err != nil {
		return nil, fmt.Errorf("write journal: %w", err)
	}
	s := &segment{number: j.next}
	f, err := j.disk.Append(j.path(s.number), true)
	if err != nil {
		return nil, fmt.Errorf("write journal: %w", err)
	}
	j.next++
	j.active = f
	j.segments = append(j.segments, s)
	j.disk.SyncDir(j.dir)
	if len(j.segments) == 1 {
		j.disk.SyncDir(filepath.Dir(j.dir)) // which may be new in it
	}
	return s, nil
}

// deactivate closes the file that is appended to, if there is one.
func (j *Journal) deactivate() {
	if j.active != nil {
		j.active.Close()
		j.active = nil
	}
}

// Sync returns when all that was appended is on the disk.
func (j *Journal) Sync() error {
	if !j.unsynced || j.active == nil {
		return nil
	}
	j.unsynced = false
	if err := j.active.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	return nil
}

// Trim deletes the oldest segments, as long as at least the newest keep records are left.
func (j *Journal) Trim(keep int) error {
	left := j.Records()
	for len(j.segments) > 0 && left-j.segments[0].records >= keep {
		left -= j.segments[0].records
		if err := j.remove(j.segments[0]); err != nil {
			return err
		}
		j.segments = j.segments[1:]
	}
	return nil
}

// Remove deletes one segment.
func (j *Journal) Remove(number uint64) error {
	i := slices.IndexFunc(j.segments, func(s *segment) bool { return s.number == number })
	if i < 0 {
		return nil
	}
	if err := j.remove(j.segments[i]); err != nil {
		return err
	}
	j.segments = slices.Delete(j.segments, i, i+1)
	return nil
}

// remove deletes the file of a segment, or sets it aside if it is bad.
func (j *Journal) remove(s *segment) error {
	if s == j.segments[len(j.segments)-1] {
		j.deactivate()
	}
	path := j.path(s.number)
	var err error
	if s.bad {
		err = j.disk.Rename(path, path+aside)
		j.thinOut()
	} else {
		err = j.disk.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("trim journal: %w", err)
	}
	return nil
}

// thinOut deletes all but the newest of the bad segments.
func (j *Journal) thinOut() {
	entries, _ := j.disk.ReadDir(j.dir) // sorted by name
	var set []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix+aside) {
			set = append(set, e.Name())
		}
	}
	for len(set) > maxAside {
		j.disk.Remove(filepath.Join(j.dir, set[0]))
		set = set[1:]
	}
}

// Rewrite replaces the whole log by records. When it fails, the log is as it was.
func (j *Journal) Rewrite(records iter.Seq[[]byte]) error {
	old := j.segments
	if len(old) > 0 {
		old[len(old)-1].sealed = true
	}
	_, err := j.Append(records)
	if err == nil {
		err = j.Sync()
	}
	remove := old
	if err != nil {
		remove = j.segments[len(old):]
	}
	remove = slices.Clone(remove)
	for _, s := range remove {
		if failed := j.remove(s); failed != nil {
			return errors.Join(err, failed)
		}
		j.segments = slices.DeleteFunc(j.segments, func(other *segment) bool { return other == s })
	}
	return err
}

// Close syncs and closes the log.
func (j *Journal) Close() error {
	err := j.Sync()
	j.deactivate()
	return err
}
