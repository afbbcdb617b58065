package serial

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"
)

// OpenURL opens the port that a URL names, for a client that dials:
//
//	serial:///dev/ttyUSB0?baud=115200&framing=none
//	serial:?vid=2341&pid=0043
//
// See ParseURL for the keys.
func OpenURL(ctx context.Context, u *url.URL) (io.ReadWriteCloser, error) {
	c, err := ParseURL(u)
	if err != nil {
		return nil, err
	}
	p, err := Open(ctx, c)
	if err != nil {
		return nil, err // not p: an interface that holds a nil *Port is not nil
	}
	return p, nil
}

// ParseURL reads a serial URL: the path is the device; the query may hold baud, data_bits, stop_bits, parity, dtr, rts,
// settle, framing (only "none"), and instead of a path vid, pid, serial and interface.
func ParseURL(u *url.URL) (Config, error) {
	fail := func(err error) (Config, error) { return Config{}, fmt.Errorf("parse %s: %w", u.Redacted(), err) }
	if u.Scheme != "serial" {
		return fail(fmt.Errorf("scheme %q: want serial", u.Scheme))
	}
	if u.Host != "" || u.Opaque != "" || u.User != nil {
		return fail(fmt.Errorf("want three slashes, as in serial:///dev/ttyUSB0"))
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fail(err)
	}
	c := Config{Device: u.Path}
	for key, values := range query {
		if len(values) != 1 {
			return fail(fmt.Errorf("%s is given %d times", key, len(values)))
		}
		if err := c.set(key, values[0]); err != nil {
			return fail(err)
		}
	}
	if err := c.Validate(); err != nil {
		return fail(err)
	}
	return c, nil
}

func (c *Config) set(key, value string) (err error) {
	switch key {
	case "baud":
		c.Baud, err = number(key, value)
	case "data_bits":
		c.DataBits, err = number(key, value)
	case "stop_bits":
		c.StopBits, err = number(key, value)
	case "parity":
		err = c.Parity.UnmarshalText([]byte(value))
	case "dtr":
		err = c.DTR.UnmarshalText([]byte(value))
	case "rts":
		err = c.RTS.UnmarshalText([]byte(value))
	case "settle":
		c.Settle, err = time.ParseDuration(value)
	case "framing":
		_, err = pick(key, []string{"none"}, value)
	case "vid":
		c.USB.VID = value
	case "pid":
		c.USB.PID = value
	case "serial":
		c.USB.Serial = value
	case "interface":
		c.USB.Interface = value
	default:
		err = fmt.Errorf("unknown key %q", key)
	}
	return err
}

func number(key, value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%s %q: want a number", key, value)
	}
	return n, nil
}
