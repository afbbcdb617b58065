// Package ear listens to serial lines of which nobody knows what they speak.
//
//	guess.go    what octets look like: frames of the link, Modbus, NMEA, text, or nothing known
//	decode.go   octets -> lines for people, one a frame or a line of text
//	probe.go    tries baud rates until one makes sense
//
// It only listens: what it opens it does not write to.
package ear
