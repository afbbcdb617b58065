// Package subprotocol defines the subprotocols of WebSocket and HTTP long-poll: their names and the format of their batches
// (basic/building_blocks.md, "WebSocket Transport"; advanced/transport_batched_websocket.md).
package subprotocol

import (
	"strings"

	"runnel/edge/wamp"
)

// Protocol is a subprotocol.
type Protocol struct {
	Serializer wamp.Serializer
	Batched    bool
}

const (
	prefix  = "wamp.2."
	batched = ".batched"
)

// String is the subprotocol's name, like "wamp.2.cbor.batched".
func (p Protocol) String() string {
	s := prefix + p.Serializer.String()
	if p.Batched {
		s += batched
	}
	return s
}

// Text reports whether messages are text.
func (p Protocol) Text() bool { return p.Serializer == wamp.JSON }

// Names returns the names of all supported subprotocols.
func Names() (names []string) {
	for _, batched := range []bool{false, true} {
		for _, s := range wamp.Serializers {
			names = append(names, Protocol{s, batched}.String())
		}
	}
	return names
}

// Parse parses the name of a subprotocol. ok is false if it is not supported.
func Parse(name string) (p Protocol, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return p, false
	}
	rest, p.Batched = strings.CutSuffix(rest, batched)
	p.Serializer, ok = wamp.ParseSerializer(rest)
	return p, ok
}

// Choose returns the first supported one of a client's subprotocols, because the client lists the preferred ones first.
func Choose(names []string) (p Protocol, ok bool) {
	for _, name := range names {
		if p, ok = Parse(name); ok {
			return p, true
		}
	}
	return p, false
}
