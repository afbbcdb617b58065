// Package subprotocol names what WebSocket and HTTP long-poll carry, and knows how its batches look
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

// Names are those of all subprotocols that Runnel speaks.
func Names() (names []string) {
	for _, batched := range []bool{false, true} {
		for _, s := range wamp.Serializers {
			names = append(names, Protocol{s, batched}.String())
		}
	}
	return names
}

// Parse reads a subprotocol's name.
func Parse(name string) (p Protocol, ok bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return p, false
	}
	rest, p.Batched = strings.CutSuffix(rest, batched)
	p.Serializer, ok = wamp.ParseSerializer(rest)
	return p, ok
}

// Choose returns the first of a client's subprotocols that Runnel speaks. The client's order counts: it knows what it
// decodes best.
func Choose(names []string) (p Protocol, ok bool) {
	for _, name := range names {
		if p, ok = Parse(name); ok {
			return p, true
		}
	}
	return p, false
}
