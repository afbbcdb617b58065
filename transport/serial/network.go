package serial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// A serial device server provides a port over TCP. It is used like a local port: it is opened again when lost, and has one
// reader.

// networkPrefix is the prefix of a device on another machine: "tcp://10.0.0.7:4001".
const networkPrefix = "tcp://"

// dialTimeout bounds opening a port over the network.
const dialTimeout = 10 * time.Second

// Networked reports whether the port is reached over TCP.
func (c Config) Networked() bool { return strings.HasPrefix(c.Device, networkPrefix) }

// validateNetwork reports an invalid address, and settings that only a local port has.
func (c Config) validateNetwork() error {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(c.Device, networkPrefix))
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("device %q: want tcp://HOST:PORT", c.Device)
	}
	if c.RS485 != nil || c.DTR != Keep || c.RTS != Keep || c.Flow != NoFlow {
		return errors.New("rs485, dtr, rts and flow are for local ports; set them at the device server")
	}
	return nil
}

// dial opens a port over the network. Keep-alive detects a server that vanishes within half a minute.
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
