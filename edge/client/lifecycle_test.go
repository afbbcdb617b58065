package client

import "testing"

// The test tries every event in every state. A combination that the table in lifecycle's comment does not list changes
// nothing.
func TestLifecycle(t *testing.T) {
	events := []struct {
		name string
		do   func(*lifecycle) bool
		next map[state]state
		yes  state // the only state in which the event reports true
	}{
		{"request", func(l *lifecycle) bool { l.request(); return false }, map[state]state{absent: requested}, none},
		{"accept", (*lifecycle).accept, map[state]state{requested: established, withdrawn: ended}, requested},
		{"reject", func(l *lifecycle) bool { l.reject(); return false }, map[state]state{requested: absent, withdrawn: ended}, none},
		{"reset", func(l *lifecycle) bool { l.reset(); return false }, map[state]state{established: absent}, none},
		{"drain", (*lifecycle).drain, map[state]state{established: draining}, established},
		{"close", (*lifecycle).close, map[state]state{absent: ended, requested: withdrawn, established: ended, draining: ended}, established},
	}
	for _, event := range events {
		for from := absent; from <= ended; from++ {
			want, listed := event.next[from]
			if !listed {
				want = from
			}
			var l lifecycle
			l.to(from)
			if got := event.do(&l); got != (from == event.yes) {
				t.Errorf("%s in state %d reports %v", event.name, from, got)
			}
			if !l.in(want) {
				t.Errorf("%s in state %d leads to %d, want %d", event.name, from, l.state(), want)
			}
		}
	}
}

const none = ended + 1

func TestLifecycleClosed(t *testing.T) {
	for s, want := range map[state]bool{absent: false, requested: false, established: false, draining: false, withdrawn: true, ended: true} {
		var l lifecycle
		l.to(s)
		if l.closed() != want {
			t.Errorf("state %d: closed %v", s, !want)
		}
	}
}
