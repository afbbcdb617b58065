//go:build !linux

package serial

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	bugst "go.bug.st/serial"
)

// Port is an open serial port of the port library: it has no deadlines, and Close interrupts Read but not Write.
type Port struct {
	// Static after construction.
	device string
	rw     io.ReadWriteCloser // a bugst.Port or a network connection

	tap *tap // of the line; nil without one. Set before the first Read

	close sync.Once
}

func open(device string, c Config) (*Port, error) {
	lib, err := bugst.Open(device, c.portMode())
	if err != nil {
		return nil, translate(err)
	}
	p := &Port{device: device, rw: lib}
	if err := p.setUp(c); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Port) setUp(c Config) error {
	if c.RS485 != nil {
		return errors.New("RS-485: supported on Linux only")
	}
	if c.Flow != NoFlow {
		return errors.New("flow control: supported on Linux only")
	}
	lib := p.rw.(bugst.Port)
	if c.DTR != Keep {
		if err := lib.SetDTR(c.DTR == On); err != nil {
			return err
		}
	}
	if c.RTS != Keep {
		if err := lib.SetRTS(c.RTS == On); err != nil {
			return err
		}
	}
	return errors.Join(lib.ResetInputBuffer(), lib.ResetOutputBuffer())
}

func translate(err error) error {
	var failed *bugst.PortError
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Code() {
	case bugst.PortNotFound:
		return os.ErrNotExist
	case bugst.PermissionDenied:
		return os.ErrPermission
	case bugst.PortBusy:
		return &Held{}
	}
	return err
}

// errors returns false: nothing is counted on this system.
func (p *Port) errors() (e Errors, ok bool) { return e, false }

// SetDeadline returns an error, except for network connections: local ports have no deadlines on this system.
func (p *Port) SetDeadline(t time.Time) error {
	if conn, ok := p.rw.(net.Conn); ok {
		return conn.SetDeadline(t)
	}
	return os.ErrNoDeadline
}

// Close closes the port.
func (p *Port) Close() (err error) {
	p.close.Do(func() { err = p.rw.Close() })
	return err
}
