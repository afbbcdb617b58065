package modbus

import (
	"bytes"
	"slices"
	"time"
)

// A frame of Modbus RTU names its slave and function but not its request. A late or duplicate answer therefore looks like
// the answer to the next request. The tracker keeps the pending requests of each slave and applies these rules:
//
//   - While an answer may still arrive, only the same request is sent to that slave with that function.
//   - An answer is given up after silence for twice the slowest answer seen, and for at least four timeouts.
//   - After that, and after opening the port, a new value is accepted only when it was received twice. The frame may answer
//     a request that was given up, or a request of another program.
//   - A frame that equals a recent answer to another request is accepted only when it was received twice: it may be a
//     duplicate.
//   - A slave that sends unexpected frames is given time to fall silent before each request.

const (
	giveUp     = 4                // timeouts of silence before an answer is given up
	maxRecent  = 32               // recent answers kept for each slave
	recentFor  = 30 * time.Second // how long they are compared
	strayFor   = time.Minute      // how long a slave is treated with care after an unexpected frame
	maxSilence = 10 * time.Second // the longest silence required of such a slave
	maxRepeats = 16               // limit of repeated requests that are distinguished
	promptly   = 10               // consecutive answers in time after which a slave is no longer late
)

// pending is a request that was sent to a slave, once or repeatedly, and whose answers may still arrive.
type pending struct {
	query
	wire      time.Duration // transmission time of request and answer
	sent      []time.Time   // times of the requests without answer, oldest first
	total     int           // requests sent, including those answered
	answered  int           // answers received
	last      time.Time     // when the request was last sent
	retry     bool          // the last request was not answered in time, so it may be repeated
	broken    bool          // the last answer was a broken frame
	slowest   time.Duration // the slowest answer, assuming that answers arrive in the order of their requests
	candidate []byte        // an answer that must be received once more
	duplicate bool          // the candidate equals a recent answer to another request
}

// recentAnswer is an accepted answer.
type recentAnswer struct {
	request, frame []byte
	at             time.Time
}

// tracked is the tracker's state of a slave.
type tracked struct {
	pending      map[byte]*pending // by function
	recent       []recentAnswer
	lastFrame    time.Time     // time of the last frame
	lastAnswer   time.Time     // time of the last accepted answer
	slowest      time.Duration // slowest recent answer, without transmission time
	doubtUntil   time.Time     // until then a new value must be received twice
	carefulUntil time.Time     // until then the slave must be silent for that long before a request
	silence      time.Duration
	pausedUntil  time.Time // no request before then
	prompt       int       // consecutive answers in time

	late      bool          // answers take longer than the timeout
	latest    time.Duration // how long they have taken recently
	lateCount uint64
	strays    uint64
}

// tracker decides which request a frame answers. It has no goroutine and no clock.
type tracker struct {
	timeout time.Duration
	slaves  map[byte]*tracked
}

// newTracker returns a tracker for a port that was opened at now.
func newTracker(timeout time.Duration, slaves []byte, now time.Time) *tracker {
	l := &tracker{timeout: timeout, slaves: map[byte]*tracked{}}
	for _, id := range slaves {
		l.slaves[id] = &tracked{pending: map[byte]*pending{}, doubtUntil: now.Add(giveUp * timeout)}
	}
	return l
}

// pendingFor returns the request pending for a slave and function, or nil.
func (l *tracker) pendingFor(slave, function byte) *pending {
	a := l.slaves[slave]
	if a == nil {
		return nil
	}
	if d := a.pending[function&^failed]; d != nil && len(d.sent) > 0 {
		return d
	}
	return nil
}

// needs returns the longest recent response time of a slave.
func (l *tracker) needs(slave, function byte) time.Duration {
	needs := l.slaves[slave].slowest
	if d := l.pendingFor(slave, function); d != nil {
		needs = max(needs, d.slowest)
	}
	return needs
}

// wait returns how long to wait for an answer, without transmission time. Slow slaves get more than the timeout.
func (l *tracker) wait(slave, function byte) time.Duration {
	return max(l.timeout, min(l.needs(slave, function)*3/2, 10*l.timeout, maxTimeout))
}

// second returns how long to wait for a second answer that would replace a doubtful one.
func (l *tracker) second(slave, function byte) time.Duration {
	return min(l.wait(slave, function), max(silence, 2*l.needs(slave, function)))
}

// giveUpAfter returns the silence after which d is given up.
func (l *tracker) giveUpAfter(a *tracked, d *pending) time.Duration {
	least := giveUp * l.timeout
	if d.broken {
		least = l.timeout // an answer was received, though broken
	}
	return d.wire + max(2*a.slowest, 2*d.slowest, least)
}

// free returns the earliest time to send q, which may be in the past.
func (l *tracker) free(q query, now time.Time) (at time.Time) {
	a := l.slaves[q.slave()]
	at = a.pausedUntil
	if now.Before(a.carefulUntil) {
		at = later(at, a.lastFrame.Add(a.silence))
	}
	d := l.pendingFor(q.slave(), q.function())
	switch {
	case d == nil:
		return at
	case d.retry && bytes.Equal(d.request, q.request):
		if d.broken || d.candidate != nil {
			return at
		}
		return later(at, d.last.Add(d.wire+2*l.wait(q.slave(), q.function())))
	}
	return later(at, later(d.last, a.lastFrame).Add(l.giveUpAfter(a, d)))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sent records that q was sent. A different request pending for the same slave and function is given up.
func (l *tracker) sent(q query, wire time.Duration, now time.Time) {
	a := l.slaves[q.slave()]
	d := l.pendingFor(q.slave(), q.function())
	if d != nil && (!bytes.Equal(d.request, q.request) || !d.retry) {
		a.doubtUntil = later(a.doubtUntil, now.Add(giveUp*l.giveUpAfter(a, d)))
		d = nil
	}
	if d == nil {
		d = &pending{query: q, wire: wire}
		a.pending[q.function()] = d
	}
	if len(d.sent) == maxRepeats {
		d.sent = d.sent[1:]
	}
	d.sent = append(d.sent, now)
	d.last, d.retry, d.broken = now, false, false
	d.total++
}

// missed records that the last request was not answered in time, or by a broken frame.
func (l *tracker) missed(q query, broken bool) {
	if d := l.pendingFor(q.slave(), q.function()); d != nil {
		d.retry, d.broken = true, broken
	}
}

// verdict classifies a frame.
type verdict uint8

const (
	stray    verdict = iota // no request is pending for it
	doubtful                // it may be the answer; it must be received once more
	accepted                // it answers the pending request
)

// classify classifies a frame of a slave and updates the slave's state.
func (l *tracker) classify(frame []byte, now time.Time) (verdict, *pending) {
	a, d := l.slaves[frame[0]], l.pendingFor(frame[0], frame[1])
	a.lastFrame = now
	if d == nil {
		a.recordStray(frame, l.timeout, now)
		return stray, nil
	}
	net := max(0, now.Sub(d.sentAt())-d.wire)
	d.slowest = max(d.slowest, net)
	if d.function() <= readInput && a.suspects(d, frame, now) {
		return doubtful, d
	}
	l.accept(a, d, frame, net, now)
	return accepted, d
}

// sentAt returns when the request was sent that the next frame answers.
func (d *pending) sentAt() time.Time {
	if d.candidate != nil && !d.duplicate && len(d.sent) > 1 {
		return d.sent[1]
	}
	return d.sent[0]
}

// suspects reports whether a frame must be received once more.
func (a *tracked) suspects(d *pending, frame []byte, now time.Time) bool {
	if bytes.Equal(d.candidate, frame) {
		return false
	}
	repeated, known := a.repeated(d.request, frame, now)
	if !repeated && (known || d.candidate != nil || !now.Before(a.doubtUntil)) || known && d.candidate == nil {
		return false
	}
	d.candidate, d.duplicate = slices.Clone(frame), repeated
	return true
}

// repeated reports whether a frame equals a recent answer to another request; known reports whether it equals the last
// answer to this request.
func (a *tracked) repeated(request, frame []byte, now time.Time) (repeated, known bool) {
	last := true
	for _, h := range slices.Backward(a.recent) {
		same := bytes.Equal(h.request, request)
		if same && last {
			known, last = bytes.Equal(h.frame, frame), false
		}
		if !same && now.Sub(h.at) < recentFor && bytes.Equal(h.frame, frame) {
			repeated = true
		}
	}
	return repeated, known
}

func (a *tracked) remember(request, frame []byte, now time.Time) {
	if len(a.recent) == maxRecent {
		a.recent = append(a.recent[:0], a.recent[1:]...)
	}
	a.recent = append(a.recent, recentAnswer{request, slices.Clone(frame), now})
}

// accept removes the oldest request from d, and a second one if a candidate was its answer.
func (l *tracker) accept(a *tracked, d *pending, frame []byte, net time.Duration, now time.Time) {
	answers := 1
	if same := bytes.Equal(d.candidate, frame); d.candidate != nil && (same || !d.duplicate) {
		if answers = 2; !same {
			a.pausedUntil = now.Add(l.second(frame[0], frame[1]&^failed)) // if the first frame answered another request, a third one will arrive
			a.remember(d.request, d.candidate, now)
		}
	}
	a.remember(d.request, frame, now)
	if answers > len(d.sent) {
		a.recordStray(frame, l.timeout, now)
		answers = len(d.sent)
	}
	d.sent, d.candidate, d.duplicate, d.retry = d.sent[answers:], nil, false, false
	d.answered += answers
	a.lastAnswer = now
	if d.answered == d.total {
		l.updateTiming(a, d, net)
	}
}

// updateTiming records the response time, which is known when all requests are answered.
func (l *tracker) updateTiming(a *tracked, d *pending, net time.Duration) {
	a.slowest = max(d.slowest, a.slowest-a.slowest/8)
	if net > l.timeout {
		a.late, a.prompt = true, 0
		a.latest = max(net, a.latest-a.latest/8)
		a.lateCount++
		return
	}
	if a.prompt++; a.prompt >= promptly {
		a.late, a.latest = false, 0
	}
}

// recordStray records an unexpected frame.
func (a *tracked) recordStray(frame []byte, timeout time.Duration, now time.Time) {
	a.strays++
	if now.After(a.carefulUntil) {
		a.silence = 0
	}
	a.silence = max(timeout, a.silence)
	if first := a.firstAnswer(frame); !first.IsZero() {
		a.silence = max(a.silence, 2*now.Sub(first))
	}
	a.silence = min(maxSilence, a.silence)
	a.carefulUntil = now.Add(strayFor)
	a.doubtUntil = later(a.doubtUntil, now.Add(recentFor))
}

// firstAnswer returns when the answer was accepted that a stray frame follows: the first equal one, of which the frame is a
// duplicate, else the last. It is zero if the slave has never answered.
func (a *tracked) firstAnswer(frame []byte) time.Time {
	for _, h := range a.recent {
		if bytes.Equal(h.frame, frame) {
			return h.at
		}
	}
	return a.lastAnswer
}

// suggested returns a timeout that covers a response time.
func suggested(latest time.Duration) time.Duration {
	step := 100 * time.Millisecond
	if latest > 5*time.Second {
		step = time.Second
	}
	return min(maxTimeout, (latest*3/2 + step - 1).Truncate(step))
}
