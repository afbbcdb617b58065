package directory

import (
	"io/fs"
	"os"
	"syscall"
)

// Writable returns an error if dir is not a directory. It does not check the permission to create files there.
func Writable(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "write to", Path: dir, Err: syscall.ENOTDIR}
	}
	return err
}
