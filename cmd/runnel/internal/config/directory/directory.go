// Package directory finds out whether files can be created in a directory, without creating any.
package directory

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// CannotCreate returns the reason why nothing can be created in a directory, or in its nearest existing parent.
func CannotCreate(dir string) error {
	for ; dir != ""; dir = filepath.Dir(dir) {
		_, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		if err == nil {
			err = Writable(dir)
		}
		return err
	}
	return nil
}

// Blocking returns the part of a path that exists and is not a directory, or "".
func Blocking(path string) string {
	for ; path != "" && path != "." && path != "/"; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err == nil {
			if info.IsDir() {
				return ""
			}
			return path
		}
	}
	return ""
}
