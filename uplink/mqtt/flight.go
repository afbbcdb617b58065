package mqtt

import (
	"cmp"
	"context"
	"slices"
	"sync"
)

// flight is what was sent to the broker and is not acknowledged yet. It outlives connections: what was under way when one
// ended is sent again in the next.
//
// A packet's id follows from the event's identity in the spool, so that a gateway that comes back after a crash sends an
// event under the same id as before, and a broker that still has the session knows it for a repetition (QoS 2). But events
// of an earlier process that were lost with it may have left ids with the broker that say "I have this one already". An id
// that this process has not used yet is therefore released (PUBREL) before a new event takes it.
type flight struct {
	most int // events under way

	mu   sync.Mutex
	room sync.Cond // on mu
	// Guarded by mu.
	landing int // how many were acknowledged in this connection
	under   map[uint16]*sent
	begun   bool                    // there was a connection
	highest uint64                  // the highest number sent by this process
	old     uint64                  // events up to this number may have been sent by an earlier one
	used    *[idSpace/64 + 1]uint64 // the ids that this process has used; nil: the broker holds none of an earlier one's
}

// sent is an event under way.
type sent struct {
	sequence uint64
	received bool // the broker has it (PUBREC): only PUBREL is to be sent
	freight
}

// freight tells of an event.
type freight struct {
	topic string
	size  int  // of the payload
	probe bool // its topic is held, and it shows whether it still has to be
}

// flying is how an event is to be sent.
type flying struct {
	id      uint16
	again   bool // it may have been sent before
	done    bool // the broker has it: nothing is to be sent
	release bool // PUBREL is to be sent first
}

// The ids of packets: those from 1 to idSpace are events'.
const (
	idSpace       = 65000
	idSubscribe   = 65001
	idLinkState   = 65002
	idUnsubscribe = 65003
)

func idOf(epoch, sequence uint64) uint16 { return uint16((epoch%idSpace+sequence%idSpace)%idSpace) + 1 }

// newFlight makes a flight of at most limit events. old is the number of the last event that another process has left.
func newFlight(limit int, old uint64) *flight {
	f := &flight{most: limit, old: old, under: make(map[uint16]*sent)}
	f.room.L = &f.mu
	return f
}

// connected begins a connection. session says that the broker has that of the one before. It returns the ids to be released, for the broker has what they stand for.
func (f *flight) connected(session bool) (release []uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.landing = 0
	for id, s := range f.under {
		if session && s.received {
			release = append(release, id)
		} else {
			delete(f.under, id)
		}
	}
	slices.SortFunc(release, func(a, b uint16) int { return cmp.Compare(f.under[a].sequence, f.under[b].sequence) })
	if !session {
		f.used = nil
	} else if !f.begun {
		f.used = new([idSpace/64 + 1]uint64)
	}
	f.begun = true
	return release
}

// take waits for room and notes an event that is about to be sent.
func (f *flight) take(ctx context.Context, epoch, sequence uint64, what freight) (flying, error) {
	stop := context.AfterFunc(ctx, f.wake)
	defer stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	id := idOf(epoch, sequence)
	for ctx.Err() == nil {
		other := f.under[id]
		if other != nil && other.sequence == sequence {
			return flying{id: id, done: true}, nil // the others were taken off by connected
		}
		if other == nil && len(f.under) < f.most {
			return f.begin(id, sequence, what), nil
		}
		f.room.Wait()
	}
	return flying{}, ctx.Err()
}

// begin puts an event under way. mu is held.
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

// received notes PUBREC.
func (f *flight) received(id uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.under[id]; s != nil {
		s.received = true
	}
}

// landed takes an event off: on PUBACK, and with released on PUBCOMP, which may also answer a PUBREL that had no event.
func (f *flight) landed(id uint16, released bool) (sequence uint64, ok bool) {
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

// outcome says how this connection went: how many events were acknowledged, and which the broker may not have, in order.
func (f *flight) outcome() (landed int, open []sent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.under {
		if !s.received {
			open = append(open, *s)
		}
	}
	slices.SortFunc(open, func(a, b sent) int { return cmp.Compare(a.sequence, b.sequence) })
	return f.landing, open
}

// clear waits until nothing is under way. It returns ctx's error if that is done before.
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
