package modbus

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Config is a bus and what is wanted of it.
type Config struct {
	Points  []Point
	Baud    int           // 0: 115200
	Timeout time.Duration // for an answer to begin; 0: 500 ms
	TCP     bool          // requests go through TCP, so that units 0 and 255 answer, and the answers are known by their number
	Gap     time.Duration // of silence between frames, if slaves need more than the 3.5 characters that they may want

	// Turned is called when a slave falls silent, and when it answers again (err is nil then). It must not wait.
	Turned func(slave byte, err error)

	// Late is called when a slave needs longer than Timeout, with how long and the timeout that it needs, and when it no
	// longer does (both are 0 then). It must not wait.
	Late func(slave byte, needs, suggested time.Duration)
}

const (
	defaultBaud    = 115200
	defaultTimeout = 500 * time.Millisecond
	maxTimeout     = time.Minute
	maxGap         = time.Second
	maxPoints      = 4096
	bitsPerOctet   = 11 // start, eight, parity, stop; or two stops
)

// Validate reports what is wrong with c.
func (c Config) Validate() error {
	switch {
	case len(c.Points) == 0:
		return errors.New("there is nothing to ask for")
	case len(c.Points) > maxPoints:
		return fmt.Errorf("%d points: want at most %d", len(c.Points), maxPoints)
	case c.Timeout < 0 || c.Timeout > maxTimeout:
		return fmt.Errorf("timeout %v: want at most %v", c.Timeout, maxTimeout)
	case c.Gap < 0 || c.Gap > maxGap:
		return fmt.Errorf("gap %v: want at most %v", c.Gap, maxGap)
	}
	for i := range c.Points {
		if err := c.Points[i].validate(c.TCP); err != nil {
			return fmt.Errorf("%s: %w", cmp.Or(c.Points[i].Name, fmt.Sprintf("point %d", i+1)), err)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Baud = cmp.Or(c.Baud, defaultBaud)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.Gap = max(c.Gap, c.frameGap())
	if c.Turned == nil {
		c.Turned = func(byte, error) {}
	}
	if c.Late == nil {
		c.Late = func(byte, time.Duration, time.Duration) {}
	}
	return c
}

// frameGap is the silence that ends a frame: 3.5 characters, but 1.75 ms beyond 19,200 baud.
func (c Config) frameGap() time.Duration {
	if c.Baud > 19200 {
		return 1750 * time.Microsecond
	}
	return c.transmission(7) / 2
}

// transmission is how long octets take on the wires.
func (c Config) transmission(octets int) time.Duration {
	return time.Duration(octets) * bitsPerOctet * time.Second / time.Duration(c.Baud)
}
