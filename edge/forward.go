package edge

import (
	"fmt"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// What links say of the events and calls that they pass on. These options are heeded from a session that may forward, a
// part of this process or one whose role the configuration trusts (auth/forward.go); of any other they are left out, as if
// they were unknown, but for the places that forward_for names.
//
//	forward_for  PUBLISH, CALL: the way over other routers, a dict for each hop, the oldest first. It becomes the detail
//	             forward_for of EVENT and INVOCATION
//	_time        PUBLISH: when the event was published first, in ms since 1970. It becomes the detail _time of EVENT
//	_origin      PUBLISH: what the event is to be recognized by if it comes again, see once.go. It goes no further

const (
	maxHops      = 16
	maxWayOctets = 4 << 10
	maxTime      = 253402300799999 // the end of the year 9999, in ms since 1970
)

// mayForward reports whether what the session says of the way is heeded.
func (s *session) mayForward() bool { return s.internal() || s.role().Forwards() }

func isForwarded(key []byte) bool { return string(key) == "forward_for" || string(key) == wamp.KeyTime }

// acceptForwarding checks what a PUBLISH or CALL says of its way, and reports whether there is something to hand on. Of
// sessions that may not forward only the places of the way are, without anybody's name: so a circle of links ends, however
// its routers are configured, and nobody can pass for another.
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
			b.Value(key, f.Value()) // what is kept of the event on disk is read from the options again
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

// places returns a way of which nothing is told but where it led.
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

// checkForwarded checks what is to be passed on from a session that may forward.
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
