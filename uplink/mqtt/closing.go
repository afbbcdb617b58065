package mqtt

import (
	"fmt"
	"slices"

	"runnel/uplink/spool"
)

// closing is the error of a connection that the broker has closed. MQTT 3.1.1 gives no reason, and a reason of MQTT 5 names
// no message. So the error names the message that was sent before.
type closing struct {
	sent string // "" if nothing was in flight
	hint string // the possible cause
	err  error
}

func (c *closing) Error() string {
	text := "the broker closed the connection"
	if c.sent != "" {
		text += " after " + c.sent
	}
	text += ": " + c.err.Error()
	if c.hint != "" {
		text += "; " + c.hint
	}
	return text
}

func (c *closing) Unwrap() error { return c.err }

// ending classifies the end of a connection.
type ending uint8

const (
	failed     ending = iota // no event: the line or this side has failed, or another client takes over the session
	idle                     // the broker has closed it with nothing in flight: another client may have taken over
	suspicious               // the broker has closed it with events in flight: one of them may be the cause
)

// endingOf classifies the end of a connection with the events of open in flight. takenOver says that another client
// is known to take the session over, again and again.
func endingOf(err error, open int, takenOver bool) ending {
	switch {
	case !endedByPeer(err) || open > 0 && takenOver:
		return failed
	case open == 0:
		return idle
	}
	return suspicious
}

// closed handles the end of a connection, and returns its error with the known cause.
func (l *Link) closed(s *session, err error) error {
	landed, open := l.flight.outcome()
	l.ending = endingOf(err, len(open), l.takeovers.sure())
	accused := l.ending == suspicious && l.holdSuspect(s, open)
	harmless := !accused && (landed > 0 || len(open) == 0)
	return l.takenOver(s, l.explain(err, open), harmless)
}

// holdSuspect holds the topic of an event if the broker keeps closing the connection for it (uplink.Trial). It reports whether
// one of the events was in flight at such an end before.
func (l *Link) holdSuspect(s *session, open []sent) (accused bool) {
	accused = slices.ContainsFunc(open, func(e sent) bool { return e.probe || l.trial.Known(e.sequence) })
	numbers := make([]uint64, len(open))
	for i := range open {
		numbers[i] = open[i].sequence
	}
	if first := &open[0]; l.trial.Ended(numbers, s.proven(), first.probe) {
		l.hold(first)
		return true
	}
	return accused
}

// hold holds the topic of an event for which the broker closes the connection, or drops the event if its class is Memory.
func (l *Link) hold(e *sent) {
	if l.opts.Spool.Hold(e.sequence, spool.ReasonCloses) {
		return
	}
	l.status.EventsUp.Drop()
	l.log.Error("event dropped: the broker closes the connection when it gets this event", "topic", e.topic, "bytes", e.size)
	l.opts.Spool.Ack(e.sequence)
}

// proven reports whether the broker has answered a PINGREQ in this connection.
func (s *session) proven() bool {
	select {
	case <-s.answered:
		return true
	default:
		return false
	}
}

// unanswered returns the error for a broker that closes the connection instead of answering CONNECT.
func (l *Link) unanswered(err error) error {
	if !endedByPeer(err) {
		return fmt.Errorf("wait for CONNACK: %w", err)
	}
	return &closing{
		sent: fmt.Sprintf("CONNECT as %q", l.opts.ClientID), err: err,
		hint: "it may not accept this client_id, protocol version or last will, or expect TLS",
	}
}

// explain adds the message that was sent, and a possible cause, to the error of a connection that the broker has closed.
func (l *Link) explain(err error, open []sent) error {
	c := &closing{err: err}
	switch g := isGoodbye(err); {
	case g != nil && (!g.blamesMessage() || len(open) == 0):
		return c
	case !endedByPeer(err):
		return err
	case len(open) == 0:
		c.hint = fmt.Sprintf("another client may have connected with client_id %q", l.opts.ClientID)
		return c
	}
	first := open[0]
	c.sent = fmt.Sprintf("PUBLISH to %s (%d bytes, QoS %d)", first.topic, first.size, l.opts.QoS)
	if n := len(open) - 1; n > 0 {
		c.sent += fmt.Sprintf(" and %d more", n)
	}
	switch {
	case isGoodbye(err) != nil: // it says more
	case l.opts.QoS == 2:
		c.hint = "it may not allow the topic or the size, or not support qos = 2"
	default:
		c.hint = "it may not allow the topic or the size"
	}
	return c
}
