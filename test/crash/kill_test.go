package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"runnel/test/kit"
)

// Three routers export to each other in a chain, with a subscriber at the top one. All routers but the top one are killed at any
// moment. Acknowledged durable events arrive, and those of each publisher are in order. If only the edge is killed, no event
// of any class arrives twice, because the centre recognizes duplicates.
func TestKill(t *testing.T) {
	for _, c := range []struct {
		name         string
		edge, centre bool
		stop         func(*tier)
		anonymous    bool
	}{
		{"edge", true, false, (*tier).kill, false}, {"centre", false, true, (*tier).kill, false}, {"both", true, true, (*tier).kill, false},
		{"edge is stopped", true, false, (*tier).stop, false}, {"centre is stopped", false, true, (*tier).stop, false},
		{"anonymous edge", true, false, (*tier).kill, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := tiers(t, "sync = \"5ms\"\nspill_after = \"20ms\"\nmin_free = 0", "edge", "centre", "top")
			edge, centre, top := list[0], list[1], list[2]
			for _, r := range []*tier{top, centre, edge} {
				r.anonymous = c.anonymous
				r.begin()
				defer r.stop()
			}
			l := newLedger()
			l.watch(t, top.join())
			topics := publishers(t, edge, l, func() {
				for range rounds(t) {
					l.awaitAcks(t, 1+rand.IntN(200))
					if c.edge {
						c.stop(edge)
					}
					if c.centre {
						c.stop(centre)
						centre.begin()
					}
					if c.edge {
						edge.begin()
					}
				}
				l.awaitAcks(t, 10)
			})
			for _, topic := range topics {
				kit.Eventually(t, fmt.Sprintf("%v of %s arrive", l.missing(topic), topic), func() bool { return len(l.missing(topic)) == 0 })
			}
			if repeats := l.check(t); repeats > 0 && !c.centre {
				t.Errorf("%d events came twice", repeats)
			} else {
				t.Log(l, repeats, " repeats")
			}
		})
	}
}

// publishers publishes events of all classes while happens runs, and returns the topics whose events are durable.
func publishers(t *testing.T, edge *tier, l *ledger, happens func()) (durable []string) {
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	for i, class := range []string{"durable", "durable", "durable", "durable", "disk", "memory"} {
		topic := fmt.Sprintf("crash.%s.%d", class, i)
		c := edge.join()
		work.Go(func() { l.publish(ctx, c, topic) })
		if class == "durable" {
			durable = append(durable, topic)
		}
	}
	happens()
	return durable
}
