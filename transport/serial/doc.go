// Package serial connects devices on serial ports.
//
// Open opens a port exclusively, and List lists the ports of the machine. A Line keeps a port in use for as long as the
// program runs: it opens the port, hands each peer to the router, and waits for the device to return after it was
// unplugged. The way of a device from its plug to a session:
//
//	find.go     find the device: a path or a USB identity
//	port.go     open the port: lock, raw mode, flush (port_linux.go, lock_linux.go, holder_linux.go)
//	line.go     Line.Run: open, serve, lose, wait, open again
//	resync.go   skip input up to the RawSocket handshake
//	stream.go   the connection of one peer on the port
//	link.go     framing "hdlc": the link (hdlc, lapb) takes the place of resync.go and stream.go
//
// The package does not look into the stream, with one exception: bare RawSocket (framing "none") has no frames to
// synchronize on, so resync.go looks for a RawSocket handshake.
package serial
