package websocket

import (
	"slices"
	"strings"

	"runnel/edge/wamp"
	"runnel/transport/subprotocol"
)

// choose returns the first of a client's subprotocols that Runnel speaks, in the client's order.
func choose(headers []string) (p subprotocol.Protocol, ok bool) {
	names := strings.Split(strings.Join(headers, ","), ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	return subprotocol.Choose(names)
}

// subprotocols returns the subprotocols that a client requests, the preferred one first.
func (o Options) subprotocols() []string {
	s := o.Serializer
	if s == 0 {
		s = wamp.CBOR
	}
	names := []string{subprotocol.Protocol{Serializer: s}.String()}
	if o.Batched {
		names = slices.Insert(names, 0, subprotocol.Protocol{Serializer: s, Batched: true}.String())
	}
	return names
}
