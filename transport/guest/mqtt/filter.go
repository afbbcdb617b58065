package mqtt

import (
	"errors"
	"strings"

	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
)

// filter is a topic filter that the client has subscribed to. Except for gone, it is guarded by Conn.mu.
type filter struct {
	text    string // as the client wrote it
	topic   string // without $share/NAME/
	share   string // NAME; "": not shared
	parts   []wamp.Pattern
	checked bool // the parts match more than the filter does
	options packet.Options
	ident   uint32    // subscription identifier; 0: none
	granted byte      // QoS
	subs    []wamp.ID // of the parts
	gone    bool      // unsubscribed
	group   *members  // of a shared subscription
}

const (
	sharePrefix = "$share/"

	errDollar = "filters that begin with $ are the router's own; $share/NAME/FILTER is a shared subscription"
)

// parseFilter reads a topic filter (4.7, 4.8).
func parseFilter(text string) (*filter, error) {
	f := &filter{text: text, topic: text}
	if rest, ok := strings.CutPrefix(text, sharePrefix); ok {
		name, topic, ok := strings.Cut(rest, "/")
		if !ok || name == "" || topic == "" || strings.ContainsAny(name, "+#") {
			return nil, errors.New("a shared subscription is $share/NAME/FILTER")
		}
		f.share, f.topic = name, topic
	}
	if f.topic[0] == '$' {
		return nil, errors.New(errDollar)
	}
	if err := naming.Check(text, ""); err != nil { // with the name of a group, which is kept as well
		return nil, err
	}
	levels := strings.Split(f.topic, "/")
	for i, level := range levels {
		if strings.Contains(level, "#") && (level != "#" || i < len(levels)-1) || strings.Contains(level, "+") && level != "+" {
			return nil, errors.New("a wildcard must be a whole level, and # the last one")
		}
	}
	return f, f.split(levels)
}

// split finds the patterns of WAMP for a filter:
//
//	a/b      a.b, exact
//	a/+/c    a..c, wildcard
//	a/#      a, exact, and a., prefix: # stands for the level above, too (4.7.1.2)
//	a/+/#    a., prefix: at least one more level
//	a/+/b/#  a., prefix; the Conn checks each topic
func (f *filter) split(levels []string) error {
	first, last := -1, len(levels)-1 // of the first +
	components := make([]string, len(levels))
	for i, level := range levels {
		if level == "+" && first < 0 {
			first = i
		}
		if level != "+" {
			components[i] = naming.Component(level)
		}
	}
	add := func(uri string, m wamp.Match) {
		f.parts = append(f.parts, wamp.Pattern{URI: uri, Match: m})
	}
	switch {
	case levels[last] != "#" && first < 0:
		add(strings.Join(components, "."), wamp.Exact)
	case levels[last] != "#":
		add(strings.Join(components, "."), wamp.Wildcard)
	case last == 0:
		add("", wamp.Prefix)
	case first < 0:
		above := strings.Join(components[:last], ".")
		add(above+".", wamp.Prefix)
		add(above, wamp.Exact)
	default:
		f.checked = first < last-1
		prefix := ""
		if first > 0 {
			prefix = strings.Join(components[:first], ".") + "."
		}
		add(prefix, wamp.Prefix)
	}
	for _, p := range f.parts {
		if wamp.Reserved(p.URI) {
			return naming.ErrReserved
		}
		if !wamp.ValidURI(p.URI, p.Match, false) {
			return errors.New("it cannot be expressed as a pattern of URIs")
		}
	}
	return nil
}

// matches reports whether the filter matches a topic that one of its parts matches.
func (f *filter) matches(topic string) bool { return !f.checked || naming.Matches(f.topic, topic) }

// wantsRetained reports whether a SUBSCRIBE asks for retained messages (3.8.3.1). again means that the client already has
// the filter.
func (f *filter) wantsRetained(again bool) bool {
	switch handling := f.options & (3 << 4); {
	case f.share != "": // 4.8.2
		return false
	case handling == packet.RetainNever:
		return false
	case handling == packet.RetainIfNew:
		return !again
	}
	return true
}
