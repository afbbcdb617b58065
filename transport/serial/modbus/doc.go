// Package modbus asks the slaves of a Modbus RTU bus for their values, and turns what they answer into events.
//
//	frame.go      requests and answers: a slave, a function, data, a CRC-16
//	point.go      a value on the bus: which registers it has
//	value.go      what the registers mean
//	config.go     the bus: its points, its timing
//	query.go      which points are asked for together
//	schedule.go   whose turn it is
//	ledger.go     which answers may still come, and what a frame is taken for
//	receive.go    finds frames in what arrives
//	exchange.go   one request and its answer
//	tcp.go        the same over Modbus TCP
//	master.go     Master: asks, publishes, writes
//	state.go      what each slave did
//
// All share one pair of wires, and one that is silent must not keep the others waiting: each time it does not answer it
// is left alone for longer, up to a minute. The port is none of its concern, and stays open.
//
// The package knows no port and no router. The specification is "MODBUS Application Protocol Specification V1.1b3" and
// "MODBUS over Serial Line V1.02".
package modbus
