package uplink

import (
	"time"

	"runnel/uplink/spool"
)

// State describes a link. Package wamp calls the far side the central router, package mqtt the broker.
type State struct {
	Name        string
	Up          bool      // there is a session at the far side
	Since       time.Time // when Up last changed
	URL         string    // of the session; "" without one
	Protocol    string    // of the session, with its version; "" without one, and if there is only one
	LastError   string    // why the last session or attempt ended; "": none has ended
	LastErrorAt time.Time // when that was
	Reconnects  uint64    // sessions after the first
	Clash       string    // another router has this id: the far side refuses the link, or gives it the session; "": no clash
	Refused     []string  // rules that a router currently refuses, and why

	RoundTrip time.Duration // to the far side and back, last measurement; 0: none yet
	Interest  bool          // the central router reports its subscriptions and registrations
	Looped    uint64        // events and calls stopped because of a loop or too many links

	Queue spool.State // exported events that wait for the far side

	EventsUp, EventsDown Flow // from the local realm, to it
	CallsUp, CallsDown   Flow // by local callers, by callers at the far side
}

// Flow counts one direction. An event is dropped when there is no session to publish it, when the far side rejects
// it, or when events arrive faster than they can be forwarded. A call is dropped, that is, answered with
// wamp.error.network_failure, when there is no session for it.
type Flow struct{ Forwarded, Dropped uint64 }
