// Package lines reads devices that print text or send telegrams, and turns each line or telegram into an event.
//
//	splitter.go   bytes -> lines, for any line ending
//	config.go     Config: the format of a line and the event to make from it
//	parser.go     a line -> an event: find the fields, convert, scale, add the time and the topic
//	telegram.go   Telegram: messages that are not single lines; check.go, tic.go: how they are protected
//	framer.go     bytes -> telegrams; nested.go: the lines within
//	json.go csv.go keyvalue.go fixed.go pattern.go obis.go sml.go binary.go  the formats
//	nmea.go nmea_table.go nmea_time.go ais.go            NMEA 0183, including AIS
//	number.go value.go                                   numbers, and conversion to a field's type
//	sensor.go     Sensor: reads a device, counts lines and publishes events; telegrams.go: the same of telegrams
//	publish.go    which readings become events: on change, or one in a time
//	ask.go        requests to a device that answers only then
//
// No input is fatal. A line that cannot be parsed is counted and shown in the status, and reading continues with the
// next line. The package does not depend on ports or the router.
package lines
