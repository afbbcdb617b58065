package wamp

import (
	"slices"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// What crosses is what somebody on the other side wants:
//
//	exported topics      all are heard here; those that nobody at the centre subscribes to do not cross (wanted)
//	imported topics      what is subscribed to here, is there (mirror)
//	procedures           what is registered where they are, is on the other side (mirror)
//
// A rule that is Static crosses as it stands, and so does every rule whose router does not tell.

// interest is which of the exported topics somebody at the centre wants. It is immutable.
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

// in reports whether somebody wants the topic.
func (i *interest) in(topic string) bool {
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

// wanted reports whether an event of an export has to cross, by the name that its topic has at the centre. What is not
// known is wanted: while the link is down, nobody knows who will be there. What is durable, or retained at the centre, is
// for those as well who come later.
func (l *Link) wanted(r *rule, topic string, e *client.Event) bool {
	known := l.interest.Load()
	if r.Static || r.Store == spool.Durable || known == nil || known.in(topic) {
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
