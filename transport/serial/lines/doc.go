// Package lines understands devices that print text: each line becomes an event.
//
//	splitter.go   octets -> lines, whatever they end with
//	config.go     what a line looks like, and what is to be made of it
//	parser.go     a line -> an event: the fields that the format finds, scaled, stamped, given a topic
//	json.go csv.go keyvalue.go fixed.go pattern.go       the formats
//	nmea.go nmea_table.go nmea_time.go ais.go            NMEA 0183, and AIS in it
//	number.go value.go                                   what is a number, and what a field's type makes of it
//	sensor.go     reads a device, counts, and hands out the events
//
// Nothing that a device prints is fatal. A line that can't be understood is counted and shown; the next one may be good.
// The package knows no port and no router.
package lines
