package serial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	bugst "go.bug.st/serial"
)

// ErrUnplugged means that the device was unplugged. The port is no longer usable; the device may return under the same
// or another name.
var ErrUnplugged = errors.New("unplugged")

// ErrSetting means that the port does not support the baud rate or the character format.
var ErrSetting = errors.New("set")

// Held means that another process, or another part of this one, has the port open.
type Held struct {
	By []Process // empty if unknown
}

// Process is a running program.
type Process struct {
	PID  int
	Name string
}

func (p Process) String() string { return fmt.Sprintf("%s (pid %d)", p.Name, p.PID) }

func (h *Held) Error() string {
	if len(h.By) == 0 {
		return "held by another process"
	}
	names := make([]string, len(h.By))
	for i, p := range h.By {
		names[i] = p.String()
	}
	return "held by " + strings.Join(names, ", ")
}

// Open finds the port, opens it exclusively, configures it, flushes its buffers and waits for the device to settle. The
// error wraps os.ErrNotExist if there is no such port, and a *Held if it is in use.
func Open(ctx context.Context, c Config) (*Port, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("open serial %s: %w", c.target(), err)
	}
	c = c.withDefaults()
	if c.Networked() {
		p, err := dial(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("open serial %s: %w", c.Device, err)
		}
		return p, nil
	}
	device, err := c.find()
	if err != nil {
		return nil, fmt.Errorf("open serial %s: %w", c.target(), err)
	}
	p, err := open(device, c)
	if err != nil {
		return nil, fmt.Errorf("open serial %s: %w", device, err)
	}
	if err := pause(ctx, c.Settle); err != nil {
		p.Close()
		return nil, fmt.Errorf("open serial %s: %w", device, err)
	}
	return p, nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Device returns the path of the device with all links resolved.
func (p *Port) Device() string { return p.device }

// Read reads at least one byte. Close unblocks it.
func (p *Port) Read(b []byte) (int, error) {
	n, err := p.rw.Read(b)
	p.tap.note(false, b[:max(n, 0)])
	return n, p.failure("read", err)
}

// Write writes all of b. Close unblocks it.
func (p *Port) Write(b []byte) (int, error) {
	n, err := p.rw.Write(b)
	p.tap.note(true, b[:max(n, 0)])
	return n, p.failure("write", err)
}

// failure turns the errors of an unplugged device into ErrUnplugged. A terminal without its device reads as end of
// file.
func (p *Port) failure(verb string, err error) error {
	if err == nil {
		return nil
	}
	cause := err
	for _, gone := range [...]error{syscall.EIO, syscall.ENXIO, syscall.ENODEV, io.EOF} {
		if errors.Is(err, gone) {
			cause = ErrUnplugged
		}
	}
	return fmt.Errorf("%s serial %s: %w", verb, p.device, bare(cause))
}

// bare removes the operation and the path from an error, as the caller adds its own.
func bare(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// portMode converts c for the port library.
func (c Config) portMode() *bugst.Mode {
	m := &bugst.Mode{BaudRate: c.Baud, DataBits: c.DataBits, Parity: bugst.Parity(c.Parity)}
	if c.StopBits == 2 {
		m.StopBits = bugst.TwoStopBits
	}
	return m
}
