package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"runnel/edge/atomicfile"
)

// serviceUser is the user and the group that the packages create for the router.
const serviceUser = "runnel"

// writeFile replaces a file atomically: a router that reads it meanwhile gets the old text or the new one. If root writes the
// file and the service's group exists, the file gets this group, so that the router can read it.
func writeFile(file string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+".*.new")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // has no effect after the rename
	_, err = f.Write(data)
	if err == nil {
		err = own(f, mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	atomicfile.SyncDir(dir)
	return nil
}

// writeNew writes a file that must not exist yet.
func writeNew(file string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = own(f, mode)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(file)
	}
	return err
}

// own sets the group and the mode of a file. Without the service's group, a file that is not world-readable is private to its
// owner.
func own(f *os.File, mode fs.FileMode) error {
	if gid, ok := serviceGroup(); ok {
		if err := f.Chown(-1, gid); err != nil {
			return err
		}
		return f.Chmod(mode)
	}
	if mode&0o004 == 0 {
		mode &^= 0o077
	}
	return f.Chmod(mode)
}

// serviceGroup returns the group of the service if this process may change the group of files.
func serviceGroup() (gid int, ok bool) {
	if os.Geteuid() != 0 {
		return 0, false
	}
	group, err := user.LookupGroup(serviceUser)
	if err != nil {
		return 0, false
	}
	gid, err = strconv.Atoi(group.Gid)
	return gid, err == nil
}

// makeDir creates the directory of configuration files and its parents.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create directory %s: %w%s", dir, bare(err), asRoot(err))
	}
	return nil
}

// bare returns the cause of a file error, without its operation and path.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// asRoot returns the remedy if only root may write, or "".
func asRoot(err error) string { return withSudo(err, "name another file with -c") }

func withSudo(err error, otherwise string) string {
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		return "; run the command with sudo, or " + otherwise
	}
	return ""
}
