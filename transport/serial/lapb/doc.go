// Package lapb makes a reliable stream of octets out of a serial line, which drops, flips and invents octets and has
// devices restart at its end. It is a subset of LAPB (ISO 7776) in frames of the package hdlc: numbered frames, a window
// of up to seven, resent from the first that is missing (go-back-N).
//
//	config.go    Config: which end, and the parameters with their defaults
//	control.go   the control octet
//	identity.go  what the ends tell each other of themselves (XID)
//	link.go      Link: the state machine. It has no goroutine and no clock: time is told, octets are handed in and out
//	setup.go     up, down, and what restarts mean
//	receive.go   an I or S frame comes in
//	window.go    octets under way, until they are acknowledged
//	send.go      what is due goes out
//	turn.go      the same on a line where only one may speak (RS-485)
//	station.go   Station: a Link on a port, with the goroutines that reads, writes and clocks need
//	stream.go    Stream: one connection of the link, as an io.ReadWriteCloser
//
// The two ends are the same but for their addresses and for who begins: the gateway asks the device to connect for as
// long as the port is open, and the device asks when it boots. Each time the link comes up a new stream begins. It ends
// when either end restarts, leaves, or falls silent; a stream never goes on in another connection, so what is read from
// it is always what was written to it, from the first octet on, each once.
package lapb
