package lapb

import (
	"cmp"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"runnel/transport/serial/hdlc"
)

// Role is an end of the line. It decides about addresses, and about who asks for a connection when.
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
	turnaround  = 20 * time.Millisecond // what drivers, USB adapters and the other end's program add to a way
	callSlow    = time.Second           // between calls to an end that does not answer
)

// Config says which end of the link this is, and how it behaves. The zero value is a gateway's default. Both ends
// should have the same Window and Info; if they tell each other, the smaller ones count.
type Config struct {
	Role Role
	Baud int // for T1; 0: 115200

	Info    int // N1, octets in a frame, 32 to 1024; 0: 128
	Window  int // k, frames under way, 1 to 7; 0: 4
	Retries int // N2, how often in a row T1 may expire; 0: 5

	T1 time.Duration // for an answer; 0: 3 times (Window frames' time + 20 ms), at least 100 ms
	T2 time.Duration // how long an acknowledgement may wait for a frame to travel with, at most T1/4; 0: T1/4
	T3 time.Duration // of silence before the other end is asked whether it is there; 0: 5 s

	// HalfDuplex is for lines where only one may speak at a time: the window is 1, and the device speaks only when the
	// gateway has asked it to, every Poll (0: 20 ms) at least.
	HalfDuplex bool
	Poll       time.Duration

	// Name (at most 32 octets of UTF-8) and BootID are told to the other end, for its log. NoXID says nothing, and
	// leaves the other end to its own idea of Window and Info.
	Name   string
	BootID uint32
	NoXID  bool
}

// Validate reports what is wrong with c.
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
		return fmt.Errorf("T2 %v: want at most a quarter of T1, %v", c.T2, c.withDefaults().T1/4)
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

// frameTime is how long a frame takes on the wire, with two octets of 8N1 for escapes, which is what random info needs.
func (c Config) frameTime() time.Duration {
	return time.Duration(c.Info+hdlc.Overhead+2) * 10 * time.Second / time.Duration(c.Baud)
}

// sendRoom is how many octets wait for the other end, at most: a window under way, and one to follow it.
func (c Config) sendRoom() int { return 2 * c.Window * c.Info }

// receiveRoom is how many octets wait for the reader, at most.
func (c Config) receiveRoom() int { return max(4096, 4*c.reserve()) }

// reserve is what may still arrive when the other end is told to stop.
func (c Config) reserve() int { return c.Window * c.Info }

// linger is how long a stream that was closed goes on with what was written to it.
func (c Config) linger() time.Duration { return time.Duration(c.Retries) * c.T1 }
