package wamp

import (
	"log/slog"
	"sync/atomic"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// side is one end of the link: our session in a realm.
type side struct {
	// Static after New.
	name    string // "local" or "central"
	alias   string // what the place is called where its router gives it no name
	client  *client.Client
	log     *slog.Logger
	watches []*watch // of declare; Run and what it begins may look at them

	at             atomic.Pointer[place]
	session        atomic.Uint64 // its id, of the last one while there is none
	mayNotDisclose atomic.Bool   // the router refuses to tell a callee who calls
	lost           atomic.Uint64 // events that could not be published here in this outage
}

func (s *side) init(name string, log *slog.Logger, o client.Options) {
	s.name, s.log = name, log.With("router", name)
	o.Log = s.log
	s.client = client.New(o)
}

// joined notes a new session on this side.
func (s *side) joined(w client.Welcome) {
	s.session.Store(w.Session)
	s.mayNotDisclose.Store(false)
	if n := s.lost.Swap(0); n > 0 {
		s.log.Warn("events dropped while not connected", "events", n)
	}
}

// lose notes an event that could not be published on this side. The first of an outage is worth a line in the log; joined
// says how many it were.
func (s *side) lose() {
	if s.lost.Add(1) == 1 {
		s.log.Warn("not connected, dropping events")
	}
}

// isSelf reports whether a caller or publisher is the link itself.
func (s *side) isSelf(session wamp.ID) bool { return session != 0 && session == s.session.Load() }
