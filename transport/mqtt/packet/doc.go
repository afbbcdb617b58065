// Package packet encodes and decodes the control packets of MQTT 3.1.1 and MQTT 5, for both ends of a connection.
//
//	packet.go    the types of packets and their fields
//	code.go      reason codes
//	property.go  properties (MQTT 5, 2.2.2)
//	append.go    a packet becomes bytes
//	writer.go    packets wait until they are written
//	reader.go    bytes of a connection become packets; decode.go: the fields of one packet
//
// Section numbers are those of MQTT 5 unless a comment says otherwise.
//
// A peer may lie about every length. A Reader allocates only what has arrived, up to its Max, and it bounds the
// properties of a packet. It skips a PUBLISH beyond Max, and reports its topic and id. The payload of a PUBLISH is
// not copied after it was read.
package packet
