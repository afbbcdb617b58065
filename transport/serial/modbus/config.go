package modbus

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Config describes a bus and the values to read from it.
type Config struct {
	Points  []Point
	Baud    int           // 0 for 115200
	Timeout time.Duration // until an answer begins; 0 for 500 ms
	TCP     bool          // requests go over Modbus TCP: units 0 and 255 answer, and answers carry the number of their request
	Gap     time.Duration // silence between frames; at least 3.5 characters are always kept

	// SlaveChanged is called when a slave falls silent, and with a nil err when it answers again. It must not block.
	SlaveChanged func(slave byte, err error)

	// Late is called when a slave's answers take longer than Timeout, with the time they take and a sufficient timeout.
	// It is called with zeros when the answers are in time again. It must not block.
	Late func(slave byte, needs, suggested time.Duration)

	// Refused is called when a slave begins to answer for a point with an exception, and with a nil err when it answers with a
	// value again. It must not block.
	Refused func(p *Point, err error)
}

const (
	defaultBaud    = 115200
	defaultTimeout = 500 * time.Millisecond
	maxTimeout     = time.Minute
	maxGap         = time.Second
	maxPoints      = 4096
	bitsPerOctet   = 11 // start bit, eight data bits, parity bit and stop bit, or two stop bits
)

// Validate returns an error that names the invalid setting in c.
func (c Config) Validate() error {
	switch {
	case len(c.Points) == 0:
		return errors.New("no points configured")
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
	if c.SlaveChanged == nil {
		c.SlaveChanged = func(byte, error) {}
	}
	if c.Late == nil {
		c.Late = func(byte, time.Duration, time.Duration) {}
	}
	if c.Refused == nil {
		c.Refused = func(*Point, error) {}
	}
	return c
}

// frameGap returns the silence that ends a frame: 3.5 characters, but 1.75 ms above 19,200 baud.
func (c Config) frameGap() time.Duration {
	if c.Baud > 19200 {
		return 1750 * time.Microsecond
	}
	return c.transmission(7) / 2
}

// transmission returns how long a number of octets takes on the wire.
func (c Config) transmission(octets int) time.Duration {
	return time.Duration(octets) * bitsPerOctet * time.Second / time.Duration(c.Baud)
}
