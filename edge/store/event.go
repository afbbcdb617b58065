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
	TTL       time.Duration // remaining lifetime of the event (wamp.KeyTTL); 0: no limit

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

// expiry returns when the publisher's limit passes for an event that is kept from now on; the zero time without a limit.
func (e *Event) expiry() (at time.Time) {
	if e.TTL > 0 {
		at = time.Now().Add(e.TTL)
	}
	return at
}

// until returns a kept event for delivery now: its TTL is the rest of the publisher's limit.
func (e *Event) until(end time.Time) *Event {
	if end.IsZero() {
		return e
	}
	now := *e
	now.TTL = max(time.Until(end), 1)
	return &now
}

// passed reports whether the publisher's limit has passed.
func passed(end time.Time) bool { return !end.IsZero() && !time.Now().Before(end) }

// clone returns a copy that shares no memory with the message of the event.
func (e *Event) clone() Event {
	next := *e
	next.Topic, next.Payload, next.Dict = slices.Clone(e.Topic), e.Payload.Clone(), e.Dict.Clone()
	return next
}

// PastEvent is an event in a history. It is immutable, and may be in several histories.
type PastEvent struct {
	Event
	At   time.Time
	end  time.Time // when the publisher's limit passes; zero: never
	size int
}

// NewPastEvent returns a copy of the event for histories.
func NewPastEvent(e *Event) *PastEvent {
	return &PastEvent{Event: e.clone(), At: time.Now(), end: e.expiry(), size: e.size()}
}

// RestorePast returns a copy, for histories, of an event that was stored before a restart. end is when its publisher's limit
// passes; zero: never.
func RestorePast(e *Event, at, end time.Time) *PastEvent {
	return &PastEvent{Event: e.clone(), At: at, end: end, size: e.size()}
}

// Current returns the event as it may be delivered now. It is immutable.
func (e *PastEvent) Current() *Event { return e.until(e.end) }

// Occurred returns when the event occurred, with the precision that the meta API reports.
func (e *PastEvent) Occurred() time.Time { return e.At.Truncate(time.Millisecond) }
