//go:build !linux

package serial

import (
	"errors"
	"os"
	"sync"
	"time"

	bugst "go.bug.st/serial"
)

// Port is an open serial port, by the port library alone: without deadlines, and Close interrupts Read but not Write.
type Port struct {
	// Static after construction.
	device string
	rw     bugst.Port

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
		return errors.New("RS-485 is for Linux")
	}
	if c.DTR != Keep {
		if err := p.rw.SetDTR(c.DTR == On); err != nil {
			return err
		}
	}
	if c.RTS != Keep {
		if err := p.rw.SetRTS(c.RTS == On); err != nil {
			return err
		}
	}
	return errors.Join(p.rw.ResetInputBuffer(), p.rw.ResetOutputBuffer())
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

// errors says that nothing is counted here.
func (p *Port) errors() (e Errors, ok bool) { return e, false }

// SetDeadline says that there are none here.
func (p *Port) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// Close gives the port back.
func (p *Port) Close() (err error) {
	p.close.Do(func() { err = p.rw.Close() })
	return err
}
