package journal

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Disk is the file system that a log is stored on. Its methods behave like the functions of the same names in package os.
type Disk interface {
	ReadDir(dir string) ([]fs.DirEntry, error)
	MkdirAll(dir string) error                     // returns once the names of new directories are on disk
	Open(name string) (File, error)                // opens a file for reading
	Append(name string, create bool) (File, error) // opens a file for writing at its end; with create, the file must not exist
	Remove(name string) error
	Rename(from, to string) error
	SyncDir(dir string) error // returns once the names in dir are on disk
}

// File is an open file on a Disk.
type File interface {
	io.ReaderAt
	io.WriteCloser
	Size() (int64, error)
	Truncate(size int64) error
	Sync() error
}

// Machine is the disk of this machine.
var Machine Disk = machine{}

type machine struct{}

type machineFile struct{ *os.File }

func (f machineFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (machine) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }
func (machine) Remove(name string) error                  { return os.Remove(name) }
func (machine) Rename(from, to string) error              { return os.Rename(from, to) }

func (machine) Open(name string) (File, error) { return opened(os.Open(name)) }

func (machine) Append(name string, create bool) (File, error) {
	flags := os.O_WRONLY | os.O_APPEND
	if create {
		flags |= os.O_CREATE | os.O_EXCL
	}
	return opened(os.OpenFile(name, flags, 0o600))
}

func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return machineFile{f}, nil
}

func (machine) MkdirAll(dir string) error { return mkdirAll(dir, syncDir) }

// mkdirAll makes a directory and its parents. It syncs each directory in which it has made another.
func mkdirAll(dir string, sync func(dir string) error) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := mkdirAll(parent, sync); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return sync(parent)
}

func (machine) SyncDir(dir string) error { return syncDir(dir) }
