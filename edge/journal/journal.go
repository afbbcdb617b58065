// Package journal keeps records in a directory, as an append-only log of segment files. It is made for flash memory and
// for machines that lose power without warning.
//
// New records go to the end of the newest segment, many in one write. A full segment is followed by a new one. Nothing
// is overwritten. Space is reclaimed by whole segments: Trim deletes the oldest ones, and Rewrite replaces all segments
// by new ones with the records that are still wanted. The byte layout of a segment is described in format.go.
//
// A failed sync fails every record appended since the last successful one. The state of those records on disk is unknown, and
// another sync would not reveal it. They are therefore removed from the log, and their segment is never synced or appended to
// again. The next record begins a new segment. The error is a LostError; the owner must append these records again.
//
// Reading changes nothing and never fails because of the contents of the files. A damaged record costs only itself:
// reading continues at the next intact record. A torn tail is the rest of an interrupted write, which a power cut
// leaves after the last record of the newest segment. It is not part of the log, and the next write cuts it off. Any
// other damage makes a segment bad. So does a segment that is empty, has no header, or is shorter than its
// successor's header says. A bad segment that is due for deletion is renamed to end in ".bad" instead, so that it can
// be examined. The owner of a log with a bad segment should call Rewrite.
//
// Records may be read twice after a failed write or an interrupted Rewrite, but always in order. This is harmless to an
// owner whose records each replace an earlier state, for example that of one topic.
package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Journal is a log in its own directory. It must be used by one goroutine at a time, except for Each.
type Journal struct {
	// Static after Open.
	disk  Disk
	dir   string
	limit int64 // size in bytes at which a segment is full

	segments []*segment // oldest first
	active   File       // the newest segment, while it is open for appending
	next     uint64     // number of the next segment
	unsynced bool       // records were appended since the last sync
	buf      []byte     // encoded records that are not written yet
}

// segment is one file.
type segment struct {
	number  uint64
	place   *place // nil until the segment is appended to
	octets  int64  // valid size, without a torn tail
	records int
	torn    bool // a tail must be cut off before the next write
	bad     bool
	sealed  bool // never appended to again

	synced        int64 // bytes known to be on disk
	syncedRecords int
}

// Found describes the result of Open.
type Found struct {
	Records int
	Torn    int64    // bytes of the torn tail, which are not part of the log
	Bad     []string // paths of damaged segments
}

const (
	suffix      = ".log"
	badSuffix   = ".bad"
	maxBadFiles = 3        // number of bad files to keep
	batch       = 64 << 10 // approximate size of one write in bytes
)

// LostError reports a failed sync. The records appended since the last successful sync are no longer in the log.
type LostError struct{ Err error }

func (e *LostError) Error() string { return "sync journal: " + e.Err.Error() }
func (e *LostError) Unwrap() error { return e.Err }

// Lost reports whether an error of Append, Rewrite or Sync is a LostError.
func Lost(err error) bool {
	var lost *LostError
	return errors.As(err, &lost)
}

// Open reads the log in dir from its first record to its last and calls each for every record. The bytes of a record are
// valid only during that call. A missing directory is an empty log; the first Append creates it. limit is the
// approximate size of a segment in bytes.
func Open(dir string, limit int64, each func(record []byte)) (*Journal, Found, error) {
	return OpenOn(Machine, dir, limit, func(_ uint64, record []byte) { each(record) })
}

// OpenOn is Open on a given Disk. each also gets the number of the segment that holds the record.
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
	last := 0
	for i, s := range slices.Backward(j.segments) {
		if !j.onlyBegun(s) {
			last = i
			break
		}
	}
	for i, s := range j.segments {
		if i < last {
			j.read(s, j.statedSize(j.segments[i+1], s), &found, each)
		} else {
			j.read(s, newest, &found, each)
		}
	}
	return j, found, nil
}

// onlyBegun reports whether a segment has no complete header. Nothing was appended to such a segment, so the one before
// it is the newest.
func (j *Journal) onlyBegun(s *segment) bool {
	header := j.headerOf(s)
	return len(header) < headerSize && beginsHeader(string(header))
}

// headerOf returns the first bytes of a segment, at most the size of a header. An unreadable header is returned as zeros.
func (j *Journal) headerOf(s *segment) []byte {
	header := make([]byte, headerSize)
	f, err := j.disk.Open(j.path(s.number))
	if err != nil {
		return header
	}
	defer f.Close()
	n, _ := f.ReadAt(header, 0)
	return header[:n]
}

// Values for the expected size of a segment that no header states. They are negative, so that no segment is too short for them.
const (
	unknown = -1 - iota // the segment has a successor
	newest              // the segment has no successor and may be torn
)

// statedSize returns the size of s according to the header of the segment after it, or unknown.
func (j *Journal) statedSize(next, s *segment) int64 {
	header := j.headerOf(next)
	if previous, ok := parseHeader(header, next.number); ok && previous.number == s.number {
		return previous.octets
	}
	return unknown
}

// segmentNumber parses the name of a segment file.
func segmentNumber(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 63)
	return number, err == nil && number > 0
}

func (j *Journal) path(number uint64) string {
	return filepath.Join(j.dir, Name(number))
}

// read scans one segment. expected is its size according to its successor, or unknown or newest.
func (j *Journal) read(s *segment, expected int64, found *Found, each func(uint64, []byte)) {
	count := func(record []byte) {
		s.records++
		each(s.number, record)
	}
	size, r := int64(0), result{condition: bad}
	if f, err := j.disk.Open(j.path(s.number)); err == nil {
		if size, err = f.Size(); err == nil {
			if expected >= 0 {
				size = min(size, expected)
			}
			r = scan(f, s.number, size, count)
		}
		f.Close()
	}
	s.octets, s.sealed = r.good, r.old || expected != newest
	switch {
	case expected == newest && r.condition == torn:
		s.torn = true
		found.Torn += size - r.good
	case r.condition != whole, size < expected, expected == unknown && size == 0:
		s.bad, s.sealed, s.octets = true, true, size
		found.Bad = append(found.Bad, j.path(s.number))
	}
	s.synced, s.syncedRecords = s.octets, s.records
	found.Records += s.records
}

// Octets returns the size of the log in bytes.
func (j *Journal) Octets() (n int64) {
	for _, s := range j.segments {
		n += s.octets
	}
	return n
}

// Records returns the number of records in the log.
func (j *Journal) Records() (n int) {
	for _, s := range j.segments {
		n += s.records
	}
	return n
}

// Newest returns the number and the size in bytes of the newest segment. The number is 0 if there is none.
func (j *Journal) Newest() (number uint64, octets int64) {
	if len(j.segments) == 0 {
		return 0, 0
	}
	s := j.segments[len(j.segments)-1]
	return s.number, s.octets
}

// End returns the offset at which the next record will begin in its segment.
func (j *Journal) End() int64 {
	if n := len(j.segments); n > 0 && !j.segments[n-1].sealed {
		return j.segments[n-1].octets
	}
	return int64(headerSize)
}

// Segment describes one segment of a log.
type Segment struct {
	Number uint64
	Octets int64
	Sealed bool // never appended to again
}

// Holds reports whether the log includes the first octets bytes of a segment. Records lost by a failed sync are not included.
func (j *Journal) Holds(number uint64, octets int64) bool {
	i := slices.IndexFunc(j.segments, func(s *segment) bool { return s.number == number })
	return i >= 0 && octets <= j.segments[i].octets
}

// Segments returns all segments, oldest first.
func (j *Journal) Segments() (list []Segment) {
	for _, s := range j.segments {
		list = append(list, Segment{Number: s.number, Octets: s.octets, Sealed: s.sealed})
	}
	return list
}

// Each reads the intact records in the first octets bytes of a segment. Unlike the other methods, it may be called from
// any goroutine at any time, provided that these bytes have been written. A segment that was deleted has no records.
func (j *Journal) Each(number uint64, octets int64, each func(record []byte)) error {
	f, err := j.disk.Open(j.path(number))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("read journal: %w", err)
	}
	defer f.Close()
	scan(f, number, octets, each)
	return nil
}

// Seal makes the next Append begin a new segment.
func (j *Journal) Seal() {
	if n := len(j.segments); n > 0 {
		j.segments[n-1].sealed = true
	}
}

// Name returns the file name of the segment with a number.
func Name(number uint64) string { return fmt.Sprintf("%010d%s", number, suffix) }
