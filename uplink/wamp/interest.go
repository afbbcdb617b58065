package wamp

import (
	"slices"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// Only events and procedures that the other side needs cross:
//
//	exported topics      the link subscribes to all of them; events without a subscriber at the centre do not cross (wanted)
//	imported topics      the link subscribes at the centre to what is subscribed to in the local realm (mirror)
//	procedures           the link registers on one side what is registered on the other (mirror)
//
// A Static rule crosses unchanged, and so does every rule whose router does not report interest.

// interest is the set of exported topics that have a subscriber at the centre. It is immutable.
type interest struct {
	exact    map[string]bool
	prefixes map[string]bool
	lengths  []int // of prefixes
	rest     []wamp.Pattern
}

func newInterest(found []offer) *interest {
	i := &interest{exact: make(map[string]bool), prefixes: make(map[string]bool)}
	for _, o := range found {
		switch o.Match {
		case wamp.Exact:
			i.exact[o.URI] = true
		case wamp.Prefix:
			i.prefixes[o.URI] = true
			if n := len(o.URI); !slices.Contains(i.lengths, n) {
				i.lengths = append(i.lengths, n)
			}
		default:
			i.rest = append(i.rest, o.Pattern)
		}
	}
	return i
}

// has reports whether the topic has a subscriber.
func (i *interest) has(topic string) bool {
	if i.exact[topic] {
		return true
	}
	for _, n := range i.lengths {
		if n <= len(topic) && i.prefixes[topic[:n]] {
			return true
		}
	}
	return slices.ContainsFunc(i.rest, func(p wamp.Pattern) bool { return p.Matches(topic) })
}

// wanted reports whether an exported event has to cross. topic is its name at the centre. While interest is unknown, as while
// the link is down, every event is wanted. Durable events and events to be retained are also for later subscribers.
func (l *Link) wanted(r *rule, topic string, e *client.Event) bool {
	known := l.interest.Load()
	if r.Static || r.Store == spool.Durable || known == nil || known.has(topic) {
		return true
	}
	retained, _ := e.Detail(wamp.KeyRetain).Bool()
	return retained
}

func (l *Link) learnInterest(k knowledge, found []offer) {
	if k != known {
		l.interest.Store(nil)
		return
	}
	l.interest.Store(newInterest(found))
}
