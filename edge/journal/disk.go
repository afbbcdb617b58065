package journal

import (
	"io"
	"io/fs"
	"os"
)

// Disk is where the files of a log are. Its methods are those of package os.
type Disk interface {
	ReadDir(dir string) ([]fs.DirEntry, error)
	MkdirAll(dir string) error
	Open(name string) (File, error)                // to be read
	Append(name string, create bool) (File, error) // to be written to at its end; create: it must not be there
	Remove(name string) error
	Rename(from, to string) error
	SyncDir(dir string) error // returns when the names in it are on the disk
}

// File is an open file of a Disk.
type File interface {
	io.ReadWriteCloser
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
func (machine) MkdirAll(dir string) error                 { return os.MkdirAll(dir, 0o700) }
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

// SyncDir fails silently: not all systems and file systems can, and those that can't need not.
func (machine) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	d.Sync()
	return nil
}
