package crash

import (
	"fmt"
	"syscall"
	"testing"

	"runnel/test/kit"
)

// The settings of the uplink change again and again, and each change replaces the uplink. Events published in between
// are stored, or their publishers get an error. No event arrives twice.
func TestReload(t *testing.T) {
	list := tiers(t, "", "edge", "top")
	edge, top := list[0], list[1]
	for _, r := range []*tier{top, edge} {
		r.begin()
		defer r.stop()
	}
	l := newLedger()
	l.watch(t, top.join())
	topics := publishers(t, edge, l, func() {
		for n := range max(5, rounds(t)) {
			l.awaitAcks(t, 50)
			edge.settings = fmt.Sprintf("sync = \"%dms\"", 5+n)
			edge.configure()
			edge.process.Signal(syscall.SIGHUP)
			if _, err := edge.process.Logs(fmt.Sprintf(`(?s)(configuration applied.*){%d}`, n+1)); err != nil {
				t.Fatal(err)
			}
		}
		l.awaitAcks(t, 50)
	})
	for _, topic := range topics {
		kit.Eventually(t, fmt.Sprintf("%v of %s arrive", l.missing(topic), topic), func() bool { return len(l.missing(topic)) == 0 })
	}
	if repeats := l.check(t); repeats > 0 {
		t.Errorf("%d events came twice", repeats)
	} else {
		t.Log(l)
	}
}
