package wamp

import (
	"testing"
	"time"
)

// After a rejected number, no later number passes until that number is repeated, or is known to be dropped.
func TestGate(t *testing.T) {
	now := time.Now()
	var g gate
	pass := func(number uint64, want bool) {
		t.Helper()
		if got := g.mayPublish(number, now); got != want {
			t.Errorf("%d passes: %v", number, got)
		}
	}
	pass(1, true)
	pass(7, true)
	g.close(7, now)
	g.close(9, now)
	pass(9, false)
	pass(12, false)
	pass(7, true)
	pass(9, true)
	g.close(20, now)
	g.close(18, now)
	pass(21, false)
	pass(20, false)
	now = now.Add(gateTime + 1) // 18 has expired
	pass(21, false)
	pass(20, true)
	pass(21, true)
	g.close(30, now)
	now = now.Add(gateTime + 1) // no other number was rejected
	pass(31, true)
	g.close(40, now)
	now = now.Add(gateTime - 1)
	g.close(40, now) // refused again: the wait for it has begun already
	now = now.Add(2)
	pass(41, true)
}
