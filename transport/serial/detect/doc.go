// Package detect identifies what a serial line carries.
//
//	guess.go    Identify: frames of the link, Modbus, NMEA, text or unknown
//	decode.go   Decoder: received bytes -> text for people, one line per frame
//	probe.go    Prober: tries baud rates until the input makes sense
//
// The package only listens: it never writes to a port.
package detect
