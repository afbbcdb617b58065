package serial

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Config says which port to open and how. Device or USB is required. The defaults are 115200 baud, 8N1, and modem lines
// as the system sets them.
type Config struct {
	Device   string // "/dev/ttyUSB0", a link such as those in /dev/serial/by-path, or "tcp://HOST:PORT"
	USB      USB
	Baud     int // 0 for 115200
	DataBits int // 5 to 8; 0 for 8
	StopBits int // 1 or 2; 0 for 1
	Parity   Parity
	DTR, RTS Signal
	Flow     Flow
	RS485    *RS485        // nil if the port does not switch direction, or does so by itself
	Settle   time.Duration // delay after opening: an Arduino restarts when its port is opened
}

// RS485 says how the kernel switches a UART's driver on a bus on which only one end may send at a time. The zero value
// suits most hardware: RTS is on while sending.
type RS485 struct {
	Inverted    bool          // RTS is off while sending and on otherwise
	ReceiveOwn  bool          // receive the port's own transmissions
	Terminate   bool          // enable bus termination at this end
	DelayBefore time.Duration // from RTS to the first bit; whole milliseconds
	DelayBehind time.Duration // from the last bit to the release of RTS; whole milliseconds
}

// maxTurn is the kernel's limit for the delays.
const maxTurn = 100 * time.Millisecond

func (r *RS485) validate() error {
	for _, d := range [...]time.Duration{r.DelayBefore, r.DelayBehind} {
		if d < 0 || d > maxTurn || d%time.Millisecond != 0 {
			return fmt.Errorf("RS-485 delay %v: want whole milliseconds, at most %v", d, maxTurn)
		}
	}
	return nil
}

// USB is the identity of a USB serial adapter, as printed by sysfs and lsusb. Empty fields match anything.
type USB struct {
	VID, PID  string // four hexadecimal digits
	Serial    string
	Interface string // for adapters with several ports: the interface number, "00" or "0"
}

// Parity is the parity of a character.
type Parity uint8

const (
	None Parity = iota
	Odd
	Even
	Mark
	Space
)

// Signal is the state of a modem line after opening.
type Signal uint8

const (
	Keep Signal = iota // as set by the system: on after the first opening
	On
	Off
)

// Flow is the flow control: how a receiver stops the sender.
type Flow uint8

const (
	NoFlow  Flow = iota
	RTSCTS       // by the modem lines RTS and CTS
	XONXOFF      // by the characters XON and XOFF, which cannot be data then
)

var (
	flowNames   = []string{"none", "rtscts", "xonxoff"}
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

// UnmarshalText reads "none", "rtscts" or "xonxoff".
func (f *Flow) UnmarshalText(text []byte) error {
	i, err := pick("flow", flowNames, string(text))
	*f = Flow(i)
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

// Validate returns an error that names the invalid setting in c. It does not access any device.
func (c Config) Validate() error {
	switch {
	case c.Device == "" && c.USB == USB{}:
		return errors.New("device or USB identity is missing")
	case c.Device != "" && c.USB != USB{}:
		return errors.New("device and USB identity exclude each other")
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
	case c.Flow > XONXOFF:
		return errors.New("flow control: out of range")
	case c.Flow == RTSCTS && c.RTS != Keep:
		return errors.New("flow = \"rtscts\" uses RTS; leave rts out")
	case c.Flow == RTSCTS && c.RS485 != nil:
		return errors.New("flow = \"rtscts\" uses RTS, and so does rs485; choose one of the two")
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
		return fmt.Errorf("USB product %s: vendor is missing", u.PID)
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

// target returns the configured device or identity, for errors and logs.
func (c Config) target() string {
	if c.Device != "" {
		return c.Device
	}
	return c.USB.String()
}

// String returns "usb 2341:0043 serial 9573 interface 00", with "*" for an unspecified id.
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

// mode returns the format "115200 8N1".
func (c Config) mode() string {
	return fmt.Sprintf("%d %d%s%d", c.Baud, c.DataBits, strings.ToUpper(c.Parity.String()[:1]), c.StopBits)
}
