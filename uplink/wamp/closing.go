package wamp

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// A centre may close the connection for an event instead of answering it, as a WebSocket does for a message that is
// too large. The link finds such events by the messages that were in flight when sessions ended.

// holdSuspect holds the topic of an event if the centre keeps ending the session for it (uplink.Trial). It returns the
// error for State, which names the messages that were in flight.
func (l *Link) holdSuspect(err error, open []shipment) error {
	intended := l.running.Err() != nil || l.remotes.moving() || l.pulse.timedOut()
	l.searching = len(open) > 0 && !intended && endedByCentre(err)
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
	if l.trial.AcceptsSome() {
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
	l.remote.log.Error("event dropped: the centre closes the connection when it gets this event", "topic", e.topic, "bytes", e.size)
	l.spool.Ack(e.sequence)
}

// closedAfter is the error of a session that the centre has ended with events in flight.
func closedAfter(open []shipment, err error) error {
	others := ""
	if n := len(open) - 1; n > 0 {
		others = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("the centre closed the connection after PUBLISH to %s (%d bytes)%s: %w; it may not allow the size",
		open[0].topic, open[0].size, others, err)
}

// lineErrors are ends that a broken line or this side has caused.
var lineErrors = []error{
	client.ErrClosed, os.ErrDeadlineExceeded,
	syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ENETDOWN,
}

// endedByCentre reports whether the centre may have ended a session because of an event. It returns false if the centre
// sent one of the protocol's closing reasons, as when it shuts down or an operator kills the session. It also returns
// false if the centre has found another router with this one's id.
func endedByCentre(err error) bool {
	var word *client.Error
	if errors.As(err, &word) && (strings.HasPrefix(word.URI, "wamp.close.") || errors.Is(word, wamp.DuplicateNode)) {
		return false
	}
	return err != nil && !slices.ContainsFunc(lineErrors, func(e error) bool { return errors.Is(err, e) })
}
