package client

import "sync/atomic"

// lifecycle is the state of an endpoint at the router. It takes no lock, sends nothing and has no clock: each method is one
// event, and returns the action that the caller must take. An event that the table does not list leaves the state as it is.
//
//	absent      -request->  requested    SUBSCRIBE or REGISTER is sent
//	requested   -accept->   established  SUBSCRIBED or REGISTERED was received
//	requested   -reject->   absent       ERROR was received, or the session ended
//	established -reset->    absent       the router revoked the endpoint, or the session ended
//	established -drain->    draining     UNSUBSCRIBE is sent; the handler still gets what the router sent before
//	absent      -close->    ended
//	requested   -close->    withdrawn    the client tells the router as soon as it accepts
//	established -close->    ended        UNSUBSCRIBE or UNREGISTER is sent
//	draining    -close->    ended
//	withdrawn   -accept->   ended        UNSUBSCRIBE or UNREGISTER is sent
//	withdrawn   -reject->   ended
//
// Events are called with Client.mu held. closed may be called from any goroutine.
type lifecycle struct {
	current atomic.Uint32 // a state
}

type state uint32

const (
	absent      state = iota // the router does not have the endpoint; the client may request it
	requested                // the router has not answered yet
	established              // the router has it, in the current session
	draining                 // the router is being told to drop it; its events are still delivered
	withdrawn                // the application ended it before the router answered
	ended                    // for good
)

func (l *lifecycle) state() state    { return state(l.current.Load()) }
func (l *lifecycle) to(next state)   { l.current.Store(uint32(next)) }
func (l *lifecycle) in(s state) bool { return l.state() == s }

// closed reports whether the application has ended the endpoint, so that its handler is no longer called.
func (l *lifecycle) closed() bool { return l.state() >= withdrawn }

// move changes from one state to another, and reports whether it was in the first.
func (l *lifecycle) move(from, to state) bool {
	if !l.in(from) {
		return false
	}
	l.to(to)
	return true
}

func (l *lifecycle) request()    { l.move(absent, requested) }
func (l *lifecycle) reset()      { l.move(established, absent) }
func (l *lifecycle) drain() bool { return l.move(established, draining) }

// accept reports whether the endpoint is wanted. If not, the caller tells the router to drop it.
func (l *lifecycle) accept() (wanted bool) {
	l.move(withdrawn, ended)
	return l.move(requested, established)
}

func (l *lifecycle) reject() {
	l.move(requested, absent)
	l.move(withdrawn, ended)
}

// close ends the endpoint for good. It reports whether the router has it, so that the caller must tell the router.
func (l *lifecycle) close() (tell bool) {
	switch l.state() {
	case requested:
		l.to(withdrawn)
	case established:
		l.to(ended)
		return true
	case absent, draining:
		l.to(ended)
	}
	return false
}
