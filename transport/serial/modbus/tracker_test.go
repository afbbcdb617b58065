package modbus

import (
	"testing"
	"time"
)

const (
	testTimeout = 100 * time.Millisecond
	testWire    = 10 * time.Millisecond
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// desk is a tracker of slave 1 whose port has been open for long, with a clock.
type desk struct {
	*tracker
	t   *testing.T
	now time.Time
}

func newDesk(t *testing.T) *desk {
	d := &desk{newTracker(testTimeout, []byte{1, 2}, start), t, start}
	d.after(giveUp * testTimeout)
	return d
}

func (d *desk) after(t time.Duration) { d.now = d.now.Add(t) }

// reads is the request for the register at an address.
func reads(address uint16) query {
	r := request(1, readHolding, address, 1)
	return query{request: r, expect: headSize + 1 + 2 + crcSize}
}

func answers(value byte) []byte { return seal([]byte{1, readHolding, 2, 0, value}) }

func (d *desk) send(q query) {
	d.t.Helper()
	if at := d.free(q, d.now); at.After(d.now) {
		d.t.Errorf("not free for another %v", at.Sub(d.now))
	}
	d.sent(q, testWire, d.now)
}

func (d *desk) gets(frame []byte, want verdict) *pending {
	d.t.Helper()
	got, p := d.classify(frame, d.now)
	if got != want {
		d.t.Errorf("verdict %d, want %d", got, want)
	}
	return p
}

// waits holds that q is free after a time, and not before.
func (d *desk) waits(q query, want time.Duration) {
	d.t.Helper()
	if got := max(0, d.free(q, d.now).Sub(d.now)); got != want {
		d.t.Errorf("free after %v, want %v", got, want)
	}
}

func TestPromptAnswers(t *testing.T) {
	d := newDesk(t)
	a := d.slaves[1]
	for i := range 3 {
		d.send(reads(1))
		d.after(testWire + 20*time.Millisecond)
		if p := d.gets(answers(byte(i)), accepted); p == nil || len(p.sent) != 0 {
			t.Errorf("%+v", p)
		}
		if a.late || a.lateCount != 0 || a.strays != 0 || a.slowest != 20*time.Millisecond || a.prompt != i+1 {
			t.Errorf("%+v", a)
		}
		d.waits(reads(2), 0)
	}
}

// TestLateSlave: a slave is late after one answer beyond the timeout, and prompt again after ten within it.
func TestLateSlave(t *testing.T) {
	d := newDesk(t)
	a := d.slaves[1]
	for i := range 2 {
		d.send(reads(1))
		d.after(testWire + 180*time.Millisecond)
		d.missed(reads(1), false)
		d.gets(answers(byte(i)), accepted)
		if !a.late || a.lateCount != uint64(i+1) || a.latest != 180*time.Millisecond || a.prompt != 0 {
			t.Errorf("%+v", a)
		}
	}
	if got := d.wait(1, readHolding); got != 270*time.Millisecond {
		t.Errorf("the next answer is given %v", got)
	}
	for i := range promptly {
		if !a.late {
			t.Errorf("prompt after %d answers", i)
		}
		d.send(reads(1))
		d.after(testWire + testTimeout) // just in time
		d.gets(answers(byte(i)), accepted)
	}
	if a.late || a.latest != 0 || a.lateCount != 2 {
		t.Errorf("%+v", a)
	}
}

// TestWait: the wait for an answer is one and a half times that of the slowest one, at most ten timeouts.
func TestWait(t *testing.T) {
	d := newDesk(t)
	for needs, want := range map[time.Duration]time.Duration{0: testTimeout, 60 * time.Millisecond: testTimeout, 80 * time.Millisecond: 120 * time.Millisecond, time.Second: time.Second, time.Hour: time.Second} {
		d.slaves[1].slowest = needs
		if got := d.wait(1, readHolding); got != want {
			t.Errorf("%v: %v, want %v", needs, got, want)
		}
	}
	d.slaves[1].slowest = 0
	if got := d.second(1, readHolding); got != silence {
		t.Errorf("the second answer of a quick slave is given %v", got)
	}
}

// TestMissingAnswer: the same request may be repeated soon, others wait until the answer is given up.
func TestMissingAnswer(t *testing.T) {
	d := newDesk(t)
	d.send(reads(1))
	sent := d.now
	d.waits(reads(2), testWire+giveUp*testTimeout)
	d.waits(reads(1), testWire+giveUp*testTimeout) // it is pending
	d.after(testWire + testTimeout)
	d.missed(reads(1), false)
	d.waits(reads(1), sent.Add(testWire+2*testTimeout).Sub(d.now))
	d.waits(reads(2), sent.Add(testWire+giveUp*testTimeout).Sub(d.now))
	d.waits(query{request: request(2, readHolding, 1, 1)}, 0) // another slave
	d.waits(query{request: request(1, readInput, 1, 1)}, 0)   // another function
	d.missed(reads(1), true)
	d.waits(reads(1), 0) // its answer was broken
	d.waits(reads(2), sent.Add(testWire+testTimeout).Sub(d.now))
}

// TestGivenUp: after a timeout, a new value must arrive twice, because the old answer may still arrive.
func TestGivenUp(t *testing.T) {
	d := newDesk(t)
	d.send(reads(1))
	d.missed(reads(1), false)
	d.after(testWire + giveUp*testTimeout)
	d.send(reads(2))
	if got, want := d.slaves[1].doubtUntil, d.now.Add(giveUp*(testWire+giveUp*testTimeout)); !got.Equal(want) {
		t.Errorf("in doubt for %v, want %v", got.Sub(d.now), want.Sub(d.now))
	}
	d.after(testWire)
	d.gets(answers(1), doubtful)
	d.missed(reads(2), false)
	d.waits(reads(2), 0)
	d.send(reads(2))
	if p := d.gets(answers(1), accepted); len(p.sent) != 0 {
		t.Errorf("%d requests are open", len(p.sent))
	}
	d.send(reads(2))
	d.gets(answers(1), accepted) // it is known
	d.slaves[1].doubtUntil = d.now
	d.send(reads(2))
	d.gets(answers(2), accepted) // the doubt is over
}

// TestDoubtBegins: after the port was opened, the first value must arrive twice.
func TestDoubtBegins(t *testing.T) {
	d := &desk{newTracker(testTimeout, []byte{1}, start), t, start}
	d.after(giveUp*testTimeout - 1)
	d.send(reads(1))
	d.gets(answers(1), doubtful)
	d.missed(reads(1), false)
	d.send(reads(1))
	p := d.gets(answers(2), accepted) // the first was another's
	if len(p.sent) != 0 {
		t.Errorf("%d requests are open", len(p.sent))
	}
	d.waits(reads(1), silence) // a third may arrive
}

// TestDuplicate: an answer that equals a recent answer to another request must arrive twice.
func TestDuplicate(t *testing.T) {
	d := newDesk(t)
	d.send(reads(1))
	d.gets(answers(1), accepted)
	d.send(reads(2))
	p := d.gets(answers(1), doubtful)
	if !p.duplicate {
		t.Error("not known as a duplicate")
	}
	d.gets(answers(2), accepted)
	if d.slaves[1].strays != 0 || !d.slaves[1].pausedUntil.IsZero() {
		t.Errorf("%+v", d.slaves[1])
	}
	d.send(reads(2))
	d.gets(answers(1), doubtful)
	d.gets(answers(1), accepted) // one request, two answers: one of them was unexpected
	if d.slaves[1].strays != 1 {
		t.Errorf("%d unexpected frames", d.slaves[1].strays)
	}
	d.after(time.Minute)
	d.send(reads(3))
	d.gets(answers(1), accepted) // no longer recent
	if a := d.slaves[1]; len(a.recent) != 4 {
		t.Errorf("%d answers are remembered", len(a.recent))
	}
}

// TestSameValues: two registers with the same value are not in doubt once both are known.
func TestSameValues(t *testing.T) {
	d := newDesk(t)
	for i := range 3 {
		d.send(reads(1))
		d.gets(answers(1), accepted)
		d.send(reads(2))
		if i == 0 {
			d.gets(answers(1), doubtful) // it may be a duplicate
			d.missed(reads(2), false)
			d.send(reads(2))
		}
		d.gets(answers(1), accepted)
	}
	if n := d.slaves[1].strays; n != 0 {
		t.Errorf("%d unexpected frames", n)
	}
}

// TestRecent: an answer to another request is compared for half a minute.
func TestRecent(t *testing.T) {
	for after, want := range map[time.Duration]verdict{recentFor - 1: doubtful, recentFor: accepted} {
		d := newDesk(t)
		d.send(reads(1))
		d.gets(answers(1), accepted)
		d.after(after)
		d.send(reads(2))
		d.gets(answers(1), want)
	}
}

// TestReadsAreDoubted: at first, answers to all kinds of reads must arrive twice. Answers to writes need not.
func TestReadsAreDoubted(t *testing.T) {
	for function := byte(readCoils); function <= writeRegister; function++ {
		d := &desk{newTracker(testTimeout, []byte{1}, start), t, start}
		d.send(query{request: request(1, function, 1, 1)})
		want := doubtful
		if function >= writeCoil {
			want = accepted
		}
		d.gets(seal([]byte{1, function, 2, 0, 1}), want)
	}
}

// TestRepeats: without doubt an answer belongs to the oldest of the repeated requests. With a candidate it belongs to the second
// one, if there is one.
func TestRepeats(t *testing.T) {
	const step = 10 * time.Millisecond
	d := newDesk(t)
	d.send(reads(1))
	d.after(step)
	d.missed(reads(1), true)
	d.send(reads(1))
	d.after(testWire)
	if p := d.gets(answers(1), accepted); p.slowest != step || len(p.sent) != 1 {
		t.Errorf("an answer after %v, %d requests are open", p.slowest, len(p.sent))
	}

	d = &desk{newTracker(testTimeout, []byte{1}, start), t, start} // in doubt
	d.send(reads(1))
	d.after(testWire)
	d.gets(answers(1), doubtful)
	if p := d.gets(answers(1), accepted); p.slowest != 0 || len(p.sent) != 0 || d.slaves[1].strays != 1 {
		t.Errorf("two answers to one request: after %v, %d requests are open, %d unexpected frames", p.slowest, len(p.sent), d.slaves[1].strays)
	}
}

// TestStray: a slave that sends unexpected frames is asked only after a silence.
func TestStray(t *testing.T) {
	d := newDesk(t)
	a := d.slaves[1]
	d.send(reads(1))
	d.gets(answers(1), accepted)
	d.after(300 * time.Millisecond)
	d.gets(answers(1), stray)
	if a.strays != 1 || a.silence != 600*time.Millisecond || !a.carefulUntil.Equal(d.now.Add(strayFor)) || !a.doubtUntil.Equal(d.now.Add(recentFor)) {
		t.Errorf("%+v", a)
	}
	d.waits(reads(1), 600*time.Millisecond)
	d.after(time.Millisecond)
	d.gets(answers(9), stray)
	if a.silence != 602*time.Millisecond || a.strays != 2 {
		t.Errorf("%+v", a)
	}
	d.after(strayFor + 1)
	d.waits(reads(1), 0)
	d.gets(answers(9), stray) // the silence begins again, with a limit
	if a.silence != maxSilence {
		t.Errorf("%v of silence", a.silence)
	}
	d.classify([]byte{2, readHolding, 0, 0}, d.now)
	if a := d.slaves[2]; a.strays != 1 || a.silence != testTimeout { // it has never answered
		t.Errorf("%+v", a)
	}
}

// TestBounds: memory of a slave is bounded.
func TestBounds(t *testing.T) {
	d := newDesk(t)
	for range 2 * maxRepeats {
		d.sent(reads(1), testWire, d.now)
		d.missed(reads(1), false)
	}
	p := d.pendingFor(1, readHolding|failed)
	if len(p.sent) != maxRepeats || p.total != 2*maxRepeats {
		t.Errorf("%d requests, %d in all", len(p.sent), p.total)
	}
	for i := range 2 * maxRecent {
		d.slaves[1].remember(reads(1).request, answers(byte(i)), d.now)
	}
	if recent := d.slaves[1].recent; len(recent) != maxRecent || recent[maxRecent-1].frame[4] != 2*maxRecent-1 {
		t.Errorf("%d answers are remembered", len(recent))
	}
	if d.pendingFor(3, readHolding) != nil || d.pendingFor(2, readHolding) != nil {
		t.Error("a slave that was not asked owes an answer")
	}
}

func TestSuggested(t *testing.T) {
	for latest, want := range map[time.Duration]time.Duration{
		200 * time.Millisecond: 300 * time.Millisecond, 201 * time.Millisecond: 400 * time.Millisecond, 5 * time.Second: 7500 * time.Millisecond,
		5*time.Second + 1: 8 * time.Second, time.Hour: maxTimeout,
	} {
		if got := suggested(latest); got != want {
			t.Errorf("%v: %v, want %v", latest, got, want)
		}
	}
}
