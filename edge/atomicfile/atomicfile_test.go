package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	for _, text := range []string{"a longer text", "short"} {
		if err := Write(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("%q, %v; want %q", got, err, text)
		}
	}
	if _, err := os.Stat(file + ".new"); err == nil {
		t.Error("the temporary file is left")
	}
	// A file that cannot be written keeps its content.
	if err := os.Mkdir(file+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, []byte("lost"), 0o600); err == nil {
		t.Error("no error")
	}
	if got, _ := os.ReadFile(file); string(got) != "short" {
		t.Errorf("%q after a failed write", got)
	}
}

// A write that fails, at any step, leaves no temporary file, and what was there before.
func TestWriteFails(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the devices are those of Linux")
	}
	for what, device := range map[string]string{"write": "/dev/full", "sync": "/dev/null", "rename": ""} {
		file := filepath.Join(t.TempDir(), "state.json")
		if device == "" {
			if err := os.MkdirAll(filepath.Join(file, "old"), 0o700); err != nil {
				t.Fatal(err)
			}
		} else if err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.Symlink(device, file+".new")); err != nil {
			t.Fatal(err)
		}
		before, _ := os.Lstat(file)
		if err := Write(file, []byte("new"), 0o600); err == nil {
			t.Errorf("%s: no error", what)
		}
		if _, err := os.Lstat(file + ".new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the temporary file is left", what)
		}
		if after, err := os.Lstat(file); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: the old file is gone", what)
		}
	}
}

// A directory is synced; an error of it is returned.
func TestSyncDir(t *testing.T) {
	dir := t.TempDir()
	if err := SyncDir(dir); err != nil {
		t.Error(err)
	}
	if err := SyncDir(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
	if runtime.GOOS == "linux" && SyncDir("/proc") == nil {
		t.Error("no error of a file system that cannot sync a directory")
	}
}
