// Package detect identifies the protocol of a serial line.
//
//	guess.go    Identify: frames of the link, Modbus, NMEA, text, a known device or unknown
//	text.go     lines of text: JSON, names and values, tables
//	known.go    devices that have a profile
//	decode.go   Decoder: received bytes -> text for people, one line per frame
//	probe.go    Prober: tries baud rates until the input makes sense
//
// The package only listens: it never writes to a port.
package detect
