package spool

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"runnel/edge/journal"
)

// flash simulates a disk that can fail and lose power. After a power cut, unsynced data may be there, in part or
// completely, or be replaced by zeros.
type flash struct {
	mu      sync.Mutex
	names   map[string]*file // by path
	safe    map[string]*file // the names that are synced
	room    int64            // bytes that may still be written; negative: any number
	broken  error            // the error of every write
	written int64            // bytes
	syncs   int
	opened  int    // files opened for reading
	opening func() // called once, when a file is opened for reading; may be nil

	fault  func(op string) error // further failures, of write, truncate, sync, syncdir, create, remove, rename; nil: none
	doomed map[string]*file      // names lost by a failed SyncDir; a later successful one does not save them
}

type file struct {
	disk   *flash
	data   []byte
	synced int      // bytes that are synced, except for
	doomed [][2]int // data lost by a failed Sync; a later successful one does not save it
}

// fails returns the error of an operation, if it fails. It is called with mu held.
func (d *flash) fails(op string) error {
	if d.broken != nil {
		return d.broken
	}
	if d.fault == nil {
		return nil
	}
	return d.fault(op)
}

// setFault makes operations fail from now on.
func (d *flash) setFault(fault func(op string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

func newFlash() *flash {
	return &flash{names: make(map[string]*file), safe: make(map[string]*file), doomed: make(map[string]*file), room: -1}
}

// kill returns the disk as the next process finds it after a crash, with all writes.
func (d *flash) kill() *flash {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newFlash()
	for name, f := range d.names {
		next.names[name] = &file{disk: next, data: bytes.Clone(f.data), synced: f.synced, doomed: slices.Clone(f.doomed)}
		if d.doomed[name] == f {
			next.doomed[name] = next.names[name]
		}
	}
	for name := range d.safe {
		if f := next.names[name]; f != nil {
			next.safe[name] = f
		}
	}
	return next
}

// cut returns the disk as it is after a power cut.
func (d *flash) cut(r *rand.Rand) *flash {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newFlash()
	names := make(map[string]*file)
	for name, f := range d.safe {
		if d.names[name] == f || r.IntN(2) == 0 { // or its removal was on disk already
			names[name] = f
		}
	}
	for name, f := range d.names {
		if d.safe[name] == nil && r.IntN(2) == 0 {
			names[name] = f
		}
	}
	for _, name := range slices.Sorted(mapKeys(names)) {
		f := names[name]
		data := bytes.Clone(f.data[:f.synced])
		for _, span := range f.doomed {
			if r.IntN(2) == 0 && span[0] < len(data) {
				clear(data[min(span[0], len(data)):min(span[1], len(data))])
			}
		}
		rest := bytes.Clone(f.data[f.synced:])
		switch r.IntN(4) {
		case 0:
			rest = nil
		case 1:
			if len(rest) > 0 {
				rest = rest[:r.IntN(len(rest))]
			}
		case 2:
			clear(rest)
		case 3:
			if len(rest) > 0 {
				clear(rest[r.IntN(len(rest)):])
			}
		}
		data = append(data, rest...)
		next.names[name] = &file{disk: next, data: data, synced: len(data)}
		next.safe[name] = next.names[name]
	}
	return next
}

func mapKeys(m map[string]*file) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (d *flash) ReadDir(dir string) (list []fs.DirEntry, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range slices.Sorted(mapKeys(d.names)) {
		if filepath.Dir(name) == dir {
			list = append(list, entryName(filepath.Base(name)))
		}
	}
	return list, nil
}

func (d *flash) MkdirAll(string) error { return nil }

func (d *flash) Open(name string) (journal.File, error) {
	d.mu.Lock()
	f := d.names[name]
	if f == nil {
		d.mu.Unlock()
		return nil, fs.ErrNotExist
	}
	d.opened++
	data, opening := bytes.Clone(f.data), d.opening
	d.opening = nil
	d.mu.Unlock()
	if opening != nil {
		opening()
	}
	return &reader{bytes.NewReader(data)}, nil
}

func (d *flash) Append(name string, create bool) (journal.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	failure := d.fails("create")
	switch {
	case failure != nil:
		return nil, failure
	case create && f != nil:
		return nil, fs.ErrExist
	case create:
		f = &file{disk: d}
		d.names[name] = f
	case f == nil:
		return nil, fs.ErrNotExist
	}
	return f, nil
}

func (d *flash) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fails("remove"); err != nil {
		return err
	}
	if f := d.names[name]; f != nil && d.room >= 0 {
		d.room += int64(len(f.data))
	}
	delete(d.names, name)
	return nil
}

func (d *flash) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fails("rename"); err != nil {
		return err
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	return nil
}

func (d *flash) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fails("syncdir"); err != nil {
		for name, f := range d.names {
			if filepath.Dir(name) == dir && d.safe[name] != f {
				d.doomed[name] = f
			}
		}
		return err
	}
	for name := range d.safe {
		if filepath.Dir(name) == dir {
			delete(d.safe, name)
		}
	}
	for name, f := range d.names {
		if filepath.Dir(name) == dir && d.doomed[name] != f {
			d.safe[name] = f
		}
	}
	return nil
}

// breakDown makes every write fail, until it is called with nil.
func (d *flash) breakDown(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.broken = err
}

func (d *flash) setRoom(octets int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = octets
}

// files returns the names of the segments, without the bad ones.
func (d *flash) files() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.names {
		if strings.HasSuffix(name, ".log") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// held returns the name of the first segment of held events.
func (d *flash) held() string {
	names := slices.DeleteFunc(slices.Collect(mapKeys(d.names)), func(name string) bool { return !strings.Contains(name, "held") })
	return slices.Min(names)
}

func (d *flash) wrote() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.written
}

func (f *file) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.fails("write"); err != nil {
		n := 0
		if f.disk.broken == nil { // a part was written
			n = len(b) / 2
			f.data = append(f.data, b[:n]...)
		}
		return n, err
	}
	n := len(b)
	if f.disk.room >= 0 {
		n = int(min(int64(n), f.disk.room))
		f.disk.room -= int64(n)
	}
	f.data = append(f.data, b[:n]...)
	f.disk.written += int64(n)
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (f *file) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.fails("truncate"); err != nil {
		return err
	}
	f.data = f.data[:size:size]
	f.synced = min(f.synced, int(size))
	for i := range f.doomed {
		f.doomed[i][1] = min(f.doomed[i][1], int(size))
	}
	f.doomed = slices.DeleteFunc(f.doomed, func(span [2]int) bool { return span[0] >= span[1] })
	return nil
}

func (f *file) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.fails("sync"); err != nil {
		f.doomed = append(f.doomed, [2]int{f.synced, len(f.data)})
		return err
	}
	f.synced = len(f.data)
	f.disk.syncs++
	return nil
}

func (f *file) Size() (int64, error)              { return int64(len(f.data)), nil }
func (f *file) Close() error                      { return nil }
func (f *file) ReadAt([]byte, int64) (int, error) { return 0, errors.New("written only") }

type reader struct{ *bytes.Reader }

func (r *reader) Size() (int64, error)      { return r.Reader.Size(), nil }
func (r *reader) Close() error              { return nil }
func (r *reader) Sync() error               { return nil }
func (r *reader) Truncate(int64) error      { return fs.ErrPermission }
func (r *reader) Write([]byte) (int, error) { return 0, fs.ErrPermission }

type entryName string

func (e entryName) Name() string               { return string(e) }
func (e entryName) IsDir() bool                { return false }
func (e entryName) Type() fs.FileMode          { return 0 }
func (e entryName) Info() (fs.FileInfo, error) { return nil, fs.ErrInvalid }
