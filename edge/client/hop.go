package client

import (
	"fmt"
	"math"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Hop is one entry of forward_for: the session from which a link received the event or call that it forwards.
type Hop struct {
	Session  wamp.ID
	Authid   string
	Authrole string
	Node     string // node id of the router that the link belongs to; "" if unknown
	Tag      string // distinguishes routers with the same node id; "" if there is no need
}

// String formats the hop for logs: session, identity and node.
func (h Hop) String() string {
	return fmt.Sprintf("{%d %s %s %s}", h.Session, h.Authid, h.Authrole, h.Node)
}

// Origin identifies an event across links. A router that receives the same origin again does not route the event again.
type Origin struct {
	Node     string // node id of the sender's spool, which assigns the numbers
	Epoch    uint64 // distinguishes the numberings of one node
	Sequence uint64 // starts at 1
	Owner    string // authid to which the numbering belongs; "": the publisher's. Only links of the router's own process name it
}

// forwardForKey is the detail that lists the hops (docs/protocol.md, "What links say").
const forwardForKey = "forward_for"

func (h Hop) fields() map[string]any {
	fields := map[string]any{"session": h.Session, "authid": h.Authid, "authrole": h.Authrole}
	if h.Node != "" {
		fields[wamp.KeyNode] = h.Node
	}
	if h.Tag != "" {
		fields[wamp.KeyTag] = h.Tag
	}
	return fields
}

func setHops(b *codec.Builder, way []Hop) {
	if len(way) == 0 {
		return
	}
	list := make([]any, len(way))
	for i, h := range way {
		list[i] = h.fields()
	}
	b.Any(forwardForKey, list)
}

func (o *Origin) set(b *codec.Builder) {
	if o != nil {
		b.Any(wamp.KeyOrigin, []any{o.Node, o.Epoch, o.Sequence, o.Owner}[:3+min(len(o.Owner), 1)])
	}
}

// ForwardFor returns the links that the event or call has crossed, oldest hop first. It returns nil if there were none,
// or if the router does not disclose them.
func (b *Body) ForwardFor() (way []Hop) {
	list, ok := b.Detail(forwardForKey).Items()
	for ok && list.Next() {
		entry, _ := list.Value().Dict()
		var h Hop
		h.Session, _ = field(entry, "session").Uint()
		h.Authid, h.Authrole = textOf(entry, "authid"), textOf(entry, "authrole")
		h.Node, h.Tag = textOf(entry, wamp.KeyNode), textOf(entry, wamp.KeyTag)
		way = append(way, h)
	}
	return way
}

func textOf(d codec.Dict, key string) string {
	text, _ := field(d, key).Text()
	return string(text)
}

// Time returns when the event was first published, if it was delayed by a spool. Otherwise it returns the zero time.
func (e *Event) Time() time.Time {
	ms, ok := e.Detail(wamp.KeyTime).Uint()
	if !ok || ms > lastTime {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}

// TTL returns the event's remaining time when the router sent it; 0: no limit.
func (e *Event) TTL() time.Duration {
	ms, ok := e.Detail(wamp.KeyTTL).Uint()
	if !ok || ms > lastTime {
		return 0
	}
	return time.Duration(min(ms, math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
}

// Origin returns the origin of the event, or nil. The router sends it with Durable.Origin, and to links of its own process.
func (e *Event) Origin() *Origin {
	list, ok := e.Detail(wamp.KeyOrigin).Items()
	if !ok || !list.Next() {
		return nil
	}
	node, _ := list.Value().Text()
	o := Origin{Node: string(node)}
	for _, n := range []*uint64{&o.Epoch, &o.Sequence} {
		if ok = ok && list.Next(); ok {
			*n, ok = list.Value().Uint()
		}
	}
	if !ok || o.Node == "" {
		return nil
	}
	list.Next()
	owner, _ := list.Value().Text()
	o.Owner = string(owner)
	return &o
}

const lastTime = 253402300799999 // end of the year 9999, in ms
