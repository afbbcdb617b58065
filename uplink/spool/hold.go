package spool

import (
	"time"

	"runnel/edge/journal"
)

// An event that the far side rejects is held under its topic: it and all later events of that topic move to a log of
// their own, in order, and the other topics go on. So the logs of the lanes stay short, and an event that crosses costs
// one look into a map while something is held, and nothing otherwise.
//
//	Hold    the far side has rejected an event: its topic is held from now on
//	divert  Next comes to an event of a held topic, and moves it
//	Retry   the first event of each held topic is sent once more, as a probe; when one is acknowledged its topic is open,
//	        and the rest of its events follow in order
//
// A topic ends to be held when its last held event is acknowledged or dropped.

const (
	// A spool holds so many topics at most, and so many bytes of their names. Beyond that the oldest ones are dropped.
	maxHeldTopics = 1 << 14
	maxHeldNames  = 4 << 20

	// retryCost is added to the pause between two retries for each topic, for each costs a message.
	retryCost = 10 * time.Millisecond

	defaultRetryFirst = 5 * time.Second
	defaultRetryLast  = time.Minute
)

// held is what the far side has rejected.
type held struct {
	log *journal.Journal // nil: nothing can be held. Static after Open; appended to and trimmed by Run

	// Guarded by Spool.mu.
	topics      map[string]*heldTopic
	front, back *heldTopic // the topics, the one that is held longest first
	turn        *heldTopic // whose turn it is to be tried, with Options.RetryOne; nil: the first
	names       int        // bytes of their names
	segments    []*heldSegment
	tail        []*heldEvent // not written yet
	dueAt       int64        // when the tail is to be written, by the spool's clock
	tailBase    int          // how many were in front of tail[0], so far
	waiting     int          // events of the tail whose callback is due when they are written
	busy        bool         // Run is appending
	marks       map[string]uint64
	marksAt     int64    // since when marks are to be written, by the spool's clock
	commits     uint64   // so far
	doomed      []doomed // segments to be deleted by Run
	flight      map[uint64]flying
	attempt     uint64 // counts the beginnings of Next
	events      int
	octets      int64
	wanted      int  // topics of which Next is to return something
	sift        bool // an event was rejected and has not been moved
	pass        pass
	pause       time.Duration // before the next retry
	retryAt     time.Time
	lines       lines
	was         map[string]uint64 // by topic: up to here its events were moved before Open

	piece heldPiece // guarded by Spool.reading
}

// heldTopic is a topic that is held.
type heldTopic struct {
	name       string
	reason     string
	since      time.Time
	prev, next *heldTopic
	state      heldState
	events     int
	octets     int64
	last       uint64 // the highest number that was moved; 0: none was
	handed     uint64 // the highest that Next has returned, or below the first
	after      uint64 // the highest that Next has returned in this attempt
	window     window // what Next has returned and Ack has not settled
	underWay   int    // how many of these are so in this attempt
	before     int    // events of the lanes that are under way, and are to be settled before others are moved
	missed     uint64 // the pass that has left out one of its events
	counted    bool   // in held.wanted
}

type heldState uint8

const (
	waits   heldState = iota // for a retry
	due                      // its first event is to be sent
	probing                  // it is under way
	opened                   // it has arrived, and the others follow
)

// flying is a held event that is under way.
type flying struct {
	topic   *heldTopic
	octets  int64
	attempt uint64
	segment *heldSegment // it was read from; nil: from the tail
	entry   *heldEvent
}

// Held tells of the events that the far side has rejected.
type Held struct {
	Topics, Events int
	Octets         int64
	Topic, Reason  string // of the topic that is held longest
}

// HeldTopic is a topic that is held.
type HeldTopic struct {
	Topic  string
	Events int
	Octets int64
	Reason string    // what the far side says
	Since  time.Time // by the time of day
}

// ReasonCloses is the reason to give Hold for an event for which the far side closes the connection. Every retry of its topic
// may cost a connection, so such topics are retried one at a time, in turn; Retry retries them all.
const ReasonCloses = "the far side closes the connection when it is sent this event"

// costly reports whether a retry of the topic may cost the connection.
func (t *heldTopic) costly() bool { return t.reason == ReasonCloses }

// Hold says that the far side has rejected an event that Next has returned, and why. It reports false if the event is not
// of a kind that is held: of class Memory, or a gap. Then the caller acknowledges it, to drop it.
func (s *Spool) Hold(sequence uint64, reason string) bool {
	s.mu.Lock()
	defer s.unlockAndTell()
	h := &s.held
	if f, ok := h.flight[sequence]; ok {
		delete(h.flight, sequence)
		h.rejectedAgain(f, reason)
		return true
	}
	i := s.window.find(sequence)
	if i < 0 {
		return true // it was dropped meanwhile
	}
	u := &s.window.list[i]
	if u.class == Memory || h.log == nil {
		return false
	}
	if u.moved || u.rejected {
		return true
	}
	u.rejected = true
	t := h.topics[u.topic]
	if t == nil {
		t = s.holdTopic(u.topic, reason, u.size)
		t.before = s.window.unanswered(u.topic, h.attempt)
	} else {
		t.reason = reason
		t.before = max(t.before-1, 0)
	}
	t.state = waits
	h.review(t)
	h.sift = true
	signal(s.more)
	return true
}

// rejectedAgain notes that a held event was rejected once more.
func (h *held) rejectedAgain(f flying, reason string) {
	t := f.topic
	t.reason, t.state, t.after = reason, waits, 0
	if f.attempt == h.attempt {
		t.underWay--
	}
	h.review(t)
}

// holdTopic begins to hold a topic.
func (s *Spool) holdTopic(name, reason string, size int) *heldTopic {
	h := &s.held
	if len(h.topics) >= maxHeldTopics || h.names+len(name) > maxHeldNames {
		s.thinOut()
	}
	t := &heldTopic{name: name, reason: reason, since: time.Now(), prev: h.back}
	if h.topics == nil {
		h.topics, h.flight, h.marks = make(map[string]*heldTopic), make(map[uint64]flying), make(map[string]uint64)
	}
	h.topics[name] = t
	h.names += len(name)
	if h.back != nil {
		h.back.next = t
	} else {
		h.front = t
		h.schedule(s.opts.RetryFirst)
	}
	h.back = t
	h.tell(s.log.Warn, "topic held, the far side rejects its events", "topic", name, "size", size, "err", reason)
	return t
}

// unhold ends to hold a topic of which nothing is held any more.
func (s *Spool) unhold(t *heldTopic) {
	h := &s.held
	t.state = waits
	h.review(t)
	delete(h.topics, t.name)
	h.names -= len(t.name)
	if h.turn == t {
		h.turn = t.next
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		h.front = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		h.back = t.prev
	}
	h.tell(s.log.Info, "topic no longer held", "topic", t.name)
}

// unsent is how many events of a topic are not under way.
func (t *heldTopic) unsent() int { return t.events - t.underWay }

// wants reports whether Next is to return events of a topic.
func (t *heldTopic) wants() bool {
	return t.unsent() > 0 && (t.state == opened || t.state == due && t.underWay == 0)
}

// passes reports whether an event that comes now may overtake no held one of its topic.
func (t *heldTopic) passes() bool { return t.state == opened && t.unsent() == 0 }

// review counts a topic anew whose state has changed.
func (h *held) review(t *heldTopic) {
	if w := t.wants(); w != t.counted {
		if t.counted = w; w {
			h.wanted++
		} else {
			h.wanted--
		}
	}
}

// Retry has the first event of each held topic sent once more, and returns how many events are held.
func (s *Spool) Retry() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held.retry()
	s.held.schedule(s.opts.RetryFirst)
	signal(s.more)
	return s.held.events
}

func (h *held) retry() {
	for t := h.front; t != nil; t = t.next {
		h.retryTopic(t)
	}
}

// retryCheap retries the topics of which a retry costs a message, and one of the others.
func (h *held) retryCheap() {
	one := h.nextCostly()
	for t := h.front; t != nil; t = t.next {
		if t == one || !t.costly() {
			h.retryTopic(t)
		}
	}
}

// nextCostly returns the costly topic whose turn it is; nil: there is none.
func (h *held) nextCostly() *heldTopic {
	t := h.turn
	for range len(h.topics) {
		if t == nil {
			t = h.front
		}
		if t.costly() {
			h.turn = t.next
			return t
		}
		t = t.next
	}
	return nil
}

func (h *held) retryTopic(t *heldTopic) {
	if t.state == waits {
		t.state = due
		t.missed = h.pass.number
		h.review(t)
	}
}

// retryNext has the next topic in turn tried.
func (h *held) retryNext() {
	if h.turn == nil {
		h.turn = h.front
	}
	t := h.turn
	h.turn = t.next
	h.retryTopic(t)
}

// schedule has the next retry made after a pause.
func (h *held) schedule(pause time.Duration) {
	h.pause = pause
	h.retryAt = time.Now().Add(pause + time.Duration(len(h.topics))*retryCost)
}

// retryDue makes a retry that is due, and returns how long it is until the next one; 0: there is none.
func (s *Spool) retryDue() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.held
	if h.front == nil {
		return 0
	}
	if time.Until(h.retryAt) <= 0 {
		if pause := min(2*h.pause, s.opts.RetryLast); s.opts.RetryOne {
			h.retryNext()
			h.schedule(max(pause/time.Duration(len(h.topics)), s.opts.RetryFirst))
			h.pause = pause
		} else {
			h.retryCheap()
			h.schedule(pause)
		}
	}
	return max(time.Until(h.retryAt), time.Millisecond)
}

// Rewind begins anew, as after a disconnect: of what was under way and is not acknowledged nothing is on its way any more.
func (s *Spool) Rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.held
	h.attempt++
	for t := h.front; t != nil; t = t.next {
		t.before, t.underWay, t.after = 0, 0, 0
		if t.state != waits {
			t.state = due
			t.missed = h.pass.number
		}
		h.review(t)
	}
	h.sift = h.front != nil
}

// HeldTopics returns up to n of the topics that are held, the one that is held longest first.
func (s *Spool) HeldTopics(n int) (list []HeldTopic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := s.held.front; t != nil && len(list) < n; t = t.next {
		list = append(list, HeldTopic{Topic: t.name, Events: t.events, Octets: t.octets, Reason: t.reason, Since: t.since})
	}
	return list
}

func (h *held) state() (st Held) {
	st = Held{Topics: len(h.topics), Events: h.events, Octets: h.octets}
	if h.front != nil {
		st.Topic, st.Reason = h.front.name, h.front.reason
	}
	return st
}

// lines bounds what is logged: ten thousand topics are not worth a line each.
type lines struct {
	since      time.Time
	n          int
	suppressed int
}

const (
	linesMost = 20 // in linesTime
	linesTime = time.Minute
)

func (l *lines) may() bool {
	if now := time.Now(); now.Sub(l.since) > linesTime {
		l.since, l.n = now, 0
	}
	if l.n++; l.n > linesMost {
		l.suppressed++
		return false
	}
	return true
}

// tell logs a line about a topic, or counts that it does not.
func (h *held) tell(log func(string, ...any), text string, attributes ...any) {
	if !h.lines.may() {
		return
	}
	if n := h.lines.suppressed; n > 0 {
		attributes = append(attributes, "suppressed", n)
		h.lines.suppressed = 0
	}
	log(text, attributes...)
}
