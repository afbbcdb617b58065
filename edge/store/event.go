package store

import (
	"slices"
	"time"

	"runnel/edge/codec"
	"runnel/edge/filter"
	"runnel/edge/wamp"
)

// Event is a publication as its subscribers may see it. An event that is kept is immutable.
type Event struct {
	ID        wamp.ID
	Publisher Publisher
	Disclosed bool // the publisher may be disclosed
	Trusted   bool // Trust is set
	Trust     int
	Topic     []byte
	Dict      codec.Dict // PUBLISH.Options
	Payload   codec.Payload
	Expires   time.Time // when the publisher's limit is over (wamp.KeyTTL); zero: never

	// Parsed PUBLISH.Options. Config.ReadOptions parses them again when an event is restored from disk.
	ExcludeMe bool           // the publisher's own session does not get it
	Passthru  bool           // there are ppt_* options to pass on
	Forwarded bool           // there is forward_for or wamp.KeyTime to pass on
	Filter    *filter.Filter // nil: there are no lists
}

// Publisher identifies the publisher of an event. The zero value is the router itself.
type Publisher struct {
	ID               wamp.ID
	Authid, Authrole string
}

// Overhead estimates the memory of a kept event beside its topic, options, payload and lists, in bytes.
const Overhead = 512

// size estimates the memory of a kept event, in bytes.
func (e *Event) size() int {
	return Overhead + len(e.Topic) + len(e.Payload.Raw) + len(e.Dict.Raw) + e.Filter.Bytes()
}

// Expired reports whether the publisher's limit is over.
func (e *Event) Expired(now time.Time) bool { return !e.Expires.IsZero() && !now.Before(e.Expires) }

// TTL returns the rest of the publisher's limit in ms, at least 1. It must not be called without a limit.
func (e *Event) TTL() uint64 { return uint64(max(time.Until(e.Expires).Milliseconds(), 1)) }

// clone returns a copy that shares no memory with the message the event came in.
func (e *Event) clone() Event {
	next := *e
	next.Topic, next.Payload, next.Dict = slices.Clone(e.Topic), e.Payload.Clone(), e.Dict.Clone()
	return next
}

// PastEvent is an event in a history. It is immutable, and may be in several histories.
type PastEvent struct {
	Event
	At   time.Time
	size int
}

// NewPastEvent returns a copy of the event for histories.
func NewPastEvent(e *Event) *PastEvent {
	return &PastEvent{Event: e.clone(), At: time.Now(), size: e.size()}
}

// Occurred returns when the event occurred, with the precision that the meta API reports.
func (e *PastEvent) Occurred() time.Time { return e.At.Truncate(time.Millisecond) }
