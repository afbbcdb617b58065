//go:build !windows

package journal

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
)

type syncCounter struct {
	syncs int
	err   error
}

func (c *syncCounter) Sync() error { c.syncs++; return c.err }

// A directory is synced, and an error of it counts unless the file system cannot sync directories.
func TestSyncDir(t *testing.T) {
	if err := Machine.SyncDir(t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := Machine.SyncDir(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
	for _, c := range []struct{ err, want error }{
		{nil, nil}, {syscall.EINVAL, nil}, {syscall.ENOTSUP, nil}, {errors.ErrUnsupported, nil},
		{syscall.EIO, syscall.EIO}, {syscall.ENOSPC, syscall.ENOSPC},
	} {
		d := &syncCounter{err: c.err}
		if err := syncOpenDir(d); err != c.want || d.syncs != 1 {
			t.Errorf("%v: %v after %d syncs", c.err, err, d.syncs)
		}
	}
}
