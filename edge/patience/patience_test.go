package patience

import (
	"testing"
	"testing/synctest"
	"time"
)

// Spent patience comes back slowly, up to full patience.
func TestRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Patience
		if got := p.Left(); got != Max {
			t.Fatalf("at first there is %v", got)
		}
		p.Spend(Max)
		p.Spend(Max) // by a concurrent publisher
		if got := p.Left(); got != 0 {
			t.Fatalf("%v is left of it", got)
		}
		time.Sleep(Recovery * Max / 4)
		if got := p.Left(); got != Max/4 {
			t.Fatalf("%v has come back", got)
		}
		p.Spend(Max / 2)
		if got := p.Left(); got != 0 {
			t.Fatalf("%v is left of what has come back", got)
		}
		time.Sleep(Recovery * Max)
		p.Spend(Max / 2)
		if got := p.Left(); got != Max/2 {
			t.Fatalf("%v is left of all", got)
		}
		time.Sleep(time.Hour)
		if got := p.Left(); got != Max {
			t.Fatalf("after an hour there is %v", got)
		}
	})
}
