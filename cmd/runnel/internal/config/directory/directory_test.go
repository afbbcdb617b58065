package directory

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"runnel/test/kit"
)

// The nearest directory that exists decides whether files can be created.
func TestCannotCreate(t *testing.T) {
	dir := t.TempDir()
	file := kit.Write(t, dir, "file", "")
	for path, valid := range map[string]bool{"": true, dir: true, filepath.Join(dir, "a", "b"): true, ".": true, "/": true, "a-name-that-is-new": true, filepath.Join(file, "a"): false} {
		if path == "/" && Writable("/") != nil {
			valid = false
		}
		if err := CannotCreate(path); (err == nil) != valid {
			t.Errorf("%q: %v", path, err)
		}
	}
	loop := filepath.Join(dir, "loop")
	kit.Must(t, os.Symlink("loop", loop))
	if err := CannotCreate(loop); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a loop of links: %v", err)
	}
}

func TestWritable(t *testing.T) {
	dir := t.TempDir()
	if err := Writable(dir); err != nil {
		t.Error(err)
	}
	var at *fs.PathError
	if err := Writable(filepath.Join(dir, "none")); !errors.As(err, &at) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is missing: %v", err)
	}
}

// A file in the way of a directory is named.
func TestBlocking(t *testing.T) {
	dir := t.TempDir()
	file := kit.Write(t, dir, "file", "")
	for path, want := range map[string]string{
		dir: "", filepath.Join(dir, "a", "b"): "", file: file, filepath.Join(file, "a", "b"): file, "": "", ".": "", "/": "", "a-name-that-is-new/b": "",
	} {
		if got := Blocking(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// Paths are compared without their symbolic links. The last component need not exist.
func TestPaths(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	kit.Must(t, err)
	kit.Must(t, os.Mkdir(filepath.Join(dir, "a"), 0o755))
	kit.Must(t, os.Symlink("a", filepath.Join(dir, "link")))
	file := kit.Write(t, filepath.Join(dir, "a"), "file", "")
	for path, want := range map[string]string{
		filepath.Join(dir, "link", "file"): file, filepath.Join(dir, "link", "new"): filepath.Join(dir, "a", "new"), filepath.Join(dir, "none", "x", "..", "y"): filepath.Join(dir, "none", "y"),
	} {
		if got := RealPath(path); got != want || !SamePath(path, want) || SamePath(path, dir) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, c := range []struct {
		dir, file string
		holds     bool
	}{
		{dir, file, true}, {dir + "/", file, true}, {"/", file, true}, {filepath.Join(dir, "link"), file, true}, {dir, dir, true}, {dir, filepath.Join(dir, "a", "new"), true},
		{filepath.Join(dir, "a"), filepath.Join(dir, "ab"), false}, {filepath.Join(dir, "a"), dir, false}, {dir, "", false}, {"/", "", false},
	} {
		if got := Holds(c.dir, c.file); got != c.holds {
			t.Errorf("%q holds %q: %v", c.dir, c.file, got)
		}
	}
}
