package edge

import (
	"fmt"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Forwarding: a router passes on events and calls of another router, and names their origin. The options below are
// heeded from internal sessions and from sessions whose role may forward (auth/forward.go). From other sessions they
// are ignored, except for the nodes that forward_for names.
//
//	forward_for  PUBLISH, CALL: the routers on the way, a dict for each hop, the oldest first. It becomes the detail
//	             forward_for of EVENT and INVOCATION
//	_time        PUBLISH: when the event was first published, in ms since 1970. It becomes the detail _time of EVENT
//	_origin      PUBLISH: identifies the event if it is sent again, see once.go. It is not passed on

const (
	maxHops     = 16
	maxWayBytes = 4 << 10
	maxTime     = 253402300799999 // the end of the year 9999, in ms since 1970
)

// mayForward reports whether the forwarding options of the session are heeded.
func (s *session) mayForward() bool { return s.internal() || s.role().Forwards() }

func isForwarded(key []byte) bool { return string(key) == "forward_for" || string(key) == wamp.KeyTime }

// acceptForwarding checks the forwarding options of a PUBLISH or CALL, and reports whether there is something to pass on.
// From a session that may not forward, only the nodes of the hops are passed on, without the identities. So events cannot
// go round in a circle, however the routers are configured, and no session can impersonate another.
func (s *session) acceptForwarding(m *codec.Message, forwarded bool) (bool, error) {
	if !forwarded {
		return false, nil
	}
	if s.mayForward() {
		return true, checkForwarded(m.Dict)
	}
	var b codec.Builder
	b.Reset(m.Dict.Serializer, nil)
	found := false
	for f := m.Dict.Fields(); nextOption(&f); {
		switch key := string(f.Key()); {
		case !isForwarded(f.Key()):
			b.Value(key, f.Value()) // an event restored from disk reads its options again
		case key == "forward_for" && !found && checkWay(f.Value()) == nil:
			if places := places(f.Value()); len(places) > 0 {
				b.Any(key, places)
				found = true
			}
		}
	}
	if !found || b.Err() != nil {
		return false, nil
	}
	m.Dict = b.Dict()
	return true, nil
}

// places returns the hops of forward_for with their nodes only.
func places(way codec.Value) (places []any) {
	list, _ := way.Items()
	for list.Next() {
		hop, _ := list.Value().Dict()
		place := make(map[string]any, 2)
		for f := hop.Fields(); f.Next(); {
			if name, ok := f.Value().Text(); ok && (string(f.Key()) == wamp.KeyNode || string(f.Key()) == wamp.KeyTag) {
				place[string(f.Key())] = string(name)
			}
		}
		if place[wamp.KeyNode] != nil {
			places = append(places, place)
		}
	}
	return places
}

// checkForwarded checks the forwarding options of a session that may forward.
func checkForwarded(d codec.Dict) error {
	for f := d.Fields(); nextOption(&f); {
		switch string(f.Key()) {
		case "forward_for":
			if err := checkWay(f.Value()); err != nil {
				return err
			}
		case wamp.KeyTime:
			if ms, ok := f.Value().Uint(); !ok || ms > maxTime {
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
	case hops > maxHops || len(way.Raw) > maxWayBytes:
		return refusal{wamp.InvalidArgument, fmt.Sprintf("forward_for has more than %d hops or %d bytes", maxHops, maxWayBytes)}
	}
	return nil
}

// addForwarded copies the forwarding options of an event or a call that are passed on.
func addForwarded(b *codec.Builder, from codec.Dict) {
	for f := from.Fields(); nextOption(&f); {
		if isForwarded(f.Key()) {
			b.Value(string(f.Key()), f.Value())
		}
	}
}
