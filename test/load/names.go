package main

import (
	"fmt"
	"strings"
)

// name writes a URI as a topic of the protocol.
func (t target) name(uri string) string {
	if t.protocol == mqttProtocol {
		return strings.ReplaceAll(uri, ".", "/")
	}
	return uri
}

// entryTopic is the topic that entry i of a table matches.
func entryTopic(i int) string { return fmt.Sprintf("bench.n%d.sensor.value", i) }

// entry is the i-th entry of a table as the protocol writes its pattern.
func (t target) entry(i int) string {
	switch t.match {
	case "prefix":
		return t.pattern(fmt.Sprintf("bench.n%d.", i), fmt.Sprintf("bench.n%d.>", i), fmt.Sprintf("bench/n%d/#", i))
	case "wildcard":
		return t.pattern(fmt.Sprintf("bench.n%d..value", i), fmt.Sprintf("bench.n%d.*.value", i), fmt.Sprintf("bench/n%d/+/value", i))
	}
	return t.name(entryTopic(i))
}

func (t target) pattern(wamp, nats, mqtt string) string {
	switch t.protocol {
	case natsProtocol:
		return nats
	case mqttProtocol:
		return mqtt
	}
	return wamp
}
