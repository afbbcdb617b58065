package edge

import (
	"time"

	"runnel/edge/budget"
	"runnel/edge/buffers"
	"runnel/edge/wamp"
)

// Upper estimates, in bytes, of the memory that the router uses beside its buffers.
const (
	sessionCost = 16 << 10 // of a peer whose transport has no account
	seatCost    = 768      // of a subscription or a registration, beside its URI, which is stored three times
	callsCost   = 32 << 10 // of callsChunk calls in progress
	callsChunk  = 64
)

// openAccount uses the account of the peer's transport, or opens one.
func (s *session) openAccount(r *Router) error {
	if o, ok := s.conn.(owner); ok && o.Account() != nil {
		s.out.account = o.Account()
		return nil
	}
	t := s.conn.Transport()
	account, err := r.options().Memory.Open(budget.Peer{
		Name: t.Remote, Base: sessionCost, Joined: t.Internal, Vital: t.Internal, Close: func() { s.conn.Close() },
	})
	if err != nil {
		return refusal{wamp.Unavailable, err.Error()}
	}
	s.out.account, s.ownsAccount = account, true
	return nil
}

// closeAccount closes the peer's account, once its connection is closed.
func (s *session) closeAccount() {
	if s.ownsAccount {
		s.out.account.Close()
	}
}

// cause returns why the session ended. If memory was short, that explains why its connection failed.
func (s *session) cause(err error) error {
	if cut := s.out.account.Err(); cut != nil {
		return cut
	}
	return err
}

func seatOctets(uri string) int { return seatCost + 3*len(uri) }

// keepSeat charges the memory of a subscription or a registration; freeSeat frees it. Internal sessions are not
// charged, because the configuration bounds their use.
func (s *session) keepSeat(uri string) error {
	if !s.internal() && !s.memory().Keep(budget.Tables, seatOctets(uri)) {
		return refusal{wamp.Unavailable, "the router has no memory for more subscriptions and registrations"}
	}
	return nil
}

func (s *session) freeSeat(uri string) {
	if !s.internal() {
		s.memory().Drop(budget.Tables, seatOctets(uri))
	}
}

func (s *session) memory() *budget.Budget { return s.realm.router.options().Memory }

// retryAppend gives an EVENT that found no memory another chance: it flushes the outboxes, and the publisher waits for
// memory as it would for a slow peer. If there still is no memory, the event is dropped for this peer and counted.
func (t *turn) retryAppend(place *seat, msg []byte, mayWait bool) (v verdict, full bool) {
	peer := place.session
	if mayWait {
		t.flush()
		start, patience := time.Now(), &peer.realm.patiences.newcomers
		if peer.memory().WaitForRoom(len(msg)+bufferStep, patience.Left()) {
			if v, full = peer.out.appendEvent(place, msg); v != noMemory {
				return v, full
			}
		}
		patience.Spend(time.Since(start))
	}
	peer.out.dropped.Add(1)
	peer.memory().Refused(budget.Outboxes)
	return appended, false
}

// mayKeep charges the bytes of a CALL that are kept while it is in progress. It returns false if the session has reached its
// limit. The caller holds pending.mu.
func (s *session) mayKeep(octets int) bool {
	return s.kept+octets <= maxKept && s.memory().Keep(budget.Calls, octets)
}

// charge charges the growth of one of the turn's buffers. Buffers up to the large size are not charged: they are part of
// the program's basic memory.
func (t *turn) charge(from, to int) {
	if to <= buffers.LargeSize {
		return
	}
	if from <= buffers.LargeSize {
		from = 0
	}
	grown := max(to-from, 0)
	t.work += grown
	t.memory.Spend(grown)
}

// dropWork frees the turn's large buffers.
func (t *turn) dropWork() {
	for i := range t.frames {
		if cap(t.frames[i].bytes) > buffers.LargeSize {
			t.frames[i] = frame{}
		}
	}
	if cap(t.single.bytes) > buffers.LargeSize {
		t.single = frame{}
	}
	if cap(t.scratch) > buffers.LargeSize {
		t.scratch = nil
	}
	t.memory.Drop(budget.Work, t.work)
	t.work = 0
}

// keepCall charges one more call of the session, a chunk of calls at a time. The caller holds pending.mu.
func (s *session) keepCall() error {
	if len(s.calls) < s.callsCharged || s.out.account == nil { // nil: one of the router's own calls, which are few
		return nil
	}
	keep := s.memory().Keep
	if s.callsCharged == 0 { // full tables must not block the first calls of a session
		keep = s.memory().KeepBasic
	}
	if !keep(budget.Calls, callsCost) {
		return refusal{wamp.Unavailable, "the router has no memory for more calls"}
	}
	s.callsCharged += callsChunk
	return nil
}

// freeCalls frees the chunks that the session no longer needs. It keeps one spare chunk, so that occasional calls cost nothing,
// unless all is true because the session ends. The caller holds pending.mu.
func (s *session) freeCalls(all bool) {
	for s.callsCharged > len(s.calls)+2*callsChunk || all && s.callsCharged > 0 {
		s.callsCharged -= callsChunk
		s.memory().Drop(budget.Calls, callsCost)
	}
}
