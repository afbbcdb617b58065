package client

import (
	"fmt"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// Hop is one entry of the way that an event or a call has come over links between routers: whom the link at that point
// had it from.
type Hop struct {
	Session  wamp.ID
	Authid   string
	Authrole string
	Node     string // which router it was; "" if its link does not say
	Tag      string // tells it from another router of the same name; "" if nothing does
}

// String shows a hop to people: who it was and where.
func (h Hop) String() string {
	return fmt.Sprintf("{%d %s %s %s}", h.Session, h.Authid, h.Authrole, h.Node)
}

// Origin names an event once and for all, so that a router that was sent it before does not route it again.
type Origin struct {
	Node     string // whose numbering it is: the sender's spool
	Epoch    uint64 // of that numbering
	Sequence uint64 // counts from 1
}

// forwardForKey names the detail that lists the hops (see docs/protocol.md, "What links say").
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
		b.Any(wamp.KeyOrigin, []any{o.Node, o.Epoch, o.Sequence})
	}
}

// ForwardFor returns the way that the event or the call has come over links, the oldest hop first; nil if it has come
// over none, or that is not told.
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

// Time returns when the event was published first, if it has come late, through a spool; else the zero time.
func (e *Event) Time() time.Time {
	ms, ok := e.Detail(wamp.KeyTime).Uint()
	if !ok || ms > lastTime {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}

const lastTime = 253402300799999 // the end of the year 9999, in ms
