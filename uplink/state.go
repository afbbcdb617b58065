package uplink

import (
	"time"

	"runnel/uplink/spool"
)

// State is how a link is doing.
type State struct {
	Name        string
	Up          bool      // the central router was joined
	Since       time.Time // when Up became what it is
	URL         string    // the way that led to the session; "" while there is none
	LastError   string    // why the last session or attempt ended; "" if none has
	LastErrorAt time.Time // when that was
	Reconnects  uint64    // sessions after the first
	Clash       string    // why the centre refuses the link: another router has this one's id; "": it does not
	Refused     []string  // rules that a router refuses now, and why

	RoundTrip time.Duration // to the central router and back, as measured last; 0: not yet
	Interest  bool          // the central router tells what is subscribed and registered there
	Looped    uint64        // events and calls that were not let over because they had been there, or had come too far

	Queue spool.State // exported events that wait for the centre

	EventsUp, EventsDown Flow // local to central, central to local
	CallsUp, CallsDown   Flow // by local callers, by callers at the centre
}

// Flow counts one direction. An event is dropped when there is no session to publish it in, when it is too large for
// the other router, or when events come faster than they can be forwarded; a call is dropped, that is answered with
// wamp.error.network_failure, when there is no session to make it in.
type Flow struct{ Forwarded, Dropped uint64 }
