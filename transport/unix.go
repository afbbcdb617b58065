package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const defaultMode = 0o660

// socketFile is a listening Unix socket. Close removes its file unless the file was replaced.
type socketFile struct {
	*net.UnixListener
	path   string
	target string // the path to move to, while another listener of this process still uses it; else ""
	info   fs.FileInfo
}

// claim moves the socket to its target.
func (f *socketFile) claim() error {
	if f.target == "" {
		return nil
	}
	if err := os.Rename(f.path, f.target); err != nil {
		return err
	}
	f.path, f.target = f.target, ""
	return nil
}

func (f *socketFile) Close() error {
	if now, err := os.Lstat(f.path); err == nil && os.SameFile(now, f.info) {
		os.Remove(f.path)
	}
	return f.UnixListener.Close()
}

// listenUnix opens a Unix socket. It replaces a socket file that a process left behind.
func listenUnix(path string, opts ListenOptions) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	target := ""
	if replaces(opts.Replaces, path) {
		target, path = path, filepath.Join(filepath.Dir(path), ".new")
	}
	if err := takeOver(path); err != nil {
		return nil, err
	}
	if err := LookupOwner(opts.Owner, opts.Group); err != nil {
		return nil, err
	}
	mode := opts.Mode
	if mode == 0 {
		mode = defaultMode
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return restrict(c, mode) }}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	f := &socketFile{UnixListener: l.(*net.UnixListener), path: path, target: target}
	f.SetUnlinkOnClose(false)
	if err := f.own(mode, opts.Owner, opts.Group); err != nil {
		f.UnixListener.Close()
		os.Remove(path)
		return nil, err
	}
	return f, nil
}

// replaces reports whether one of the listeners uses the path.
func replaces(listeners []*Listener, path string) bool {
	return slices.ContainsFunc(listeners, func(l *Listener) bool {
		f, ok := l.socket.(*socketFile)
		return ok && f.path == path
	})
}

// own sets the file's group, mode and owner, in this order: after that the file may belong to another user.
func (f *socketFile) own(mode fs.FileMode, owner, group string) (err error) {
	if err := changeGroup(f.path, group); err != nil {
		return err
	}
	if err := os.Chmod(f.path, mode); err != nil {
		return err
	}
	if err := changeOwner(f.path, owner); err != nil {
		return err
	}
	f.info, err = os.Lstat(f.path)
	return err
}

// takeOver removes a socket file on which no process listens. It returns an error if the path holds anything else.
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
