package edge

import (
	"fmt"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// What links say of the events and calls that they pass on. These options are heeded from a session that may forward, a
// part of this process or one whose role the configuration trusts (auth/forward.go); of any other they are left out, as if
// they were unknown.
//
//	forward_for  PUBLISH, CALL: the way over other routers, a dict for each hop, the oldest first. It becomes the detail
//	             forward_for of EVENT and INVOCATION
//	_time        PUBLISH: when the event was published first, in ms since 1970. It becomes the detail _time of EVENT
//	_origin      PUBLISH: what the event is to be recognized by if it comes again, see once.go. It goes no further

const (
	maxHops      = 16
	maxWayOctets = 4 << 10
)

// mayForward reports whether what the session says of the way is heeded.
func (s *session) mayForward() bool { return s.within() || s.role().Forwards() }

func isForwarded(key []byte) bool { return string(key) == "forward_for" || string(key) == "_time" }

// heedForwarding checks what a PUBLISH says of its way, or has it left out.
func (s *session) heedForwarding(o *publishOptions, d codec.Dict) error {
	if !s.mayForward() {
		o.forwarded, o.origin = false, false
		return nil
	}
	return checkForwarded(d)
}

// checkForwarded checks what is to be passed on from a session that may forward.
func checkForwarded(d codec.Dict) error {
	for f := d.Fields(); nextOption(&f); {
		switch string(f.Key()) {
		case "forward_for":
			if err := checkWay(f.Value()); err != nil {
				return err
			}
		case "_time":
			if ms, ok := f.Value().Uint(); !ok || ms > lastTime {
				return wrongType(f.Key(), "a time in ms since 1970")
			}
		}
	}
	return nil
}

func checkWay(way codec.Value) error {
	hops := 0
	list, ok := way.Items()
	for ok && list.Next() {
		_, ok = list.Value().Dict()
		hops++
	}
	switch {
	case !ok:
		return wrongType([]byte("forward_for"), "a list of dicts")
	case hops > maxHops || len(way.Raw) > maxWayOctets:
		return refusal{wamp.InvalidArgument, fmt.Sprintf("forward_for has more than %d hops or %d octets", maxHops, maxWayOctets)}
	}
	return nil
}

// addForwarded hands on what a link says of an event or a call.
func addForwarded(b *codec.Builder, from codec.Dict) {
	for f := from.Fields(); nextOption(&f); {
		if isForwarded(f.Key()) {
			b.Value(string(f.Key()), f.Value())
		}
	}
}
