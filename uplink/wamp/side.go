package wamp

import (
	"log/slog"
	"sync/atomic"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// side is one end of the link: its session in a realm.
type side struct {
	// Static after New.
	name    string // "local" or "central"
	alias   string // names the realm if its router gives it no name
	client  *client.Client
	log     *slog.Logger
	watches []*watch // made by declare; read by Run's goroutines

	at             atomic.Pointer[place]
	session        atomic.Uint64 // id of the current session, or of the last one
	mayNotDisclose atomic.Bool   // the router does not allow a caller to disclose itself
	lost           atomic.Uint64 // events that could not be published in this outage
}

func (s *side) init(name string, log *slog.Logger, o client.Options) {
	s.name, s.log = name, log.With("router", name)
	o.Log = s.log
	s.client = client.New(o)
}

// joined records a new session on this side.
func (s *side) joined(w client.Welcome) {
	s.session.Store(w.Session)
	s.mayNotDisclose.Store(false)
	if n := s.lost.Swap(0); n > 0 {
		s.log.Warn("events dropped while not connected", "events", n)
	}
}

// drop counts an event that could not be published on this side. It logs the first of an outage; joined logs how many there
// were.
func (s *side) drop() {
	if s.lost.Add(1) == 1 {
		s.log.Warn("not connected; dropping events")
	}
}

// isSelf reports whether a caller or publisher is this link.
func (s *side) isSelf(session wamp.ID) bool { return session != 0 && session == s.session.Load() }
