package mqtt

import (
	"context"
	"sort"
	"sync"
)

// flight holds the events that were sent to the broker and are not acknowledged yet. It outlives connections: events
// in flight at the end of a connection are sent again in the next one.
//
// A packet's id follows from the event's identity in the spool. So a gateway sends an event under the same id after a
// crash, and a broker that still has the session recognizes the repetition (QoS 2). However, a crashed process may have
// left ids at the broker for events that were lost with it. The broker would take new events with these ids for
// repetitions. Therefore an id that this process has not used yet is released (PUBREL) before a new event uses it.
type flight struct {
	limit int // of messages in flight in any connection

	mu   sync.Mutex
	room sync.Cond // on mu
	// Guarded by mu.
	most    int // limit of messages in flight in this connection
	others  int // of these, messages that are no events
	landing int // events acknowledged in this connection
	under   map[uint16]*sent
	begun   bool                    // there was a connection already
	highest uint64                  // highest sequence number sent by this process
	old     uint64                  // an earlier process may have sent events up to this sequence number
	used    *[idSpace/64 + 1]uint64 // bit set of the ids used by this process; nil: the broker has no ids of an earlier one
}

// sent is an event in flight.
type sent struct {
	sequence uint64
	received bool // after PUBREC: only PUBREL is to be sent
	freight
}

// freight describes an event for logs and errors.
type freight struct {
	topic string
	size  int  // of the payload
	probe bool // sent to find out whether the broker accepts its held topic now
}

// flying describes how to send an event.
type flying struct {
	id      uint16
	again   bool // set DUP: it may have been sent before
	done    bool // the broker has it: do not send it
	release bool // send PUBREL first
}

// Packet ids from 1 to idSpace belong to events.
const (
	idSpace       = 65000
	idSubscribe   = 65001
	idLinkState   = 65002
	idUnsubscribe = 65003
)

func idOf(epoch, sequence uint64) uint16 { return uint16((epoch%idSpace+sequence%idSpace)%idSpace) + 1 }

// newFlight returns a flight for at most limit events. old is the highest sequence number that an earlier process may have
// sent.
func newFlight(limit int, old uint64) *flight {
	f := &flight{limit: limit, old: old, under: make(map[uint16]*sent)}
	f.room.L = &f.mu
	return f
}

// connected begins a connection, in which the broker accepts most messages without an acknowledgement. session means
// that the broker still has the session of the previous connection. connected returns the ids to release, whose
// events the broker has.
func (f *flight) connected(session bool, most int) (release []uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.landing, f.most, f.others = 0, min(most, f.limit), 0
	for id, s := range f.under {
		if session && s.received {
			release = append(release, id)
		} else {
			delete(f.under, id)
		}
	}
	sort.Slice(release, func(i, j int) bool { return f.under[release[i]].sequence < f.under[release[j]].sequence })
	if !session {
		f.used = nil
	} else if !f.begun {
		f.used = new([idSpace/64 + 1]uint64)
	}
	f.begun = true
	return release
}

// take waits for room, records an event that is about to be sent, and returns how to send it.
func (f *flight) take(ctx context.Context, epoch, sequence uint64, what freight) (flying, error) {
	stop := context.AfterFunc(ctx, f.wake)
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	id := idOf(epoch, sequence)
	for ctx.Err() == nil {
		other := f.under[id]
		if other != nil && other.sequence == sequence {
			return flying{id: id, done: true}, nil // connected has removed the others
		}
		if other == nil && len(f.under)+f.others < f.most {
			return f.begin(id, sequence, what), nil
		}
		f.room.Wait()
	}
	return flying{}, ctx.Err()
}

// begin puts an event in flight. The caller holds mu.
func (f *flight) begin(id uint16, sequence uint64, what freight) flying {
	f.under[id] = &sent{sequence: sequence, freight: what}
	n := flying{id: id, again: sequence <= max(f.highest, f.old)}
	f.highest = max(f.highest, sequence)
	if f.used != nil {
		word, bit := &f.used[id/64], uint64(1)<<(id%64)
		n.release = !n.again && *word&bit == 0
		*word |= bit
	}
	return n
}

// received handles PUBREC.
func (f *flight) received(id uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.under[id]; s != nil {
		s.received = true
	}
}

// remove takes an acknowledged event out: on PUBACK, and with released on PUBCOMP. A PUBCOMP may also answer a PUBREL without an
// event; then ok is false.
func (f *flight) remove(id uint16, released bool) (sequence uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.under[id]
	if s == nil || s.received != released {
		return 0, false
	}
	delete(f.under, id)
	f.landing++
	f.room.Broadcast()
	return s.sequence, true
}

// refused removes an event that the broker has refused.
func (f *flight) refused(id uint16) (e sent, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.under[id]
	if s == nil {
		return sent{}, false
	}
	delete(f.under, id)
	f.landing++
	f.room.Broadcast()
	return *s, true
}

// reserve takes a place for a message that is not an event. The first of a connection always gets one: the broker
// counts only the messages of this connection.
func (f *flight) reserve() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.others > 0 && len(f.under)+f.others >= f.most {
		return false
	}
	f.others++
	return true
}

// free gives a place back.
func (f *flight) free() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.others = max(f.others-1, 0)
	f.room.Broadcast()
}

// outcome returns how many events were acknowledged in this connection, and in order those that the broker may not have.
func (f *flight) outcome() (landed int, open []sent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.under {
		if !s.received {
			open = append(open, *s)
		}
	}
	sort.Slice(open, func(i, j int) bool { return open[i].sequence < open[j].sequence })
	return f.landing, open
}

// clear waits until nothing is in flight. It returns ctx's error if ctx is done before.
func (f *flight) clear(ctx context.Context) error {
	stop := context.AfterFunc(ctx, f.wake)
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.under) > 0 && ctx.Err() == nil {
		f.room.Wait()
	}
	return ctx.Err()
}

func (f *flight) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.room.Broadcast()
}
