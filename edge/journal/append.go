package journal

import (
	"fmt"
	"iter"
	"path/filepath"
	"slices"
)

// Append adds records to the end of the log. If it fails, the first n of them have been appended, unless the error is a
// LostError. Records longer than 256 MiB are skipped.
func (j *Journal) Append(records iter.Seq[[]byte]) (n int, err error) {
	pending := 0
	for record := range records {
		if err := j.add(record); err != nil {
			return n, err
		}
		if pending++; len(j.buf) < batch {
			continue
		}
		if err := j.write(pending); err != nil {
			return n, err
		}
		n, pending = n+pending, 0
	}
	if err := j.write(pending); err != nil {
		return n, err
	}
	if cap(j.buf) > 2*batch {
		j.buf = nil // do not keep the memory of a long record
	}
	return n + pending, nil
}

// add encodes a record into buf, for the segment that it will be written to.
func (j *Journal) add(record []byte) error {
	if len(record) > maxRecord {
		return nil
	}
	if len(j.buf) == 0 {
		if err := j.prepare(); err != nil {
			return err
		}
	}
	s := j.segments[len(j.segments)-1]
	j.buf = appendRecord(j.buf, s.place, s.octets+int64(len(j.buf)), record)
	return nil
}

// write appends buf, which holds the given number of records, completely or not at all.
func (j *Journal) write(records int) error {
	if len(j.buf) == 0 {
		return nil
	}
	data := j.buf
	j.buf = j.buf[:0]
	s := j.segments[len(j.segments)-1]
	j.unsynced = true
	if _, err := j.active.Write(data); err != nil {
		// A part of the data may have been written. No data may follow it.
		if j.active.Truncate(s.octets) != nil {
			s.sealed = true
		}
		return fmt.Errorf("write journal: %w", err)
	}
	s.octets += int64(len(data))
	s.records += records
	return nil
}

// prepare makes sure that the newest segment is open and has room for another record.
func (j *Journal) prepare() error {
	j.dropBegun()
	if n := len(j.segments); n > 0 {
		s := j.segments[n-1]
		if s.octets >= j.limit {
			s.sealed = true
		}
		if j.active == nil && (s.torn || !s.sealed) {
			if err := j.reopen(s); err != nil {
				return fmt.Errorf("write journal: %w", err)
			}
		}
		if !s.sealed {
			return nil
		}
	}
	if err := j.Sync(); err != nil {
		return err
	}
	j.deactivate()
	return j.begin()
}

// dropBegun deletes the newest segments that have no records. Their names may be missing on disk.
func (j *Journal) dropBegun() {
	for n := len(j.segments); n > 0 && j.active == nil; n-- {
		s := j.segments[n-1]
		if s.bad || s.records > 0 || s.octets > int64(headerSize) || j.disk.Remove(j.path(s.number)) != nil {
			return
		}
		j.segments = j.segments[:n-1]
	}
}

// reopen opens the newest segment of an earlier run and cuts off its torn tail. A segment that cannot be opened is
// sealed if it has no torn tail.
func (j *Journal) reopen(s *segment) error {
	if err := j.disk.SyncDir(j.dir); err != nil {
		return err // without this sync, a deleted newer segment may reappear after a power cut
	}
	f, err := j.disk.Append(j.path(s.number), false)
	if err != nil && !s.torn {
		s.sealed = true
		return nil
	}
	if err != nil {
		return err
	}
	if s.torn {
		if err := f.Truncate(s.octets); err != nil {
			f.Close()
			return err
		}
	}
	s.torn, s.place, s.sealed = false, newPlace(s.number), s.sealed || s.records == 0
	j.active, j.unsynced = f, true
	return nil
}

// begin creates a new segment. Its header is on disk before any record is written, so a segment of zeros is damaged and
// not torn.
func (j *Journal) begin() error {
	if err := j.disk.MkdirAll(j.dir); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	s := &segment{number: j.next, place: newPlace(j.next)}
	f, err := j.disk.Append(j.path(s.number), true)
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	j.next++
	j.segments = append(j.segments, s)
	if err = j.writeHeader(f, s); err == nil {
		err = j.syncNames()
	}
	if err == nil {
		j.active = f
		return nil
	}
	f.Close()
	s.sealed = true
	if j.disk.Remove(j.path(s.number)) == nil {
		j.segments = j.segments[:len(j.segments)-1]
	}
	return fmt.Errorf("write journal: %w", err)
}

// writeHeader writes and syncs the header of a segment.
func (j *Journal) writeHeader(f File, s *segment) error {
	var previous predecessor
	if i := slices.Index(j.segments, s); i > 0 {
		previous = predecessor{j.segments[i-1].number, j.segments[i-1].octets}
	}
	header := appendHeader(nil, s.number, previous)
	if _, err := f.Write(header); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	s.octets = int64(len(header))
	s.synced = s.octets
	return nil
}

// syncNames syncs the directory entry of a new segment, and that of the directory itself if it may be new.
func (j *Journal) syncNames() error {
	err := j.disk.SyncDir(j.dir)
	if err == nil && len(j.segments) == 1 {
		err = j.disk.SyncDir(filepath.Dir(j.dir))
	}
	return err
}

// deactivate closes the active file, if there is one.
func (j *Journal) deactivate() {
	if j.active != nil {
		j.active.Close()
		j.active = nil
	}
}

// Sync returns once all appended records are on disk. After a LostError the log is as it was after the last successful sync.
func (j *Journal) Sync() error {
	if !j.unsynced || j.active == nil {
		return nil
	}
	j.unsynced = false
	s := j.segments[len(j.segments)-1]
	if err := j.active.Sync(); err != nil {
		j.discardUnsynced(s)
		return &LostError{err}
	}
	s.synced, s.syncedRecords = s.octets, s.records
	return nil
}

// discardUnsynced seals the newest segment and removes all records from it that are not known to be on disk.
func (j *Journal) discardUnsynced(s *segment) {
	s.octets, s.records, s.sealed = s.synced, s.syncedRecords, true
	j.active.Truncate(s.octets) // if this fails, the header of the next segment states the valid size
	j.deactivate()
}

// Close syncs and closes the log.
func (j *Journal) Close() error {
	err := j.Sync()
	j.deactivate()
	return err
}
