// Package journal keeps records in a directory: an append-only log of segment files, made for flash memory and for
// machines whose power is cut.
//
// New records go to the end of the newest segment, many with one write; a full segment is followed by a new one. Nothing
// is ever written over. What is no longer wanted goes away with whole segments: Trim deletes the oldest ones, Rewrite
// writes all that still counts to new ones and deletes the others. The octets of a segment are described in format.go.
//
// A failed sync fails everything appended since the last good one. What the disk holds of it is unknown, and a second sync
// would not tell. So these records leave the log, their segment is never synced or appended to again, and the next record
// begins a new one. The error is a LostError, for owners that must append them again.
//
// Reading never fails because of what is in the files, and changes nothing. A damaged record costs itself only: reading
// goes on with the next intact one. A torn tail is what a power cut leaves behind the last record of the newest segment;
// it is not a part of the log, and the next write cuts it off. Any other damage makes a segment bad, and so does a
// segment that is empty, has no header or is shorter than its successor says. When its turn to be deleted comes a bad
// segment is renamed to end in ".bad" instead, to be examined. The owner of a log with a bad segment should Rewrite.
//
// Records may be read twice after a write failed or a Rewrite was cut short, always in their order; an owner whose
// records each say a whole state (of one topic, say) need not care.
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

// Journal is a log in one directory, which must be its own. It is used by one goroutine at a time.
type Journal struct {
	// Static after Open.
	disk  Disk
	dir   string
	limit int64 // octets in a segment after which a new one is begun

	segments []*segment // from old to new
	active   File       // the newest segment, if it is open to be appended to
	next     uint64     // the number of the next segment
	unsynced bool       // something was appended since the last sync
	buf      []byte     // records that are being encoded
}

// segment is one file.
type segment struct {
	number  uint64
	place   *place // nil: not appended to yet
	octets  int64  // that count: without a torn tail
	records int
	torn    bool // there is a tail to be cut off
	bad     bool
	sealed  bool // it is not appended to any more

	synced        int64 // so many octets are on the disk
	syncedRecords int
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

// LostError says that a sync failed. The records appended since the last good one are not in the log any more.
type LostError struct{ Err error }

func (e *LostError) Error() string { return "sync journal: " + e.Err.Error() }
func (e *LostError) Unwrap() error { return e.Err }

// Lost reports whether an error of Append, Rewrite or Sync is a LostError.
func Lost(err error) bool {
	var lost *LostError
	return errors.As(err, &lost)
}

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
	last := len(j.segments) - 1
	for last > 0 && j.onlyBegun(j.segments[last]) {
		last--
	}
	for i, s := range j.segments {
		if i < last {
			j.read(s, j.claimOf(j.segments[i+1], s), &found, each)
		} else {
			j.read(s, newest, &found, each)
		}
	}
	return j, found, nil
}

// onlyBegun reports whether a segment has no header. Then nothing was written to it, and the one before it is the newest.
func (j *Journal) onlyBegun(s *segment) bool {
	header := j.headerOf(s)
	return len(header) < headerSize && begun(string(header))
}

// headerOf returns the first octets of a segment.
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

// What is known of a segment's length before it is read, if it is not a number of octets.
const (
	unknown = -1 - iota // it has a successor
	newest              // it has none, and may be torn
)

// claimOf returns how long next says that s is, or unknown.
func (j *Journal) claimOf(next, s *segment) int64 {
	header := j.headerOf(next)
	if previous, ok := parseHeader(header, next.number); ok && previous.number == s.number {
		return previous.octets
	}
	return unknown
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

// read reads one segment, of which so many octets count.
func (j *Journal) read(s *segment, octets int64, found *Found, each func(uint64, []byte)) {
	count := func(record []byte) {
		s.records++
		each(s.number, record)
	}
	size, r := int64(0), result{condition: bad}
	if f, err := j.disk.Open(j.path(s.number)); err == nil {
		if size, err = f.Size(); err == nil {
			if octets >= 0 {
				size = min(size, octets)
			}
			r = scan(f, s.number, size, count)
		}
		f.Close()
	}
	s.octets, s.sealed = r.good, r.old || octets != newest
	switch {
	case octets == newest && r.condition == torn:
		s.torn = true
		found.Torn += size - r.good
	case r.condition != whole, octets >= 0 && size < octets, octets == unknown && size == 0:
		s.bad, s.sealed, s.octets = true, true, size
		found.Bad = append(found.Bad, j.path(s.number))
	}
	s.synced, s.syncedRecords = s.octets, s.records
	found.Records += s.records
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

// Holds reports whether a segment counts up to an offset. It does not hold what a failed sync has lost.
func (j *Journal) Holds(number uint64, octets int64) bool {
	i := slices.IndexFunc(j.segments, func(s *segment) bool { return s.number == number })
	return i >= 0 && octets <= j.segments[i].octets
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
	scan(f, number, octets, each)
	return nil
}

// Seal has the next Append begin a new segment.
func (j *Journal) Seal() {
	if n := len(j.segments); n > 0 {
		j.segments[n-1].sealed = true
	}
}
