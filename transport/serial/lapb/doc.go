// Package lapb turns a serial line into a reliable stream of octets. The line may drop, flip and invent octets, and the
// device at its end may restart. The protocol is a subset of LAPB (ISO 7776) in frames of package hdlc: numbered frames
// and a window of up to seven, resent from the first missing frame (go-back-N).
//
//	config.go    Config: the role and the parameters with their defaults
//	control.go   the control octet
//	identity.go  Identity: what the ends tell each other about themselves (XID)
//	link.go      Link: the state machine, without goroutine or clock; the caller passes in time and frames
//	setup.go     connecting, disconnecting and restarts
//	receive.go   receiving I and S frames
//	window.go    octets that are not acknowledged yet
//	send.go      sending the frames that are due
//	turn.go      sending on half-duplex lines (RS-485)
//	station.go   Station: a Link on a port, with goroutines for reads, writes and timers
//	stream.go    Stream: one connection of the link, as an io.ReadWriteCloser
//
// The two ends differ only in their addresses and in who calls: the gateway calls the device for as long as the port is
// open, the device calls when it boots. Each connection is a new stream. A stream ends when either end restarts,
// disconnects or falls silent, and never continues in another connection. Its reader therefore gets exactly the octets
// that were written to it, from the first one on, each once.
package lapb
