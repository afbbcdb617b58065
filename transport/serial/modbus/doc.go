// Package modbus is a master for Modbus: it reads the values of slaves and turns them into events.
//
//	frame.go      requests and answers on the wire: slave, function, data, CRC-16
//	point.go      Point: a value and its registers
//	value.go      conversion between registers and values
//	config.go     Config: the points and the timing of a bus
//	query.go      which points share one request
//	schedule.go   which query is sent next
//	tracker.go    which answers may still arrive, and which request a frame answers
//	receive.go    finds frames in the received bytes
//	exchange.go   one request and its answer
//	tcp.go        Modbus TCP
//	master.go     Master: polls, publishes and writes
//	state.go      counters for each slave
//	scan.go       frames in the input of a port that is only listened to
//	search.go     Search: which slaves there are
//
// All slaves share one bus, so a silent slave must not delay the others: after each missing answer it is left alone for
// longer, up to a minute. The port stays open meanwhile.
//
// The package knows neither ports nor the router. The specifications are "MODBUS Application Protocol Specification
// V1.1b3" and "MODBUS over Serial Line V1.02".
package modbus
