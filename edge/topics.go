package edge

import (
	"slices"
	"sync/atomic"
	"time"

	"runnel/edge/auth"
	"runnel/edge/patterns"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// topics is the table of subscriptions by topic and pattern.
type topics = patterns.Table[*subscription]

// subscription is a topic or pattern with its subscribers. It is immutable: each SUBSCRIBE and UNSUBSCRIBE makes a new
// version with the same id.
type subscription struct {
	id      wamp.ID
	uri     string
	match   wamp.Match
	created time.Time
	seats   seats
	history *store.History // nil: no history is kept

	durables int // number of durable subscriptions to it, see durable.go

	confirmers int // number of seats that must confirm its events, see confirm_rule.go
}

// wanted reports whether the subscription must stay in the table.
func (s *subscription) wanted() bool {
	return len(s.seats) > 0 || s.history != nil || s.confirmers > 0 || s.durables > 0
}

// seat is a session's place in a subscription.
type seat struct {
	// Static after construction.
	session      *session
	subscription wamp.ID
	uri          string
	match        wamp.Match
	role         *auth.Role // the session's role when it subscribed
	node         string     // the subscriber's node key, see shard.go
	courier      *courier   // nil: the subscription is not durable

	guarded atomic.Bool // the role may not subscribe to all topics of the pattern: each topic is checked
	granted atomic.Bool // by the role's authorizer; the role's permissions restrict it

	confirms      atomic.Bool // confirms events to their publishers, see confirm.go
	wantsRetained atomic.Bool // EVENTs say which are retained; true for all seats that confirm

	left atomic.Bool // the same as gone, readable without session.out.mu

	gone bool // gets no more EVENTs. Guarded by session.out.mu.
}

// seats are a subscription's seats in order of arrival. They are in chunks, so that adding one copies little.
type seats [][]*seat

const seatChunk = 128

func (c seats) with(s *seat) seats {
	next := slices.Clone(c)
	if last := len(next) - 1; last >= 0 && len(next[last]) < seatChunk {
		chunk := make([]*seat, 0, len(next[last])+1)
		next[last] = append(append(chunk, next[last]...), s)
		return next
	}
	return append(next, []*seat{s})
}

func (c seats) without(s *seat) seats {
	for i, chunk := range c {
		at := slices.Index(chunk, s)
		if at < 0 {
			continue
		}
		next := slices.Clone(c)
		if len(chunk) == 1 {
			return slices.Delete(next, i, i+1)
		}
		next[i] = slices.Delete(slices.Clone(chunk), at, at+1)
		return next
	}
	return c
}

// with returns the subscription with one more seat.
func (s *subscription) with(seat *seat) *subscription {
	next := *s
	next.seats = s.seats.with(seat)
	return &next
}

// without returns the subscription without a seat.
func (s *subscription) without(seat *seat) *subscription {
	next := *s
	next.seats = s.seats.without(seat)
	return &next
}
