package main

import "slices"

// scenario is one row's work.
type scenario struct {
	name      string
	run       func(target, work) (figures, error)
	work      work
	protocols []protocol
	json      bool // WAMP with JSON instead of CBOR
	devices   bool // the clients speak MQTT, to each broker
	qos       byte // of these
	relay     bool // a program between two devices speaks WAMP, if the broker does
	webSocket bool
	secure    bool   // over TLS
	match     string // the kind of the entries of a table: exact, prefix or wildcard
	kept      bool   // the broker keeps the events on disk until the subscriber has acknowledged them
}

// work is how much a scenario does.
type work struct {
	publishers  int // or callers
	subscribers int // or callees; sessions of an idle run
	entries     int // subscriptions of a table run
	size        int // payload, in bytes
	window      int // messages in flight for each publisher or caller
	count       int // messages in all
}

// times is w with f times as many messages, sessions and entries.
func (w work) times(f float64) work {
	scaled := func(n int) int {
		if n <= 1 {
			return n
		}
		return max(1, int(float64(n)*f))
	}
	w.count, w.entries = scaled(w.count), scaled(w.entries)
	if w.count == 0 {
		w.subscribers = scaled(w.subscribers)
	}
	return w
}

var (
	all       = []protocol{wampProtocol, natsProtocol, mqttProtocol, limitProtocol}
	brokers   = []protocol{wampProtocol, natsProtocol, mqttProtocol}
	withCalls = []protocol{wampProtocol, natsProtocol, limitProtocol}
	wampAlone = []protocol{wampProtocol}
	tables    = []protocol{wampProtocol, natsProtocol}

	withDevices = []protocol{wampProtocol, mqttProtocol} // WAMP is Runnel, with an MQTT listener
)

// scenarios are the rows of the table, in order. The name says publishers:subscribers and the window.
var scenarios = []scenario{
	{name: "event 1:1 w50", run: fanout, protocols: all, work: work{1, 1, 0, 128, 50, 100_000}},
	{name: "event 1:1 w1000", run: fanout, protocols: all, work: work{1, 1, 0, 128, 1000, 300_000}},
	{name: "event 1:10 w200", run: fanout, protocols: all, work: work{1, 10, 0, 128, 200, 60_000}},
	{name: "event 8:8 w50", run: fanout, protocols: brokers, work: work{8, 8, 0, 128, 50, 60_000}},
	{name: "event 4KiB 1:1 w50", run: fanout, protocols: all, work: work{1, 1, 0, 4096, 50, 60_000}},
	{name: "event WebSocket w1000", run: fanout, protocols: wampAlone, webSocket: true, work: work{1, 1, 0, 128, 1000, 300_000}},
	{name: "event TLS w1000", run: fanout, protocols: wampAlone, secure: true, work: work{1, 1, 0, 128, 1000, 300_000}},
	{name: "event JSON w1000", run: fanout, protocols: wampAlone, json: true, work: work{1, 1, 0, 128, 1000, 300_000}},
	{name: "event MQTT 1:1 w50", run: fanout, protocols: withDevices, devices: true, json: true, work: work{1, 1, 0, 64, 50, 60_000}},
	{name: "event MQTT 1:1 w1000", run: fanout, protocols: withDevices, devices: true, json: true, work: work{1, 1, 0, 64, 1000, 100_000}},
	{name: "event MQTT QoS 1 w50", run: fanout, protocols: withDevices, devices: true, qos: 1, json: true, work: work{1, 1, 0, 64, 50, 60_000}},
	{name: "event MQTT WAMP MQTT w50", run: relayed, protocols: withDevices, devices: true, relay: true, work: work{1, 1, 0, 128, 50, 40_000}},
	{name: "event MQTT QoS 1 WAMP MQTT w50", run: relayed, protocols: withDevices, devices: true, qos: 1, relay: true, work: work{1, 1, 0, 128, 50, 40_000}},
	{name: "sparse 1:1000", run: sparse, protocols: brokers, match: "exact", work: work{1, 1000, 20_000, 128, 1000, 50_000}},
	{name: "table exact 200k", run: sparse, protocols: tables, match: "exact", work: work{1, 4, 200_000, 128, 1000, 50_000}},
	{name: "table prefix 30k", run: sparse, protocols: tables, match: "prefix", work: work{1, 4, 30_000, 128, 1000, 50_000}},
	{name: "table wildcard 30k", run: sparse, protocols: tables, match: "wildcard", work: work{1, 4, 30_000, 128, 1000, 50_000}},
	{name: "call 1:1 w50", run: calls, protocols: withCalls, work: work{1, 1, 0, 128, 50, 60_000}},
	{name: "call 1:1 w1", run: calls, protocols: withCalls, work: work{1, 1, 0, 128, 1, 10_000}},
	{name: "call 8:8 w50", run: calls, protocols: tables, work: work{8, 8, 0, 128, 50, 60_000}},
	{name: "idle 2000", run: idle, protocols: brokers, work: work{subscribers: 2000}},
	{name: "idle WebSocket 2000", run: idle, protocols: wampAlone, webSocket: true, work: work{subscribers: 2000}},
	{name: "idle TLS 2000", run: idle, protocols: []protocol{wampProtocol, mqttProtocol}, secure: true, work: work{subscribers: 2000}},
	{name: "idle MQTT 2000", run: idle, protocols: withDevices, devices: true, json: true, work: work{subscribers: 2000}},
	{name: "idle MQTT 10000", run: idle, protocols: withDevices, devices: true, json: true, work: work{subscribers: 10_000}},
	{name: "durable 1:1 w50", run: kept, protocols: brokers, kept: true, work: work{1, 1, 0, 100, 50, 100_000}},
	{name: "durable 1:1 w1000", run: kept, protocols: brokers, kept: true, work: work{1, 1, 0, 100, 1000, 300_000}},
	{name: "durable backlog", run: backlog, protocols: brokers, kept: true, work: work{1, 1, 0, 100, 1000, 1_000_000}},
}

func (s scenario) fits(p protocol) bool { return slices.Contains(s.protocols, p) }

func (s scenario) serializer() string {
	if s.json {
		return "json"
	}
	return "cbor"
}
