package uplink

import (
	"time"

	"runnel/uplink/spool"
)

// State describes a link. Package wamp calls the far side the central router, package mqtt the broker.
type State struct {
	Name        string
	Up          bool      // there is a session at the far side
	Since       time.Time // when Up has changed last
	URL         string    // of the session; "" without one
	Protocol    string    // of the session, with its version; "" without one, and if there is only one
	LastError   string    // why the last session or attempt has ended; "": none has
	LastErrorAt time.Time // when that was
	Reconnects  uint64    // sessions after the first
	Clash       string    // another router has this one's id: the far side refuses the link, or gives it the session; "": no
	Refused     []string  // rules that a router refuses at present, and why

	RoundTrip time.Duration // to the far side and back, last measurement; 0: none yet
	Interest  bool          // the central router tells what is subscribed and registered there
	Looped    uint64        // events and calls that did not cross because they had been there already, or had crossed too many links

	Queue spool.State // exported events that wait for the far side

	EventsUp, EventsDown Flow // from the local realm, to it
	CallsUp, CallsDown   Flow // by local callers, by callers at the far side
}

// Flow counts one direction. An event is dropped when there is no session to publish it in, when the far side rejects it, or
// when events come faster than they can be forwarded. A call is dropped, that is answered with wamp.error.network_failure, when
// there is no session to make it in.
type Flow struct{ Forwarded, Dropped uint64 }
