// Package serial reaches the devices at the end of a serial port.
//
// Open opens a port for one program alone and List says which there are. A Line keeps a port in use for as long as the
// program runs: it opens it, hands each peer that speaks up to the router, and when the device is unplugged it waits
// for it to come back. The way of a device from its plug to a session:
//
//	find.go     which device is meant: a path, or a USB identity
//	port.go     open it: locked, raw, flushed (port_linux.go, lock_linux.go, holder_linux.go)
//	line.go     Run: open, serve, lose, wait, open again
//	resync.go   skip what a device was in the middle of saying, up to its RawSocket handshake
//	stream.go   one peer's time on the port
//	link.go     instead of the last two, with framing "hdlc": the link (hdlc, lapb) says where a peer's time begins
//
// What a device speaks over the stream is none of this package's business, with one exception: bare RawSocket octets
// (framing "none") have no frame to find a beginning by, so resync.go knows what a RawSocket handshake looks like.
package serial
