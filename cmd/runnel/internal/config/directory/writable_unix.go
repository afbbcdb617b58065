//go:build unix

package directory

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// Writable returns the reason why this process can't create files in dir.
func Writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}
