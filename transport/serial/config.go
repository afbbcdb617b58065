package serial

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Config says which port to open and how. Device or USB is needed; the rest may be left out: 115200 baud, 8N1, modem
// lines as the system sets them.
type Config struct {
	Device   string // "/dev/ttyUSB0", or a name that links to one, such as those of /dev/serial/by-path; or "tcp://HOST:PORT"
	USB      USB
	Baud     int // 0: 115200
	DataBits int // 5 to 8; 0: 8
	StopBits int // 1 or 2; 0: 1
	Parity   Parity
	DTR, RTS Signal
	RS485    *RS485        // nil: the port is not switched between sending and receiving, or switches by itself
	Settle   time.Duration // how long to wait after opening: an Arduino restarts when its port is opened
}

// RS485 says how the kernel switches a UART's driver to a bus of which only one may send at a time. The zero value is
// what most hardware wants: RTS is on while sending.
type RS485 struct {
	Inverted    bool          // RTS is off while sending, and on else
	ReceiveOwn  bool          // what is sent is received, too
	Terminate   bool          // the bus is terminated here
	DelayBefore time.Duration // from RTS to the first bit; whole milliseconds
	DelayBehind time.Duration // from the last bit to RTS
}

// maxTurn bounds the delays: the kernel takes no longer ones.
const maxTurn = 100 * time.Millisecond

func (r *RS485) validate() error {
	for _, d := range [...]time.Duration{r.DelayBefore, r.DelayBehind} {
		if d < 0 || d > maxTurn || d%time.Millisecond != 0 {
			return fmt.Errorf("RS-485 delay %v: want whole milliseconds, at most %v", d, maxTurn)
		}
	}
	return nil
}

// USB is the identity of a USB serial adapter, as sysfs and lsusb print it. Empty fields match anything.
type USB struct {
	VID, PID  string // four hexadecimal digits
	Serial    string
	Interface string // of adapters with several ports: the interface's number, "00" or "0"
}

// Parity is the parity bit's rule.
type Parity uint8

const (
	None Parity = iota
	Odd
	Even
	Mark
	Space
)

// Signal says what to do with a modem line when the port is opened.
type Signal uint8

const (
	Keep Signal = iota // as the system has it, which is "on" when the port is opened first
	On
	Off
)

var (
	parityNames = []string{"none", "odd", "even", "mark", "space"}
	signalNames = []string{"keep", "on", "off"}
)

func (p Parity) String() string { return parityNames[p] }
func (s Signal) String() string { return signalNames[s] }

// UnmarshalText reads "none", "odd", "even", "mark" or "space".
func (p *Parity) UnmarshalText(text []byte) error {
	i, err := pick("parity", parityNames, string(text))
	*p = Parity(i)
	return err
}

// UnmarshalText reads "keep", "on" or "off".
func (s *Signal) UnmarshalText(text []byte) error {
	i, err := pick("signal", signalNames, string(text))
	*s = Signal(i)
	return err
}

func pick(what string, names []string, s string) (int, error) {
	for i, name := range names {
		if s == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%s %q: want %s", what, s, strings.Join(names, ", "))
}

// Validate reports what is wrong with c, without looking at any device.
func (c Config) Validate() error {
	switch {
	case c.Device == "" && c.USB == USB{}:
		return errors.New("neither a device nor a USB identity is given")
	case c.Device != "" && c.USB != USB{}:
		return errors.New("both a device and a USB identity are given")
	case c.Baud < 0 || c.Baud > 12_000_000:
		return fmt.Errorf("baud %d: out of range", c.Baud)
	case c.DataBits != 0 && (c.DataBits < 5 || c.DataBits > 8):
		return fmt.Errorf("%d data bits: want 5 to 8", c.DataBits)
	case c.StopBits < 0 || c.StopBits > 2:
		return fmt.Errorf("%d stop bits: want 1 or 2", c.StopBits)
	case c.Parity > Space:
		return fmt.Errorf("parity %d: out of range", c.Parity)
	case c.DTR > Off || c.RTS > Off:
		return errors.New("modem line: out of range")
	case c.Settle < 0 || c.Settle > time.Minute:
		return fmt.Errorf("settle %v: want 0 to 1m", c.Settle)
	}
	if c.Networked() {
		if err := c.validateNetwork(); err != nil {
			return err
		}
	}
	if c.RS485 != nil {
		if err := c.RS485.validate(); err != nil {
			return err
		}
	}
	return c.USB.validate()
}

func (u USB) validate() error {
	if u.VID == "" && u.PID != "" {
		return fmt.Errorf("USB product %s without its vendor", u.PID)
	}
	for _, id := range [...]string{u.VID, u.PID} {
		if _, err := strconv.ParseUint(id, 16, 16); id != "" && (err != nil || len(id) != 4) {
			return fmt.Errorf("USB id %q: want four hexadecimal digits", id)
		}
	}
	if _, err := strconv.ParseUint(u.Interface, 16, 8); u.Interface != "" && err != nil {
		return fmt.Errorf("USB interface %q: want a hexadecimal number", u.Interface)
	}
	return nil
}

// target names what c is looking for, for errors and logs.
func (c Config) target() string {
	if c.Device != "" {
		return c.Device
	}
	return c.USB.String()
}

// String writes "usb 2341:0043 serial 9573 interface 00", with "*" for what may be anything.
func (u USB) String() string {
	any := func(s string) string {
		if s == "" {
			return "*"
		}
		return strings.ToLower(s)
	}
	s := "usb " + any(u.VID) + ":" + any(u.PID)
	if u.Serial != "" {
		s += " serial " + u.Serial
	}
	if u.Interface != "" {
		s += " interface " + u.Interface
	}
	return s
}

func (c Config) withDefaults() Config {
	if c.Baud == 0 {
		c.Baud = 115200
	}
	if c.DataBits == 0 {
		c.DataBits = 8
	}
	if c.StopBits == 0 {
		c.StopBits = 1
	}
	return c
}

// mode writes "115200 8N1".
func (c Config) mode() string {
	return fmt.Sprintf("%d %d%s%d", c.Baud, c.DataBits, strings.ToUpper(c.Parity.String()[:1]), c.StopBits)
}
