package mqtt

import (
	"slices"

	"runnel/uplink/spool"
)

// judge looks for an event for which the broker closes the connection, and holds its topic. It reports whether the same
// event was under way when it did so before.
func (l *Link) judge(s *session, err error, open []sent) (accused bool) {
	if l.searching = endedByPeer(err) && len(open) > 0 && !l.takeovers.sure(); !l.searching {
		return false
	}
	accused = slices.ContainsFunc(open, func(e sent) bool { return e.probe || l.trial.Known(e.sequence) })
	numbers := make([]uint64, len(open))
	for i := range open {
		numbers[i] = open[i].sequence
	}
	guilty := open[0]
	if !l.trial.Ended(numbers, s.proven(), guilty.probe) {
		return accused
	}
	if l.opts.Spool.Hold(guilty.sequence, spool.ReasonCloses) {
		return true
	}
	l.status.EventsUp.Drop()
	l.log.Error("event dropped, the broker closes the connection when it is sent this event", "topic", guilty.topic, "bytes", guilty.size)
	l.opts.Spool.Ack(guilty.sequence)
	return true
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
