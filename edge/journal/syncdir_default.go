//go:build !windows

package journal

import (
	"errors"
	"os"
	"syscall"
)

// syncDir syncs a directory. EINVAL and ENOTSUP count as success: such file systems need no sync of directories.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncOpenDir(d)
}

func syncOpenDir(d interface{ Sync() error }) error {
	err := d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
