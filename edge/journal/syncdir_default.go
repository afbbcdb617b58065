//go:build !windows

package journal

import (
	"errors"
	"os"
	"syscall"
)

// syncDir succeeds where the file system cannot sync a directory (EINVAL, ENOTSUP): there it need not.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
