package mqtt

import (
	"errors"
	"slices"
	"sync"
)

// trial finds the event for which the broker closes the connection: MQTT 3.1.1 has no other word for an event that is too
// large or not allowed.
//
//	the broker closes the connection twice   the events that were under way both times are suspects
//	in the next connection                   the broker answers a PINGREQ first; then each suspect is sent alone, and the
//	                                         others after them
//	it closes with only one under way        that is a strike; after two the event is convicted, and its topic held
//	a suspect is acknowledged                it is none any more
//
// A broker that restarts or a bad line convicts nothing: a strike needs a broker that was there in the same connection, and
// closed it.
type trial struct {
	mu   sync.Mutex
	seen map[uint64]suspicion // by number. Guarded by mu
}

// suspicion is what speaks against an event: how often the broker has closed the connection with it under way, and with
// nothing else.
type suspicion struct{ closings, strikes int }

const (
	enough   = 2 // closings to be a suspect, strikes to be convicted
	mostSeen = 1024

	// mostVain is how many events may be convicted in a row, with none acknowledged in between, before a broker is taken to
	// accept nothing at all. From then on the pauses between connections grow.
	mostVain = 3
)

var errClosing = errors.New("the broker closes the connection when it is sent this event")

func newTrial() *trial { return &trial{seen: make(map[uint64]suspicion)} }

// known reports whether the broker has closed the connection with an event under way.
func (t *trial) known(sequence uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen[sequence].closings > 0
}

// suspects reports whether an event is to be sent alone.
func (t *trial) suspects(sequence uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen[sequence].closings >= enough
}

// acquit takes an event off that was acknowledged, or is not sent any more.
func (t *trial) acquit(sequence uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, sequence)
}

// closed notes that the broker has closed the connection with events under way; proven says that it was there before. It
// returns the event that is convicted by that.
func (t *trial) closed(open []sent, proven bool) (guilty *sent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.seen) > mostSeen {
		clear(t.seen) // of some the spool has let go
	}
	for i := range open {
		s := t.seen[open[i].sequence]
		s.closings++
		if len(open) == 1 && proven {
			s.strikes++
		}
		t.seen[open[i].sequence] = s
	}
	if len(open) != 1 || !proven {
		return nil
	}
	only := &open[0]
	if t.seen[only.sequence].strikes < enough && !only.probe {
		return nil
	}
	delete(t.seen, only.sequence)
	return only
}

// judge looks for an event for which the broker closes the connection, and holds its topic. It reports whether the same
// event was under way when it did so before.
func (l *Link) judge(s *session, err error, open []sent) (accused bool) {
	if l.searching = endedByPeer(err) && len(open) > 0 && !l.takeovers.sure(); !l.searching {
		return false
	}
	accused = slices.ContainsFunc(open, func(e sent) bool { return e.probe || l.trial.known(e.sequence) })
	guilty := l.trial.closed(open, s.proven())
	if guilty == nil {
		return accused
	}
	if !guilty.probe {
		l.vain++
	}
	if l.opts.Spool.Hold(guilty.sequence, errClosing.Error()) {
		return true
	}
	l.status.eventsUp.lost()
	l.log.Error("event dropped, the broker closes the connection for it", "topic", guilty.topic, "size", guilty.size)
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
