package spool

import (
	"testing"
	"time"
)

// A queue is committed when its first event is due, or at once if memory is filling up. On a failing disk it waits for the
// next attempt, unless a publisher must get an answer.
func TestCommitAt(t *testing.T) {
	works, failing := schedule{}, schedule{failing: true, retryAt: 1000}
	for name, c := range map[string]struct {
		schedule schedule
		queue    queue
		want     int64
	}{
		"empty":                         {works, queue{}, never},
		"empty, failing":                {failing, queue{}, never},
		"due":                           {works, queue{some: true, at: 500, answerBy: never}, 500},
		"an answer does not matter":     {works, queue{some: true, at: 500, answerBy: 100}, 500},
		"urgent":                        {works, queue{some: true, at: 500, answerBy: never, urgent: true}, 0},
		"failing":                       {failing, queue{some: true, at: 500, answerBy: never}, 1000},
		"failing, due after the retry":  {failing, queue{some: true, at: 1500, answerBy: never}, 1500},
		"failing, urgent":               {failing, queue{some: true, at: 1500, answerBy: never, urgent: true}, 1000},
		"failing, an answer":            {failing, queue{some: true, at: 500, answerBy: 600}, 600},
		"failing, an answer, urgent":    {failing, queue{some: true, at: 500, answerBy: 600, urgent: true}, 600},
		"failing, an answer much later": {failing, queue{some: true, at: 500, answerBy: 6000}, 1000},
	} {
		if got := c.schedule.commitAt(c.queue); got != c.want {
			t.Errorf("%s: at %d, want %d", name, got, c.want)
		}
	}
}

func TestWakeAt(t *testing.T) {
	const now = 10_000
	works, failing := schedule{}, schedule{failing: true, retryAt: now + 700}
	hour := now + idle.Milliseconds()
	q := func(at int64) queue { return queue{some: true, at: at, answerBy: never} }
	for name, c := range map[string]struct {
		schedule schedule
		work     workload
		want     int64
	}{
		"nothing":                {works, workload{}, hour},
		"the first queue":        {works, workload{queues: []queue{q(now + 5), q(now + 9), {}}}, now + 5},
		"the last queue":         {works, workload{queues: []queue{{}, q(now + 9), q(now + 5)}}, now + 5},
		"overdue":                {works, workload{queues: []queue{q(now - 5)}}, now + 1},
		"gaps":                   {schedule{gapsAt: now + 300}, workload{onDisk: true, newGaps: true}, now + 300},
		"gaps, overdue":          {works, workload{onDisk: true, newGaps: true}, now + 1},
		"gaps, failing":          {failing, workload{onDisk: true, newGaps: true}, now + 700},
		"gaps without a disk":    {schedule{gapsAt: now + 300}, workload{newGaps: true}, hour},
		"no new gaps":            {schedule{gapsAt: now + 300}, workload{onDisk: true}, hour},
		"a test of the disk":     {failing, workload{onDisk: true}, now + 700},
		"failing without a disk": {failing, workload{}, hour},
		"age":                    {works, workload{maxAge: 1600 * time.Millisecond, events: 1}, now + 100},
		"age, short":             {works, workload{maxAge: time.Millisecond, events: 1}, now + 1},
		"age of nothing":         {works, workload{maxAge: 1600 * time.Millisecond}, hour},
		"age, long":              {works, workload{maxAge: 1000 * time.Hour, events: 1}, hour},
	} {
		if got := c.schedule.wakeAt(now, c.work); got != c.want {
			t.Errorf("%s: at %d, want %d", name, got-now, c.want-now)
		}
	}
}

// The pause between attempts doubles up to half a minute. A success resets it.
func TestRetryPauses(t *testing.T) {
	var c schedule
	now := int64(5000)
	for _, want := range []int64{1, 2, 4, 8, 16, 30, 30} {
		if c.failed(now); !c.failing || c.retryAt != now+want*1000 {
			t.Fatalf("next attempt in %d ms, want %d s", c.retryAt-now, want)
		}
		if c.testDue(c.retryAt-1, true) || !c.testDue(c.retryAt, true) || c.testDue(c.retryAt, false) {
			t.Error("the disk is not tested at the time of the next attempt")
		}
		if c.gapsDueAt() != c.retryAt {
			t.Errorf("gaps are due at %d", c.gapsDueAt())
		}
		now = c.retryAt
	}
	c.retryIn(now, 100*time.Millisecond)
	if c.retryAt != now+100 {
		t.Errorf("next attempt in %d ms", c.retryAt-now)
	}
	if c.failed(now); c.retryAt != now+1000 {
		t.Errorf("next attempt in %d ms after a short pause", c.retryAt-now)
	}
	c.wroteGaps(now)
	c.succeeded()
	if c.failing || c.testDue(now, true) || c.gapsDueAt() != now+1000 {
		t.Errorf("%+v after a success", c)
	}
	if c.failed(now); c.retryAt != now+1000 {
		t.Errorf("next attempt in %d ms after a success", c.retryAt-now)
	}
}
