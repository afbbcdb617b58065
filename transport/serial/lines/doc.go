// Package lines understands devices that print text: each line becomes an event.
//
//	splitter.go   octets -> lines, whatever they end with
//	config.go     what a line looks like, and what is to be made of it
//	parser.go     a line -> an event: the fields that the format finds, scaled, stamped, given a topic
//	json.go csv.go nmea.go (nmea_table.go) pattern.go    the formats
//	sensor.go     reads a device, counts, and hands out the events
//
// Nothing that a device prints is fatal. A line that can't be understood is counted and shown; the next one may be good.
// The package knows no port and no router.
package lines
