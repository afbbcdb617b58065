package serial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"runnel/transport/serial/lapb"
)

// OpenURL opens the port described by a URL, for a client that dials:
//
//	serial:///dev/ttyUSB0?baud=115200&framing=hdlc
//	serial:?vid=2341&pid=0043
//
// With framing=hdlc the program acts as the device at the end of the line, like a microcontroller, and OpenURL returns
// when the link is up. ParseURL lists the keys.
func OpenURL(ctx context.Context, u *url.URL) (io.ReadWriteCloser, error) {
	c, err := ParseURL(u)
	if err != nil {
		return nil, err
	}
	p, err := Open(ctx, c.Port)
	if err != nil {
		return nil, err // not p: an interface holding a nil *Port is not nil
	}
	if c.Framing == Bare {
		return p, nil
	}
	stream, err := lapb.Dial(ctx, p, linkConfig(c.Link, lapb.Device, c.Port), lapb.Hooks{})
	if err != nil {
		return nil, fmt.Errorf("connect over serial %s: %w", p.Device(), err)
	}
	return stream, nil
}

// LinkReset reports whether err says that the ends of a link (framing=hdlc) disagreed about their connection. A new
// connection resolves this.
func LinkReset(err error) bool {
	return errors.Is(err, lapb.ErrUnknown) || errors.Is(err, lapb.ErrRestarted) || errors.Is(err, lapb.ErrConfused)
}

// ParseURL parses a serial URL. Its path is the device. The query may hold baud, data_bits, stop_bits, parity, dtr, rts,
// settle and framing ("none", the default, or "hdlc"), and instead of a path vid, pid, serial and interface. With
// framing=hdlc it may also hold window, frame, retries, t1, t2, t3, half_duplex and name.
func ParseURL(u *url.URL) (LineConfig, error) {
	fail := func(err error) (LineConfig, error) {
		return LineConfig{}, fmt.Errorf("parse %s: %w", u.Redacted(), err)
	}
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
	c := LineConfig{Port: Config{Device: u.Path}}
	for key, values := range query {
		if len(values) != 1 {
			return fail(fmt.Errorf("%s: given %d times", key, len(values)))
		}
		if err := c.set(key, values[0]); err != nil {
			return fail(err)
		}
	}
	if err := c.Validate(); err != nil {
		return fail(err)
	}
	if c.Framing == Bare && c.Link != (lapb.Config{}) {
		return fail(errors.New("window, frame, retries, t1, t2, t3, half_duplex and name are for framing=hdlc only"))
	}
	return c, nil
}

func (c *LineConfig) set(key, value string) error {
	if key == "framing" {
		return c.Framing.UnmarshalText([]byte(value))
	}
	if known, err := setLink(&c.Link, key, value); known {
		return err
	}
	return c.Port.set(key, value)
}

func setLink(c *lapb.Config, key, value string) (known bool, err error) {
	switch key {
	case "window":
		c.Window, err = number(key, value)
	case "frame":
		c.Info, err = number(key, value)
	case "retries":
		c.Retries, err = number(key, value)
	case "t1":
		c.T1, err = time.ParseDuration(value)
	case "t2":
		c.T2, err = time.ParseDuration(value)
	case "t3":
		c.T3, err = time.ParseDuration(value)
	case "half_duplex":
		c.HalfDuplex, err = strconv.ParseBool(value)
	case "name":
		c.Name = value
	default:
		return false, nil
	}
	return true, err
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
