package serial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// A serial device server provides a port over TCP. The router uses it like a local port: one goroutine reads it, and a lost
// connection is opened again.

// Prefixes of a device on another machine: "tcp://10.0.0.7:4001". With the second one, the server gets the line parameters.
const (
	networkPrefix = "tcp://"
	rfc2217Prefix = "rfc2217://"
)

// dialTimeout bounds opening a port over the network.
const dialTimeout = 10 * time.Second

// Networked reports whether the port is reached over TCP.
func (c Config) Networked() bool { return IsNetwork(c.Device) }

// IsNetwork reports whether a device is on another machine, and so not a path.
func IsNetwork(device string) bool {
	return strings.HasPrefix(device, networkPrefix) || strings.HasPrefix(device, rfc2217Prefix)
}

// IsCOM reports whether a device is a port's name on Windows, such as "COM3", and so not a path.
func IsCOM(device string) bool {
	if len(device) < 4 || !strings.EqualFold(device[:3], "COM") {
		return false
	}
	return strings.Trim(device[3:], "0123456789") == ""
}

// address returns the host and port of a device on another machine.
func (c Config) address() string {
	_, address, _ := strings.Cut(c.Device, "://")
	return address
}

// remote reports whether the server gets the line parameters from its client.
func (c Config) remote() bool { return strings.HasPrefix(c.Device, rfc2217Prefix) }

// validateNetwork reports an invalid address, and settings that only a local port has.
func (c Config) validateNetwork() error {
	host, port, err := net.SplitHostPort(c.address())
	if err != nil || host == "" || port == "" {
		return fmt.Errorf("device %q: want tcp://HOST:PORT or rfc2217://HOST:PORT", c.Device)
	}
	if c.remote() && c.RS485 == nil {
		return nil
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
	conn, err := dialer.DialContext(ctx, "tcp", c.address())
	if err != nil {
		return nil, bare(err)
	}
	if !c.remote() {
		return &Port{device: c.Device, rw: conn}, nil
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	t, err := newTelnet(conn, c)
	if !stop() {
		err = ctx.Err()
	} else if err == nil {
		err = pause(ctx, c.Settle)
	}
	if err != nil {
		conn.Close()
		return nil, bare(err)
	}
	return &Port{device: c.Device, rw: t}, nil
}
