package lapb

import (
	"cmp"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"runnel/transport/serial/hdlc"
)

// Role is the role of an end. It determines the addresses and when the end calls.
type Role uint8

const (
	Gateway Role = iota // the router's end
	Device              // the microcontroller's
)

// Limits and defaults of the parameters.
const (
	MinInfo, MaxInfo, defaultInfo = 32, 1024, 128
	MaxWindow, defaultWindow      = 7, 4
	maxRetries, defaultRetries    = 20, 5
	maxName                       = 32

	defaultBaud = 115200
	defaultT3   = 5 * time.Second
	defaultPoll = 20 * time.Millisecond
	minT1       = 100 * time.Millisecond
	maxTimer    = time.Minute
	turnaround  = 20 * time.Millisecond // delay added by drivers, USB adapters and the other end's program, each way
	callSlow    = time.Second           // between calls to an end that does not answer
)

// Config holds the role and the parameters of an end. The zero value is a gateway with defaults. Both ends should have the
// same Window and Info; if they exchange them, the smaller values take effect.
type Config struct {
	Role Role
	Baud int // used for T1; 0 for 115200

	Info    int // N1, octets per frame, 32 to 1024; 0 for 128
	Window  int // k, unacknowledged frames, 1 to 7; 0 for 4
	Retries int // N2, consecutive timeouts of T1, up to 20; 0 for 5

	T1 time.Duration // timeout of an answer; 0 for 3 times (Window frames' time + 20 ms), at least 100 ms
	T2 time.Duration // delay of an acknowledgement that waits for an I frame, at most T1/4; 0 for T1/4
	T3 time.Duration // silence after which the other end is polled; 0 for 5 s

	// HalfDuplex is for lines on which only one end may send at a time. The window is 1, and the device sends only when
	// the gateway has polled it, which happens at least once per Poll (0 for 20 ms).
	HalfDuplex bool
	Poll       time.Duration

	// Name (at most 32 octets of UTF-8) and BootID are sent to the other end for its log. With NoXID nothing is sent, and
	// the other end uses its own Window and Info.
	Name   string
	BootID uint32
	NoXID  bool
}

// Validate returns an error that names the invalid parameter in c.
func (c Config) Validate() error {
	switch {
	case c.Role > Device:
		return fmt.Errorf("role %d: out of range", c.Role)
	case c.Baud < 0:
		return fmt.Errorf("baud %d: out of range", c.Baud)
	case c.Info != 0 && (c.Info < MinInfo || c.Info > MaxInfo):
		return fmt.Errorf("frames of %d octets: want %d to %d", c.Info, MinInfo, MaxInfo)
	case c.Window < 0 || c.Window > MaxWindow:
		return fmt.Errorf("window of %d frames: want 1 to %d", c.Window, MaxWindow)
	case c.HalfDuplex && c.Window > 1:
		return fmt.Errorf("window of %d frames: half-duplex allows 1", c.Window)
	case c.Retries < 0 || c.Retries > maxRetries:
		return fmt.Errorf("%d retries: want 1 to %d", c.Retries, maxRetries)
	case len(c.Name) > maxName || !utf8.ValidString(c.Name):
		return fmt.Errorf("name %q: want at most %d octets of UTF-8", c.Name, maxName)
	}
	return c.validateTimers()
}

func (c Config) validateTimers() error {
	for _, t := range [...]struct {
		name string
		d    time.Duration
	}{{"T1", c.T1}, {"T2", c.T2}, {"T3", c.T3}, {"poll", c.Poll}} {
		if t.d < 0 || t.d > maxTimer {
			return fmt.Errorf("%s %v: want at most %v", t.name, t.d, maxTimer)
		}
	}
	if c.T2 > c.withDefaults().T1/4 {
		return fmt.Errorf("T2 %v: want at most a quarter of T1 (%v)", c.T2, c.withDefaults().T1/4)
	}
	if c.Poll != 0 && !c.HalfDuplex {
		return errors.New("poll is for half-duplex only")
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Baud = cmp.Or(c.Baud, defaultBaud)
	c.Info = cmp.Or(c.Info, defaultInfo)
	if c.HalfDuplex {
		c.Window = 1
	}
	c.Window = cmp.Or(c.Window, defaultWindow)
	c.Retries = cmp.Or(c.Retries, defaultRetries)
	c.T1 = cmp.Or(c.T1, max(minT1, 3*(time.Duration(c.Window)*c.frameTime()+turnaround)))
	c.T2 = cmp.Or(c.T2, c.T1/4)
	c.T3 = cmp.Or(c.T3, defaultT3)
	c.Poll = cmp.Or(c.Poll, defaultPoll)
	return c
}

// frameTime returns the transmission time of a frame at 8N1, with two octets for escapes, the average for random info.
func (c Config) frameTime() time.Duration {
	return time.Duration(c.Info+hdlc.Overhead+2) * 10 * time.Second / time.Duration(c.Baud)
}

// sendRoom returns how many octets may wait to be acknowledged: one window on the line and one to follow it.
func (c Config) sendRoom() int { return 2 * c.Window * c.Info }

// receiveRoom returns how many octets may wait to be read.
func (c Config) receiveRoom() int { return max(4096, 4*c.reserve()) }

// reserve returns how many octets may still arrive after the other end was told to stop.
func (c Config) reserve() int { return c.Window * c.Info }

// linger returns how long a closed stream keeps sending the data written to it.
func (c Config) linger() time.Duration { return time.Duration(c.Retries) * c.T1 }
