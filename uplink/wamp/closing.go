package wamp

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"runnel/edge/client"
	"runnel/uplink/spool"
)

// A centre that ends the session gives no reason that the link could rely on: a WebSocket is closed for a message that is
// too large, and a TCP connection is just reset. So the link looks at what was under way.

// judge looks for an event for which the centre has ended the session, and holds its topic. It returns err with the event
// that was under way, for State.
func (l *Link) judge(err error, open []shipment) error {
	ownWill := l.running.Err() != nil || l.remotes.moving() || l.pulse.gaveUp()
	l.searching = len(open) > 0 && !ownWill && endedByCentre(err)
	if !l.searching {
		return err
	}
	numbers := make([]uint64, len(open))
	for i := range open {
		numbers[i] = open[i].sequence
	}
	if first := &open[0]; l.trial.Ended(numbers, first.proven, first.probe) {
		l.hold(first)
	}
	if l.trial.Promising() {
		l.remote.client.ResetBackoff()
	}
	return closedAfter(open, err)
}

// hold holds the topic of an event for which the centre ends the session, or drops the event if its class promises nothing.
func (l *Link) hold(e *shipment) {
	if l.spool.Hold(e.sequence, spool.ReasonCloses) {
		return
	}
	l.status.EventsUp.Drop()
	l.remote.log.Error("event dropped, the centre closes the connection when it is sent this event", "topic", e.topic, "bytes", e.size)
	l.spool.Ack(e.sequence)
}

// closedAfter is the error of a session that the centre has ended with events under way.
func closedAfter(open []shipment, err error) error {
	others := ""
	if n := len(open) - 1; n > 0 {
		others = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("the centre closed the connection after PUBLISH to %s (%d bytes)%s: %w; it may not allow the size",
		open[0].topic, open[0].size, others, err)
}

// Reasons of ends that a line or this side has brought about.
var lineErrors = []error{
	client.ErrClosed, os.ErrDeadlineExceeded,
	syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN,
}

// endedByCentre reports whether the centre may have ended a session because of what it was sent. GOODBYE with one of the
// protocol's closing reasons is none such: the centre shuts down, or an operator has killed the session.
func endedByCentre(err error) bool {
	var word *client.Error
	if errors.As(err, &word) && strings.HasPrefix(word.URI, "wamp.close.") {
		return false
	}
	return err != nil && !slices.ContainsFunc(lineErrors, func(e error) bool { return errors.Is(err, e) })
}
