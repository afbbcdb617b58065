package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// serviceUser is the user, and the group, that the packages make for the router.
const serviceUser = "runnel"

// writeFile writes a file as a whole or not at all: a router that reads it meanwhile sees the old text or the new one. The
// file is readable for the router: it gets the group of the service, where root writes it and there is such a group.
func writeFile(file string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, "."+filepath.Base(file)+".*.new")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once the file has its name
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
	syncDir(dir)
	return nil
}

// writeNew writes a file that is not there yet.
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

// own gives a file to the group of the service. Without that group only its owner reads a file that others may not read.
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

// serviceGroup returns the group of the service, if this process may give files to it.
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

// makeDir makes the directory of configuration files, and those above it.
func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make directory %s: %w%s", dir, bare(err), asRoot(err))
	}
	return nil
}

// syncDir makes a rename in a directory survive a power cut, where the file system can do that.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

// bare returns the cause of an error of a file, without its operation and path.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// asRoot is the remedy where only root may write.
func asRoot(err error) string {
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		return "; run the command with sudo, or name another file with -c"
	}
	return ""
}
