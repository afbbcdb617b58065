package spool

import (
	"math"
	"time"
)

const (
	idle       = time.Hour   // Run wakes at least this often
	gapsPause  = time.Second // between two writes of the gaps
	firstPause = time.Second // before the first retry after a failure; the pause doubles up to lastPause
	lastPause  = 30 * time.Second
	never      = math.MaxInt64
)

// schedule decides when Run writes. It has two states: the disk works, or it is failing and the next attempt is at
// retryAt. It performs no I/O and reads no clock: all times are arguments, in milliseconds of the spool's clock.
type schedule struct {
	failing bool
	retryAt int64         // no attempt before; 0 while the disk works
	pause   time.Duration // before the current retry
	gapsAt  int64         // no write of the gaps before
}

// queue describes the events of one log that are not written. The zero value is an empty queue.
type queue struct {
	some     bool
	at       int64 // when the first is to be written
	answerBy int64 // when the first publisher must get an answer, even if it is an error; never: none waits
	urgent   bool  // events that are in memory only fill half of the memory
}

// workload is all that Run may have to do.
type workload struct {
	queues  []queue
	onDisk  bool // the spool has logs
	newGaps bool // gaps have changed since they were written
	maxAge  time.Duration
	events  int
}

// commitAt returns when a queue is to be committed. On a failing disk it waits for the next attempt, but not longer than
// a publisher may wait for an answer.
func (c *schedule) commitAt(q queue) int64 {
	switch {
	case !q.some:
		return never
	case c.failing && q.urgent:
		return min(c.retryAt, q.answerBy)
	case c.failing:
		return min(max(q.at, c.retryAt), q.answerBy)
	case q.urgent:
		return 0
	}
	return q.at
}

// gapsDueAt returns the earliest time at which gaps may be written.
func (c *schedule) gapsDueAt() int64 { return max(c.retryAt, c.gapsAt) }

// wroteGaps delays the next write of the gaps.
func (c *schedule) wroteGaps(now int64) { c.gapsAt = now + gapsPause.Milliseconds() }

// testDue reports whether a failing disk is to be tested although there is nothing to write.
func (c *schedule) testDue(now int64, onDisk bool) bool {
	return c.failing && onDisk && now >= c.retryAt
}

// wakeAt returns when Run must look at its work again, which is after now.
func (c *schedule) wakeAt(now int64, w workload) int64 {
	at := now + idle.Milliseconds()
	for _, q := range w.queues {
		at = min(at, c.commitAt(q))
	}
	if w.newGaps && w.onDisk {
		at = min(at, c.gapsDueAt())
	}
	if c.failing && w.onDisk {
		at = min(at, c.retryAt)
	}
	if age := w.maxAge.Milliseconds(); age > 0 && w.events > 0 {
		at = min(at, now+age/16)
	}
	return max(at, now+1)
}

// failed records a failed attempt and sets the time of the next one.
func (c *schedule) failed(now int64) {
	c.failing = true
	c.retryIn(now, min(max(2*c.pause, firstPause), lastPause))
}

// retryIn sets the time of the next attempt.
func (c *schedule) retryIn(now int64, pause time.Duration) {
	c.pause, c.retryAt = pause, now+pause.Milliseconds()
}

// succeeded records that the disk works.
func (c *schedule) succeeded() { c.failing, c.pause, c.retryAt = false, 0, 0 }
