// Package atomicfile replaces small files. After a crash or a power cut, a file has its old content or the new one.
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes data to file + ".new" with the given permissions, syncs it and renames it to file. Two writers of one file must
// take turns.
func Write(file string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		os.Remove(file + ".new")
		return err
	}
	SyncDir(filepath.Dir(file))
	return nil
}

// SyncDir makes the names in a directory durable. Some file systems cannot sync a directory. A caller that does its best
// ignores the error.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
