// Package report shows a running node to its operators: the procedures that every realm offers, the events that
// announce a change of state, and the metrics.
//
//	status.go       Status, which runnel.status returns, and the Source that it comes from
//	listener.go, serial.go, uplink.go, queue.go, certificate.go   its parts
//	serve.go        the procedures runnel.*, registered in every realm
//	announce.go     the retained events runnel.*.on_state
//	metrics*.go     the same figures for Prometheus
//	print*.go       the same figures for people
//
// The JSON of the exported structs is a contract: programs of users read it from runnel.status, the .get procedures,
// the events, and "runnel status --json". Fields may be added, but not renamed, and keep their meaning.
// docs/operations.md describes them.
package report
