// Package pty makes pseudo-terminals: serial ports without hardware. What is written to one end is read at the other.
// The demo plays its sensor on one, and so can anybody who writes a device's program before the device is there.
//
//	d, err := pty.Plug("/tmp/sensor")   // the router opens /tmp/sensor as its serial device
//	d.Write(...)                        // and reads this
//	d.Close()                           // the device is unplugged
package pty
