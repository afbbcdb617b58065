package uplink

import "sync"

// Trial finds the event for which the far side closes the connection. A broker of MQTT 3.1.1 has no other answer to an
// event that is too large or not allowed. A WebSocket has no other answer to a message that is too large. For each
// event that was in flight when the connection closed, Trial keeps a state:
//
//	clear      the event is not suspected
//	noted      the far side has closed the connection once with the event in flight
//	suspect    it has done so twice: from now on the event is sent alone, after a sign of life from the far side
//	convicted  it has done so twice with nothing else in flight: the link holds the event's topic
//
// An acknowledged event is clear again. A far side that restarts or a bad line convicts nothing, because only an end
// after a sign of life in the same connection counts towards a conviction. A held topic's event that is sent as a
// probe was convicted before, so one such end convicts it again.
//
// The zero value is ready. Methods may be called from any goroutine.
type Trial struct {
	mu sync.Mutex
	// Guarded by mu.
	seen   map[uint64]suspicion // by the event's number; missing: clear
	streak int                  // convictions since the last acknowledgement, probes not counted
}

// suspicion counts the ends of connections against an event.
type suspicion struct {
	ends  int // with the event in flight
	alone int // number of these with no other event in flight and after a sign of life
}

const (
	suspectAt = 2 // ends
	convictAt = 2 // ends alone
	maxSeen   = 1024

	// If this many events in a row are convicted and none is acknowledged, the far side is assumed to accept nothing
	// at all.
	maxStreak = 3
)

// Known reports whether the far side has closed the connection with an event in flight.
func (t *Trial) Known(sequence uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen[sequence].ends > 0
}

// IsSuspect reports whether the link must send an event alone.
func (t *Trial) IsSuspect(sequence uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen[sequence].ends >= suspectAt
}

// Acknowledged clears an event: the far side has acknowledged it.
func (t *Trial) Acknowledged(sequence uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, sequence)
	t.streak = 0
}

// Ended records that the far side has closed the connection with the events of open in flight. proven means that the
// far side had answered in this connection before. probe means that the only event was sent as a probe. Ended reports
// whether the only event is convicted.
func (t *Trial) Ended(open []uint64, proven, probe bool) (convicted bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil || len(t.seen) > maxSeen { // the spool may have dropped some of them
		t.seen = make(map[uint64]suspicion)
	}
	alone := len(open) == 1 && proven
	for _, sequence := range open {
		s := t.seen[sequence]
		s.ends++
		if alone {
			s.alone++
		}
		t.seen[sequence] = s
	}
	if !alone || t.seen[open[0]].alone < convictAt && !probe {
		return false
	}
	delete(t.seen, open[0])
	if !probe {
		t.streak++
	}
	return true
}

// AcceptsSome reports whether the far side still accepts events. If so, the link may reconnect after short pauses.
func (t *Trial) AcceptsSome() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.streak < maxStreak
}
