package report

import (
	"fmt"
	"time"

	"runnel/edge/codec"
	"runnel/uplink/spool"
)

// Queue is the spool of an uplink: the events that wait for the centre.
type Queue struct {
	Uplink  string  `json:"uplink"`  // the uplink's name
	Events  int     `json:"events"`  // that wait
	Octets  int64   `json:"octets"`  // their size in bytes
	OnDisk  int     `json:"on_disk"` // how many of the events are on disk
	Files   int64   `json:"files"`   // the size of the files, in bytes
	Oldest  float64 `json:"oldest"`  // seconds that the oldest event has waited while the router ran
	Dropped uint64  `json:"dropped"`
	Expired uint64  `json:"expired"` // expired before they could be sent

	HeldEvents int         `json:"held_events"` // events that the centre rejects; see Held
	HeldTopics int         `json:"held_topics"`
	HeldOctets int64       `json:"held_octets"`
	Held       []HeldTopic `json:"held,omitempty"` // the topics that are held longest, at most maxHeld

	Gaps     uint64  `json:"gaps"`                // runs of dropped events
	Alarm    string  `json:"alarm,omitempty"`     // why nothing can be written
	AlarmFor float64 `json:"alarm_for,omitempty"` // seconds
}

// HeldTopic is a topic whose events are held because the centre rejects them.
type HeldTopic struct {
	Topic  string    `json:"topic"` // its name at the centre
	Events int       `json:"events"`
	Octets int64     `json:"octets"` // bytes
	Reason string    `json:"reason"` // the centre's
	Since  time.Time `json:"since"`
}

// QueuedEvent is an event that waits in a spool.
type QueuedEvent struct {
	Epoch    uint64         `json:"epoch"`
	Sequence uint64         `json:"sequence"`
	Time     string         `json:"time"` // RFC 3339
	Class    string         `json:"class"`
	Topic    string         `json:"topic,omitempty"`
	Held     bool           `json:"held,omitempty"` // the centre rejects it, or an earlier event of its topic
	Args     []any          `json:"args,omitempty"`
	Kwargs   map[string]any `json:"kwargs,omitempty"`
	Gap      map[string]any `json:"gap,omitempty"` // the record of events that were dropped: reason, first, last, count
}

// maxHeld is how many held topics a report names.
const maxHeld = 10

func newQueue(of Spool) Queue {
	s := of.State()
	q := Queue{
		Uplink: of.Uplink, Events: s.Events, Octets: s.Octets, OnDisk: s.OnDisk, Files: s.Files, Oldest: s.Oldest.Seconds(),
		HeldEvents: s.Held.Events, HeldTopics: s.Held.Topics, HeldOctets: s.Held.Octets,
		Dropped: s.Dropped.Events, Expired: s.Expired, Gaps: s.Dropped.Runs, Alarm: s.Alarm, AlarmFor: s.AlarmFor.Seconds(),
	}
	if s.Held.Topics > 0 {
		for _, t := range of.HeldTopics(maxHeld) {
			q.Held = append(q.Held, HeldTopic(t))
		}
	}
	return q
}

// heldNews is the part of the held topics whose changes are announced. Changes in the number of events are not
// announced.
func (q *Queue) heldNews() string {
	if len(q.Held) == 0 {
		return ""
	}
	return fmt.Sprintf("%d topics held; %s: %s", q.HeldTopics, q.Held[0].Topic, q.Held[0].Reason)
}

// queuedEvents returns the answer of runnel.queue.peek: a QueuedEvent for each event, as a map. Binary values of a payload
// stay binary.
func queuedEvents(events []spool.Event) []any {
	list := make([]any, len(events))
	for i, e := range events {
		fields := map[string]any{
			"epoch": e.Epoch, "sequence": e.Sequence, "time": e.Time.UTC().Format(time.RFC3339Nano), "class": e.Class.String(),
		}
		if g := e.Gap; g != nil {
			fields["gap"] = map[string]any{"reason": string(g.Reason), "first": g.First, "last": g.Last, "count": g.Count}
		} else {
			fields["topic"] = e.Topic
			if e.Held {
				fields["held"] = true
			}
			addPayload(fields, e.Payload)
		}
		list[i] = fields
	}
	return list
}

// addPayload adds a payload if it can be decoded. The payload of an encrypted event, for example, cannot.
func addPayload(fields map[string]any, p codec.Payload) {
	args, kwargs, err := p.Decode()
	if err != nil {
		return
	}
	fields["args"], fields["kwargs"] = args, kwargs
}
