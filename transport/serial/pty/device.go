package pty

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// poll is how often Read looks for a program that opens the other end.
const poll = 10 * time.Millisecond

// Device is the device's end of a simulated serial port. As with a real device, the other end may be opened and closed any
// number of times: data written while it is closed is lost, and Read waits.
type Device struct {
	// Static after construction.
	master *os.File
	slave  string
	link   string

	close  sync.Once
	closed chan struct{}
}

// Plug creates a port and points the symbolic link at it, replacing an older link. As with USB, plugging in again keeps
// the link but may change the port.
func Plug(link string) (*Device, error) {
	master, slave, err := Open()
	if err != nil {
		return nil, err
	}
	if err := point(link, slave); err != nil {
		master.Close()
		return nil, fmt.Errorf("plug in %s: %w", link, err)
	}
	return &Device{master: master, slave: slave, link: link, closed: make(chan struct{})}, nil
}

// point atomically replaces a symbolic link, but no other file.
func point(link, to string) error {
	if info, err := os.Lstat(link); err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return fmt.Errorf("%w and is not a symbolic link", fs.ErrExist)
	}
	next := fmt.Sprintf("%s.%d", link, os.Getpid())
	if err := os.Symlink(to, next); err != nil {
		return err
	}
	defer os.Remove(next) // exists only if Rename fails
	return os.Rename(next, link)
}

// Port returns the path of the port that the link points to.
func (d *Device) Port() string { return d.slave }

// Read reads data from the program at the other end.
func (d *Device) Read(b []byte) (int, error) {
	for {
		n, err := d.master.Read(b)
		if !errors.Is(err, syscall.EIO) {
			return n, err
		}
		// EIO: the other end is not open. There is no event to wait for, so poll.
		if !d.wait(poll) {
			return 0, os.ErrClosed
		}
	}
}

func (d *Device) wait(t time.Duration) (plugged bool) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.closed:
		return false
	}
}

// Write sends b to the program at the other end. Once the port's buffer is full, it waits for the program to read.
func (d *Device) Write(b []byte) (int, error) { return d.master.Write(b) }

// Close unplugs the device: the port disappears, and the other end's reads and writes fail.
func (d *Device) Close() (err error) {
	d.close.Do(func() {
		if to, err := os.Readlink(d.link); err == nil && to == d.slave {
			os.Remove(d.link)
		}
		close(d.closed)
		err = d.master.Close()
	})
	return err
}
