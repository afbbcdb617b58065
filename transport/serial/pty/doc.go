// Package pty creates pseudo-terminals: serial ports without hardware. Data written to one end is read at the other. The
// demo simulates its sensor with one; use it to develop a program for a device that you do not have yet.
//
//	d, err := pty.Plug("/tmp/sensor")   // the router opens /tmp/sensor as its serial device
//	d.Write(...)                        // and reads this
//	d.Close()                           // the device is unplugged
package pty
