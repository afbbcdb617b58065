package serial

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	bugst "go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// connection moves the bytes of a port.
type connection interface {
	io.ReadWriteCloser
	SetDeadline(t time.Time) error
}

// Port is an open serial port. Read, Write and Close may be called from different goroutines.
//
// The port library configures the device, but data goes through a descriptor of this package. The library waits in
// select(2), which cannot handle descriptors above 1023 (a router has thousands), cannot interrupt a write, and lets child
// processes inherit its descriptors. Settings belong to the device rather than to the descriptor, so they persist.
type Port struct {
	// Static after construction.
	device string
	rw     connection // supports deadlines, and Close interrupts Read and Write
	file   *os.File   // rw as a file in the runtime's poller; nil for a network connection

	tap *tap // of the line; nil without one. Set before the first Read

	close sync.Once
	claim *claim
}

func open(device string, c Config) (*Port, error) {
	device, err := filepath.EvalSymlinks(device)
	if err != nil {
		return nil, bare(err)
	}
	f, err := os.OpenFile(device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, explain(device, err)
	}
	p := &Port{device: device, rw: f, file: f}
	if err := p.setUp(c); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// setUp claims the device before it changes any setting.
func (p *Port) setUp(c Config) (err error) {
	if err := p.control(isTerminal); err != nil {
		return fmt.Errorf("not a serial port: %w", err)
	}
	if p.claim, err = claimDevice(p.file, p.device); err != nil {
		return err
	}
	if err := configure(p.device, c); err != nil {
		return err
	}
	return p.control(func(fd int) error { return finish(fd, c) })
}

// configure sets speed, character format and raw mode. The library's descriptor is open only meanwhile. No child process is
// started at that time: it would inherit the descriptor and hold the device.
func configure(device string, c Config) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	lib, err := bugst.Open(device, c.portMode())
	if err != nil {
		return fmt.Errorf("%w to %s: %w", ErrSetting, c.mode(), err)
	}
	return lib.Close()
}

// finish makes settings that the library does not offer: exclusive use, which the library cancels on closing, and no HUPCL,
// so that closing does not drop DTR and restart an Arduino.
func finish(fd int, c Config) error {
	if err := unix.IoctlSetInt(fd, unix.TIOCEXCL, 0); optional(err) != nil {
		return fmt.Errorf("make exclusive: %w", err)
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	t.Cflag &^= unix.HUPCL
	c.Flow.apply(t)
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return fmt.Errorf("clear HUPCL: %w", err)
	}
	if t, err = unix.IoctlGetTermios(fd, unix.TCGETS); err == nil && c.Flow == RTSCTS && t.Cflag&unix.CRTSCTS == 0 {
		return errNoRTSCTS // drivers silently ignore unsupported settings
	}
	if err := setSignal(fd, unix.TIOCM_DTR, c.DTR); err != nil {
		return fmt.Errorf("set DTR: %w", err)
	}
	if err := setSignal(fd, unix.TIOCM_RTS, c.RTS); err != nil {
		return fmt.Errorf("set RTS: %w", err)
	}
	if c.RS485 != nil {
		if err := setRS485(fd, *c.RS485); err != nil {
			return fmt.Errorf("set RS-485: %w", err)
		}
	}
	return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH)
}

var errNoRTSCTS = errors.New("set flow control: the driver does not support RTS/CTS")

// apply sets the flow control in t.
func (f Flow) apply(t *unix.Termios) {
	t.Cflag &^= unix.CRTSCTS
	t.Iflag &^= unix.IXON | unix.IXOFF | unix.IXANY
	switch f {
	case RTSCTS:
		t.Cflag |= unix.CRTSCTS
	case XONXOFF:
		t.Iflag |= unix.IXON | unix.IXOFF
		t.Cc[unix.VSTART], t.Cc[unix.VSTOP] = 0x11, 0x13
	}
}

func setSignal(fd, line int, s Signal) error {
	switch s {
	case On:
		return optional(unix.IoctlSetPointerInt(fd, unix.TIOCMBIS, line))
	case Off:
		return optional(unix.IoctlSetPointerInt(fd, unix.TIOCMBIC, line))
	}
	return nil
}

// optional ignores requests that the device does not support: a pseudo-terminal has no modem lines.
func optional(err error) error {
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

func isTerminal(fd int) error {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err
}

func (p *Port) control(do func(fd int) error) error {
	if p.file == nil {
		return errors.ErrUnsupported
	}
	raw, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := raw.Control(func(fd uintptr) { done = do(int(fd)) }); err != nil {
		return err
	}
	return done
}

// SetDeadline sets the time after which Read and Write fail with os.ErrDeadlineExceeded; zero means never.
func (p *Port) SetDeadline(t time.Time) error { return p.rw.SetDeadline(t) }

// Close closes the port. Data already written is still sent.
func (p *Port) Close() (err error) {
	p.close.Do(func() {
		if p.claim != nil {
			// A pseudo-terminal would stay exclusive until its other end is closed.
			p.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TIOCNXCL, 0) })
			p.claim.release()
		}
		err = p.rw.Close()
	})
	return err
}

// explain adds the remedy to an error of opening a device.
func explain(device string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return &Held{By: holders(device)}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w%s", bare(err), groupHint(device))
	}
	return bare(err)
}

// groupHint names the group whose members may open the device.
func groupHint(device string) string {
	info, err := os.Stat(device)
	if err != nil {
		return ""
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Gid == 0 || info.Mode().Perm()&0o060 != 0o060 {
		return ""
	}
	group := strconv.Itoa(int(st.Gid))
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return fmt.Sprintf("; members of the group %s may open it (usermod -aG %s USER; in a systemd unit SupplementaryGroups=%s)",
		group, group, group)
}
