package modbus

import (
	"bytes"
	"slices"
	"time"
)

// A frame of RTU names its slave and its function, but not the request that it answers. An answer that comes too late,
// or twice, looks like the answer to the next request. The ledger therefore keeps what each slave still owes, and these
// rules hold:
//
//   - While an answer may still come, only the same request is sent to that slave with that function.
//   - An answer is given up after a silence longer than twice the slowest answer that was seen, and four timeouts at least.
//   - After that, and when a port was opened, a new value is taken only when it was seen twice: an answer to a request
//     that was given up may be under way, or one to a request of another program.
//   - A frame that equals a recent answer to another request is taken only when it was seen twice: it may be a duplicate.
//   - A slave that sends frames nobody asked for is given time to fall silent before each request.

const (
	giveUp     = 4                // timeouts of silence before an answer is given up
	maxRecent  = 32               // answers that are remembered, of each slave
	recentFor  = 30 * time.Second // how long they are
	strayFor   = time.Minute      // how long a slave is treated with care after a frame that nobody asked for
	maxHush    = 10 * time.Second // the longest silence that such a slave is asked for
	maxRepeats = 16               // requests under way that are told apart
	promptly   = 10               // answers in time, in a row, after which a slave is no longer late
)

// debt is what a slave owes for one function: answers to one request, which was sent once or more often.
type debt struct {
	query
	wire      time.Duration // the time that request and answer take on the wires
	sent      []time.Time   // of the requests without an answer, oldest first
	total     int           // requests sent, with those that were answered
	heard     int           // answers
	last      time.Time     // when the request was sent last
	retry     bool          // the last request was not answered in time: it may be sent again
	broken    bool          // it was answered by a broken frame
	slowest   time.Duration // its slowest answer, if answers come in the order of their requests
	candidate []byte        // an answer that has to be seen once more
	copied    bool          // the candidate equals an answer to another request
}

// heard is an answer that was taken.
type heard struct {
	request, frame []byte
	at             time.Time
}

// account is what the ledger knows of a slave.
type account struct {
	debts   map[byte]*debt // by function
	recent  []heard
	heard   time.Time     // its last frame
	taken   time.Time     // its last answer
	slowest time.Duration // of its answers lately, without the time on the wires
	doubt   time.Time     // until then an answer has to be seen twice
	careful time.Time     // until then it has to be silent for hush before it is asked
	hush    time.Duration
	pause   time.Time // until then it is not asked
	prompt  int       // answers in time, in a row

	late      bool          // it needs longer than the timeout
	latest    time.Duration // how long, lately
	lateCount uint64
	strays    uint64
}

// ledger has no goroutine and no clock.
type ledger struct {
	timeout  time.Duration
	accounts map[byte]*account
}

// newLedger returns a ledger for a port that was opened now.
func newLedger(timeout time.Duration, slaves []byte, now time.Time) *ledger {
	l := &ledger{timeout: timeout, accounts: map[byte]*account{}}
	for _, id := range slaves {
		l.accounts[id] = &account{debts: map[byte]*debt{}, doubt: now.Add(giveUp * timeout)}
	}
	return l
}

// owed returns what a slave owes for a function, or nil.
func (l *ledger) owed(slave, function byte) *debt {
	a := l.accounts[slave]
	if a == nil {
		return nil
	}
	if d := a.debts[function&^failed]; d != nil && len(d.sent) > 0 {
		return d
	}
	return nil
}

// needs is how long a slave has taken for an answer at most, lately.
func (l *ledger) needs(slave, function byte) time.Duration {
	needs := l.accounts[slave].slowest
	if d := l.owed(slave, function); d != nil {
		needs = max(needs, d.slowest)
	}
	return needs
}

// wait is how long an answer is waited for, without the time on the wires. Slaves that were late get more.
func (l *ledger) wait(slave, function byte) time.Duration {
	return max(l.timeout, min(l.needs(slave, function)*3/2, 10*l.timeout, maxTimeout))
}

// second is how long a frame that would replace a doubtful one is waited for.
func (l *ledger) second(slave, function byte) time.Duration {
	return min(l.wait(slave, function), max(hush, 2*l.needs(slave, function)))
}

// giveUp is the silence after which d will not be paid.
func (l *ledger) giveUp(a *account, d *debt) time.Duration {
	least := giveUp * l.timeout
	if d.broken {
		least = l.timeout // there was an answer
	}
	return d.wire + max(2*a.slowest, 2*d.slowest, least)
}

// free returns when q may be sent; a time that has passed is now.
func (l *ledger) free(q query, now time.Time) (at time.Time) {
	a := l.accounts[q.slave()]
	at = a.pause
	if now.Before(a.careful) {
		at = later(at, a.heard.Add(a.hush))
	}
	d := l.owed(q.slave(), q.function())
	switch {
	case d == nil:
		return at
	case d.retry && bytes.Equal(d.request, q.request):
		if d.broken || d.candidate != nil {
			return at
		}
		return later(at, d.last.Add(d.wire+2*l.wait(q.slave(), q.function())))
	}
	return later(at, later(d.last, a.heard).Add(l.giveUp(a, d)))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sent notes that q was sent. Other requests of the slave and function that were not answered are given up.
func (l *ledger) sent(q query, wire time.Duration, now time.Time) {
	a := l.accounts[q.slave()]
	d := l.owed(q.slave(), q.function())
	if d != nil && (!bytes.Equal(d.request, q.request) || !d.retry) {
		a.doubt = later(a.doubt, now.Add(giveUp*l.giveUp(a, d)))
		d = nil
	}
	if d == nil {
		d = &debt{query: q, wire: wire}
		a.debts[q.function()] = d
	}
	if len(d.sent) == maxRepeats {
		d.sent = d.sent[1:]
	}
	d.sent = append(d.sent, now)
	d.last, d.retry, d.broken = now, false, false
	d.total++
}

// missed notes that the last request was not answered in time, or by a broken frame.
func (l *ledger) missed(q query, broken bool) {
	if d := l.owed(q.slave(), q.function()); d != nil {
		d.retry, d.broken = true, broken
	}
}

// verdict is what a frame is taken for.
type verdict uint8

const (
	stray    verdict = iota // nobody asked for it
	doubtful                // it may be the answer; it has to be seen once more
	taken                   // it is the answer to the debt's request
)

// take judges a frame of a slave.
func (l *ledger) take(frame []byte, now time.Time) (verdict, *debt) {
	a, d := l.accounts[frame[0]], l.owed(frame[0], frame[1])
	a.heard = now
	if d == nil {
		a.strayed(frame, l.timeout, now)
		return stray, nil
	}
	net := max(0, now.Sub(d.answers())-d.wire)
	d.slowest = max(d.slowest, net)
	if d.function() <= readInput && a.suspects(d, frame, now) {
		return doubtful, d
	}
	l.pay(a, d, frame, net, now)
	return taken, d
}

// answers is when the request was sent that the next frame answers.
func (d *debt) answers() time.Time {
	if d.candidate != nil && !d.copied && len(d.sent) > 1 {
		return d.sent[1]
	}
	return d.sent[0]
}

// suspects reports whether a frame has to be seen once more.
func (a *account) suspects(d *debt, frame []byte, now time.Time) bool {
	if bytes.Equal(d.candidate, frame) {
		return false
	}
	repeated, known := a.repeated(d.request, frame, now)
	if !repeated && (known || d.candidate != nil || !now.Before(a.doubt)) || known && d.candidate == nil {
		return false
	}
	d.candidate, d.copied = slices.Clone(frame), repeated
	return true
}

// repeated reports whether a frame equals a recent answer to another request; known, whether it equals the last one to
// this request.
func (a *account) repeated(request, frame []byte, now time.Time) (repeated, known bool) {
	last := true
	for _, h := range slices.Backward(a.recent) {
		same := bytes.Equal(h.request, request)
		if same && last {
			known, last = bytes.Equal(h.frame, frame), false
		}
		if !same && h.request[1] == request[1] && now.Sub(h.at) < recentFor && bytes.Equal(h.frame, frame) {
			repeated = true
		}
	}
	return repeated, known
}

func (a *account) remember(request, frame []byte, now time.Time) {
	if len(a.recent) == maxRecent {
		a.recent = append(a.recent[:0], a.recent[1:]...)
	}
	a.recent = append(a.recent, heard{request, slices.Clone(frame), now})
}

// pay takes the oldest request off d, and a second one if a candidate was its answer.
func (l *ledger) pay(a *account, d *debt, frame []byte, net time.Duration, now time.Time) {
	answers := 1
	if same := bytes.Equal(d.candidate, frame); d.candidate != nil && (same || !d.copied) {
		if answers = 2; !same {
			a.pause = now.Add(l.second(frame[0], frame[1]&^failed)) // if the first was another request's, there will be a third
			a.remember(d.request, d.candidate, now)
		}
	}
	a.remember(d.request, frame, now)
	if answers > len(d.sent) {
		a.strayed(frame, l.timeout, now)
		answers = len(d.sent)
	}
	d.sent, d.candidate, d.copied, d.retry = d.sent[answers:], nil, false, false
	d.heard += answers
	a.taken = now
	if d.heard == d.total {
		l.learn(a, d, net)
	}
}

// learn notes how long the slave took: all requests were answered, so it is known.
func (l *ledger) learn(a *account, d *debt, net time.Duration) {
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

// strayed notes a frame that nobody asked for.
func (a *account) strayed(frame []byte, timeout time.Duration, now time.Time) {
	a.strays++
	if now.After(a.careful) {
		a.hush = 0
	}
	first := a.taken
	for _, h := range a.recent {
		if bytes.Equal(h.frame, frame) {
			first = h.at // it is a duplicate
			break
		}
	}
	a.hush = min(maxHush, max(timeout, a.hush, 2*now.Sub(first)))
	a.careful = now.Add(strayFor)
	a.doubt = later(a.doubt, now.Add(recentFor))
}

// suggested is a timeout for a slave that needs so long.
func suggested(latest time.Duration) time.Duration {
	step := 100 * time.Millisecond
	if latest > 5*time.Second {
		step = time.Second
	}
	return min(maxTimeout, (latest*3/2 + step - 1).Truncate(step))
}
