package static

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// file is a regular file inside a directory. It is opened for each piece that is read. If it was replaced meanwhile,
// reading ends with an error.
type file struct {
	dir, name string
	disk      chan struct{}

	info fs.FileInfo // set by stat
}

var (
	errDirectory = errors.New("is a directory")
	errIrregular = errors.New("is not a regular file")
	errChanged   = errors.New("changed while it was sent")
	errNoRoot    = errors.New("the directory cannot be opened")
)

// stat finds the file.
func (f *file) stat() error { return f.inside(nil, 0) }

// readAt fills b with the bytes of the file from offset on.
func (f *file) readAt(b []byte, offset int64) error { return f.inside(b, offset) }

// inside opens the file inside its directory, records or compares its description, and reads b. The directory is
// opened each time: it may be a symbolic link that an update of the pages points at another directory, or it may not
// exist yet.
func (f *file) inside(b []byte, offset int64) error {
	f.disk <- struct{}{}
	defer func() { <-f.disk }()
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoRoot, err)
	}
	defer root.Close()
	open, err := root.OpenFile(f.name, os.O_RDONLY|nonblocking, 0)
	if err != nil {
		return err
	}
	defer open.Close()
	info, err := open.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		return errDirectory
	case !info.Mode().IsRegular():
		return errIrregular
	case f.info == nil:
		f.info = info
	case !os.SameFile(info, f.info) || !info.ModTime().Equal(f.info.ModTime()) || info.Size() != f.info.Size():
		return errChanged
	default:
		_, err = open.ReadAt(b, offset)
	}
	return err
}
