package serial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// A serial device server offers a port over TCP. For the rest of the program it is a port like any other: it is opened
// again when it is lost, and belongs to one reader.

// networkPrefix begins the name of a device that is not on this machine: "tcp://10.0.0.7:4001".
const networkPrefix = "tcp://"

// dialTimeout bounds the opening of a port over a network.
const dialTimeout = 10 * time.Second

// Networked reports whether the port is that of a device server, or another machine that is reached by TCP.
func (c Config) Networked() bool { return strings.HasPrefix(c.Device, networkPrefix) }

// validateNetwork reports what is wrong with a device's address, and which settings a network does not carry.
func (c Config) validateNetwork() error {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(c.Device, networkPrefix))
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("device %q: want tcp://HOST:PORT", c.Device)
	}
	if c.RS485 != nil || c.DTR != Keep || c.RTS != Keep {
		return errors.New("rs485, dtr and rts are for ports of this machine; set them at the device server")
	}
	return nil
}

// dial opens a port over a network. A server that vanishes without a word is noticed within half a minute.
func dial(ctx context.Context, c Config) (*Port, error) {
	dialer := net.Dialer{
		Timeout:         dialTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	conn, err := dialer.DialContext(ctx, "tcp", strings.TrimPrefix(c.Device, networkPrefix))
	if err != nil {
		return nil, bare(err)
	}
	return &Port{device: c.Device, rw: conn}, nil
}
