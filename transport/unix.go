package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const defaultMode = 0o660

// socketFile is a listening Unix socket that removes its file when it is closed, unless somebody has put another there.
type socketFile struct {
	*net.UnixListener
	path  string
	place string // where it belongs, if another listener of this process still has that; else ""
	info  fs.FileInfo
}

// claim puts the socket in its place.
func (f *socketFile) claim() error {
	if f.place == "" {
		return nil
	}
	if err := os.Rename(f.path, f.place); err != nil {
		return err
	}
	f.path, f.place = f.place, ""
	return nil
}

func (f *socketFile) Close() error {
	if now, err := os.Lstat(f.path); err == nil && os.SameFile(now, f.info) {
		os.Remove(f.path)
	}
	return f.UnixListener.Close()
}

// listenUnix makes the socket, in the place of one that is left over from a process that is no more.
func listenUnix(path string, opts ListenOptions) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	place := ""
	if replaces(opts.Replaces, path) {
		place, path = path, filepath.Join(filepath.Dir(path), ".new")
	}
	if err := takeOver(path); err != nil {
		return nil, err
	}
	uid, gid, err := lookup(opts.Owner, opts.Group)
	if err != nil {
		return nil, err
	}
	mode := opts.Mode
	if mode == 0 {
		mode = defaultMode
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return narrow(c, mode) }}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	f := &socketFile{UnixListener: l.(*net.UnixListener), path: path, place: place}
	f.SetUnlinkOnClose(false)
	if err := f.own(mode, uid, gid); err != nil {
		f.UnixListener.Close()
		os.Remove(path)
		return nil, err
	}
	return f, nil
}

// replaces reports whether one of the listeners has the path.
func replaces(listeners []*Listener, path string) bool {
	return slices.ContainsFunc(listeners, func(l *Listener) bool {
		f, ok := l.socket.(*socketFile)
		return ok && f.path == path
	})
}

// own sets the file's mode, owner and group.
func (f *socketFile) own(mode fs.FileMode, uid, gid int) (err error) {
	if uid >= 0 || gid >= 0 {
		if err := os.Chown(f.path, uid, gid); err != nil {
			return err
		}
	}
	if err := os.Chmod(f.path, mode); err != nil {
		return err
	}
	f.info, err = os.Lstat(f.path)
	return err
}

// takeOver removes a socket that nobody listens on. Anything else in its place is an error.
func takeOver(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s is in use: another process listens on it", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s may be in use: %w", path, err)
	}
	return os.Remove(path)
}

// LookupOwner returns the error of a Unix socket whose owner or group is not known to this machine.
func LookupOwner(owner, group string) error {
	_, _, err := lookup(owner, group)
	return err
}

// lookup turns names or numbers into ids; -1 stands for "".
func lookup(owner, group string) (uid, gid int, err error) {
	uid, gid = -1, -1
	if owner != "" {
		if uid, err = strconv.Atoi(owner); err != nil {
			u, err := user.Lookup(owner)
			if err != nil {
				return 0, 0, err
			}
			uid, _ = strconv.Atoi(u.Uid)
		}
	}
	if group != "" {
		if gid, err = strconv.Atoi(group); err != nil {
			g, err := user.LookupGroup(group)
			if err != nil {
				return 0, 0, err
			}
			gid, _ = strconv.Atoi(g.Gid)
		}
	}
	return uid, gid, nil
}
