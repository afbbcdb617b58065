package spool

import (
	"time"

	"runnel/edge/journal"
)

// An event that the far side rejects is held under its topic. The event and all later events of the topic move, in
// order, to a separate log. This avoids delays of other topics and keeps the logs of the lanes short. While events are
// held, each event that is sent costs one map lookup; otherwise it costs nothing.
//
//	Hold        the far side rejects an event: hold its topic
//	moveToHeld  Next reaches an event of a held topic and moves it
//	Retry       Next returns the first event of each held topic again, as a probe; when the far side accepts it, the topic is
//	            open and its other events follow in order
//
// A topic is no longer held once its last held event is acknowledged or dropped.

const (
	// Limits on the number of held topics and on the bytes of their names. Beyond them, the oldest topics are dropped.
	maxHeldTopics = 1 << 14
	maxHeldNames  = 4 << 20

	// retryCost is added to the pause between retries for each held topic, because each topic costs a message.
	retryCost = 10 * time.Millisecond

	defaultRetryFirst = 5 * time.Second
	defaultRetryLast  = time.Minute
)

// held is the state of the events that the far side has rejected.
type held struct {
	log *journal.Journal // nil: nothing can be held. Static after Open; only Run appends and deletes

	// Guarded by Spool.mu.
	topics      map[string]*heldTopic
	front, back *heldTopic // the held topics, in the order in which they were held
	nextTopic   *heldTopic // the next topic to retry, with Options.RetryOne; nil: the first
	names       int        // bytes of the topics' names
	segments    []*heldSegment
	tail        []*heldEvent // events that are not written yet
	dueAt       int64        // when the tail is to be written, by the spool's clock
	tailBase    int          // number of events removed from the front of tail so far
	callbacks   int          // events of the tail with a callback
	busy        bool         // Run is appending
	marks       map[string]uint64
	marksAt     int64      // when marks became non-empty, by the spool's clock
	commits     uint64     // number of commits so far
	toDelete    []deletion // segments for Run to delete
	inFlight    map[uint64]heldFlight
	attempt     uint64 // number of calls of Rewind
	events      int
	octets      int64
	sendable    int  // number of topics with events for Next to return
	movePending bool // some events returned by Next may have to be moved
	pass        pass
	pause       time.Duration // before the next retry
	retryAt     time.Time
	logLimit    logLimit
	movedTo     map[string]uint64 // by topic: events of earlier runs up to this number were moved

	cache heldCache // guarded by Spool.reading
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
	last       uint64 // highest number of a moved event; 0: none
	returned   uint64 // highest number returned by Next; initially below the first event
	after      uint64 // highest number returned by Next in this attempt
	window     window // events returned by Next and not yet acknowledged or dropped
	inFlight   int    // number of these that were returned in this attempt
	before     int    // events in flight from the lanes; no event is moved until they are answered
	skippedIn  uint64 // the last pass that skipped an event of the topic
	counted    bool   // included in held.sendable
}

type heldState uint8

const (
	topicWaiting heldState = iota // for a retry
	topicDue                      // the first event must be sent
	topicProbing                  // the first event is in flight
	topicOpen                     // the first event was accepted, the others follow
)

// heldFlight is a held event that is in flight.
type heldFlight struct {
	topic   *heldTopic
	octets  int64
	attempt uint64
	segment *heldSegment // the segment it was read from; nil: the tail
	entry   *heldEvent
}

// Held summarizes the held events.
type Held struct {
	Topics, Events int
	Octets         int64
	Topic, Reason  string // of the topic that has been held longest
}

// HeldTopic describes a topic that is held.
type HeldTopic struct {
	Topic  string
	Events int
	Octets int64
	Reason string    // the error of the far side
	Since  time.Time // by the time of day
}

// ReasonCloses is the reason to pass to Hold if the far side closes the connection on receiving the event. Each retry of such
// a topic may cost a connection, so these topics are retried one at a time. Retry retries them all.
const ReasonCloses = "the far side closes the connection when it gets this event"

// costly reports whether a retry of the topic may cost the connection.
func (t *heldTopic) costly() bool { return t.reason == ReasonCloses }

// Hold reports that the far side has rejected an event returned by Next, with the reason. It returns false if such an
// event cannot be held: a gap, or an event of class Memory. The caller must then drop it by Ack.
func (s *Spool) Hold(sequence uint64, reason string) bool {
	s.mu.Lock()
	defer s.unlockAndCall()
	h := &s.held
	if f, ok := h.inFlight[sequence]; ok {
		delete(h.inFlight, sequence)
		h.rejectedAgain(f, reason)
		return true
	}
	i := s.window.find(sequence)
	if i < 0 {
		return true // dropped in the meantime
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
	t.state = topicWaiting
	h.recount(t)
	h.movePending = true
	signal(s.more)
	return true
}

// rejectedAgain records that a held event was rejected again.
func (h *held) rejectedAgain(f heldFlight, reason string) {
	t := f.topic
	t.reason, t.state, t.after = reason, topicWaiting, 0
	if f.attempt == h.attempt {
		t.inFlight--
	}
	h.recount(t)
}

// holdTopic starts to hold a topic.
func (s *Spool) holdTopic(name, reason string, size int) *heldTopic {
	h := &s.held
	if len(h.topics) >= maxHeldTopics || h.names+len(name) > maxHeldNames {
		s.dropOldestTopics()
	}
	t := &heldTopic{name: name, reason: reason, since: time.Now(), prev: h.back}
	if h.topics == nil {
		h.topics, h.inFlight, h.marks = make(map[string]*heldTopic), make(map[uint64]heldFlight), make(map[string]uint64)
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
	h.logTopic(s.log.Warn, "topic held: the far side rejects its events", "topic", name, "bytes", size, "err", reason)
	return t
}

// unholdTopic removes a topic without held events. The topic stays if further events of it were rejected and are yet to move.
func (s *Spool) unholdTopic(t *heldTopic) {
	h := &s.held
	t.state, t.inFlight = topicWaiting, 0
	h.recount(t)
	if h.movePending && s.window.rejected(t.name) {
		return
	}
	delete(h.topics, t.name)
	h.names -= len(t.name)
	if h.nextTopic == t {
		h.nextTopic = t.next
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
	h.logTopic(s.log.Info, "topic no longer held", "topic", t.name)
}

// unsent returns the number of held events of the topic that are not in flight.
func (t *heldTopic) unsent() int { return t.events - t.inFlight }

// canSend reports whether Next may return events of the topic.
func (t *heldTopic) canSend() bool {
	return t.unsent() > 0 && (t.state == topicOpen || t.state == topicDue && t.inFlight == 0)
}

// canPass reports whether a new event of the topic may be sent without overtaking a held one.
func (t *heldTopic) canPass() bool { return t.state == topicOpen && t.unsent() == 0 }

// recount updates held.sendable after a change of the topic's state.
func (h *held) recount(t *heldTopic) {
	if w := t.canSend(); w != t.counted {
		if t.counted = w; w {
			h.sendable++
		} else {
			h.sendable--
		}
	}
}

// Retry makes Next return the first event of each held topic again. It returns the number of held events.
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

// retryCheap retries the topics whose retry costs only a message, and one of the costly topics.
func (h *held) retryCheap() {
	one := h.nextCostly()
	for t := h.front; t != nil; t = t.next {
		if t == one || !t.costly() {
			h.retryTopic(t)
		}
	}
}

// nextCostly returns the next costly topic in turn, or nil if there is none.
func (h *held) nextCostly() *heldTopic {
	t := h.nextTopic
	for range len(h.topics) {
		if t == nil {
			t = h.front
		}
		if t.costly() {
			h.nextTopic = t.next
			return t
		}
		t = t.next
	}
	return nil
}

func (h *held) retryTopic(t *heldTopic) {
	if t.state == topicWaiting {
		t.state = topicDue
		t.skippedIn = h.pass.number
		h.recount(t)
	}
}

// retryNext retries the next topic in turn.
func (h *held) retryNext() {
	if h.nextTopic == nil {
		h.nextTopic = h.front
	}
	t := h.nextTopic
	h.nextTopic = t.next
	h.retryTopic(t)
}

// schedule sets the time of the next retry.
func (h *held) schedule(pause time.Duration) {
	h.pause = pause
	h.retryAt = time.Now().Add(pause + time.Duration(len(h.topics))*retryCost)
}

// retryDue makes the retry that is due. It returns the time until the next one, or 0 if no topic is held.
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

// Rewind starts a new attempt, for example after a reconnect. Events that are not acknowledged are no longer in flight.
func (s *Spool) Rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &s.held
	h.attempt++
	for t := h.front; t != nil; t = t.next {
		t.before, t.inFlight, t.after = 0, 0, 0
		if t.state != topicWaiting {
			t.state = topicDue
			t.skippedIn = h.pass.number
		}
		h.recount(t)
	}
	h.movePending = h.front != nil
}

// HeldTopics returns up to n of the held topics, in the order in which they were held.
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

// logLimit limits the number of log lines about topics, of which there may be thousands.
type logLimit struct {
	since      time.Time
	n          int
	suppressed int
}

const (
	linesMost = 20 // lines in linesTime
	linesTime = time.Minute
)

func (l *logLimit) allow() bool {
	if now := time.Now(); now.Sub(l.since) > linesTime {
		l.since, l.n = now, 0
	}
	if l.n++; l.n > linesMost {
		l.suppressed++
		return false
	}
	return true
}

// logTopic logs a line about a topic, or counts it as suppressed.
func (h *held) logTopic(log func(string, ...any), message string, attributes ...any) {
	if !h.logLimit.allow() {
		return
	}
	if n := h.logLimit.suppressed; n > 0 {
		attributes = append(attributes, "suppressed", n)
		h.logLimit.suppressed = 0
	}
	log(message, attributes...)
}
