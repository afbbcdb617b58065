package serial

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rs485 is the kernel's struct serial_rs485 (linux/serial.h).
type rs485 struct {
	flags          uint32
	before, behind uint32 // ms
	_              [5]uint32
}

// Bits of rs485.flags.
const (
	rs485Enabled    = 1 << 0
	rs485OnSend     = 1 << 1
	rs485AfterSend  = 1 << 2
	rs485ReceiveOwn = 1 << 4
	rs485Terminate  = 1 << 5
)

func (r RS485) kernel() (k rs485) {
	k.flags = rs485Enabled | rs485OnSend
	if r.Inverted {
		k.flags = rs485Enabled | rs485AfterSend
	}
	if r.ReceiveOwn {
		k.flags |= rs485ReceiveOwn
	}
	if r.Terminate {
		k.flags |= rs485Terminate
	}
	k.before, k.behind = uint32(r.DelayBefore/time.Millisecond), uint32(r.DelayBehind/time.Millisecond)
	return k
}

var errNoRS485 = errors.New("not supported by the driver; leave rs485 out if the adapter switches by itself")

// setRS485 applies r and reads it back, because drivers silently ignore unsupported settings.
func setRS485(fd int, r RS485) error {
	want := r.kernel()
	got := want
	if err := control(fd, unix.TIOCSRS485, unsafe.Pointer(&got)); errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) {
		return errNoRS485
	} else if err != nil {
		return err
	}
	got = rs485{}
	if err := control(fd, unix.TIOCGRS485, unsafe.Pointer(&got)); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if differ := want.differences(got); len(differ) > 0 {
		return fmt.Errorf("the driver does not support %s", strings.Join(differ, ", "))
	}
	return nil
}

// differences lists the settings that the driver changed, by their configuration keys.
func (k rs485) differences(got rs485) (names []string) {
	for _, f := range [...]struct {
		flag uint32
		name string
	}{{rs485Enabled, "rs485"}, {rs485OnSend | rs485AfterSend, "inverted"}, {rs485ReceiveOwn, "receive_own"}, {rs485Terminate, "terminate"}} {
		if k.flags&f.flag != got.flags&f.flag {
			names = append(names, f.name)
		}
	}
	if k.before != got.before {
		names = append(names, "delay_before")
	}
	if k.behind != got.behind {
		names = append(names, "delay_behind")
	}
	return names
}

// icounter is the kernel's struct serial_icounter_struct.
type icounter struct {
	cts, dsr, rng, dcd, rx, tx              int32
	frame, overrun, parity, brk, bufOverrun int32
	_                                       [9]int32
}

// errors returns the driver's counters since it was loaded. ok is false for a pseudo-terminal, which counts nothing.
func (p *Port) errors() (e Errors, ok bool) {
	var c icounter
	err := p.control(func(fd int) error { return control(fd, unix.TIOCGICOUNT, unsafe.Pointer(&c)) })
	if err != nil {
		return e, false
	}
	return Errors{
		Framing: uint64(uint32(c.frame)), Parity: uint64(uint32(c.parity)),
		Overrun: uint64(uint32(c.overrun)) + uint64(uint32(c.bufOverrun)), Breaks: uint64(uint32(c.brk)),
	}, true
}

func control(fd int, request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
