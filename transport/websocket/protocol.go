package websocket

import (
	"slices"
	"strings"

	"runnel/edge/wamp"
)

// protocol is a WebSocket subprotocol.
type protocol struct {
	serializer wamp.Serializer
	batched    bool
}

const batchedSuffix = ".batched"

func (p protocol) String() string {
	s := "wamp.2." + p.serializer.String()
	if p.batched {
		s += batchedSuffix
	}
	return s
}

// protocols are all that Runnel speaks, by name.
func protocols() []string {
	var names []string
	for _, batched := range []bool{false, true} {
		for _, s := range wamp.Serializers {
			names = append(names, protocol{s, batched}.String())
		}
	}
	return names
}

// parseProtocol reads a subprotocol's name.
func parseProtocol(name string) (p protocol, ok bool) {
	rest, ok := strings.CutPrefix(name, "wamp.2.")
	if !ok {
		return p, false
	}
	rest, p.batched = strings.CutSuffix(rest, batchedSuffix)
	p.serializer, ok = wamp.ParseSerializer(rest)
	return p, ok
}

// choose returns the first of a client's subprotocols that Runnel speaks. The client's order counts: it knows what it
// decodes best.
func choose(headers []string) (p protocol, ok bool) {
	for _, h := range headers {
		for name := range strings.SplitSeq(h, ",") {
			if p, ok = parseProtocol(strings.TrimSpace(name)); ok {
				return p, true
			}
		}
	}
	return p, false
}

// wishes are the subprotocols a client asks for, the best first.
func (o Options) wishes() []string {
	s := o.Serializer
	if s == 0 {
		s = wamp.CBOR
	}
	names := []string{protocol{s, false}.String()}
	if o.Batched {
		names = slices.Insert(names, 0, protocol{s, true}.String())
	}
	return names
}
