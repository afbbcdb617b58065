package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"
)

// Trim deletes the oldest segments as long as at least keep records remain.
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

// Remove deletes the segment with the given number. It does nothing if there is none.
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

// remove deletes the file of a segment. A bad segment is renamed instead.
func (j *Journal) remove(s *segment) error {
	if s == j.segments[len(j.segments)-1] {
		j.deactivate()
		j.unsynced = false
	}
	path := j.path(s.number)
	var err error
	if s.bad {
		err = j.disk.Rename(path, path+badSuffix)
		j.pruneBad()
	} else {
		err = j.disk.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("trim journal: %w", err)
	}
	return nil
}

// pruneBad deletes all but the newest of the files that were renamed as bad.
func (j *Journal) pruneBad() {
	entries, _ := j.disk.ReadDir(j.dir) // sorted by name
	var set []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix+badSuffix) {
			set = append(set, e.Name())
		}
	}
	for len(set) > maxBadFiles {
		j.disk.Remove(filepath.Join(j.dir, set[0]))
		set = set[1:]
	}
}

// Rewrite replaces the whole log by the given records. If it fails, the log is unchanged.
func (j *Journal) Rewrite(records iter.Seq[[]byte]) error {
	old := slices.Clone(j.segments) // Append may delete some of them (dropBegun)
	if len(old) > 0 {
		old[len(old)-1].sealed = true
	}
	_, err := j.Append(records)
	if err == nil {
		err = j.Sync()
	}
	remove := old
	if err != nil {
		remove = slices.DeleteFunc(slices.Clone(j.segments), func(s *segment) bool { return slices.Contains(old, s) })
	}
	for _, s := range remove {
		if failed := j.remove(s); failed != nil {
			return errors.Join(err, failed)
		}
		j.segments = slices.DeleteFunc(j.segments, func(other *segment) bool { return other == s })
	}
	return err
}
