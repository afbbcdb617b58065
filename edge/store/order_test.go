package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"runnel/edge/budget"
)

// shelf is a history beside a log of durable events that drops events, loses some, and is read again at any time.
type shelf struct {
	*kept
	rule    Rule
	random  *rand.Rand
	next    uint64  // position
	number  int     // of the events so far
	log     []entry // by position
	pending []entry // in the log, but not recorded yet
}

func (s *shelf) history() *History { return s.histories[0] }

func (s *shelf) fill() {
	for _, e := range s.log {
		s.history().Restore(e.PastEvent, e.position)
	}
}

// release makes the log drop the events at some positions.
func (s *shelf) release(first, last uint64) {
	s.history().Release(first, last)
	s.log = slices.DeleteFunc(s.log, func(e entry) bool { return first <= e.position && e.position <= last })
}

func (s *shelf) step() {
	s.number++
	switch text := fmt.Sprint(s.number); s.random.IntN(12) {
	case 0, 1, 2:
		s.next++
		e := s.entry(text, s.next)
		s.log, s.pending = append(s.log, e), append(s.pending, e)
	case 3, 4, 5:
		if n := len(s.pending); n > 0 {
			i := s.random.IntN(n)
			s.records(s.history(), s.pending[i])
			s.pending = slices.Delete(s.pending, i, i+1)
		}
	case 6, 7:
		s.records(s.history(), s.entry(text, 0))
	case 8: // a sync has failed
		s.release(s.next-min(s.next, s.random.Uint64N(5)), s.next)
	case 9: // a segment is dropped
		if s.next > 0 {
			s.release(0, s.random.Uint64N(s.next+1))
			s.disk.Flush()
		}
	case 10:
		s.fill()
	case 11:
		s.awaitSaved()
	}
}

// texts returns the events, and checks that they are in order, each once.
func (s *shelf) texts() string {
	s.Helper()
	s.history().mu.Lock()
	defer s.history().mu.Unlock()
	var list []string
	before := uint64(0)
	for _, x := range s.history().events {
		if x.order < before || x.order == before && x.order%2 == 0 {
			s.Errorf("order %d follows %d", x.order, before)
		}
		before = x.order
		list = append(list, fmt.Sprintf("%s@%d", textOf(&x.Event), x.order))
	}
	return strings.Join(list, " ")
}

// The history has each event once and in order, before and after a restart, whatever the log drops, loses or repeats
// between the events.
func TestOrder(t *testing.T) {
	for seed := range uint64(16) {
		story(t, func(t *testing.T, dir string) {
			rule := Rule{URI: "com.a", Events: []int{1000, 7}[seed%2]}
			s := &shelf{kept: open(t, dir, 1<<20, rule), rule: rule, random: rand.New(rand.NewPCG(seed, 0))}
			for range 4 {
				for range 30 {
					s.step()
					s.texts()
				}
				s.records(s.history(), s.pending...)
				s.pending = nil
				want := s.texts()
				s.close()
				s.kept = open(t, dir, 1<<20, rule)
				s.fill()
				if got := s.texts(); got != want {
					t.Fatalf("seed %d: after a restart %s, want %s", seed, got, want)
				}
			}
		})
	}
}

// An event that was read from the log before the publisher has recorded it is in the history once.
func TestRestoredBeforeRecorded(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		h := k.histories[0]
		e := k.entry("1", 3)
		h.Restore(e.PastEvent, e.position)
		k.records(h, e, k.entry("2", 0), k.entry("3", 0))
		k.holds(h, "1 2 3")
	})
}

// An event that is published while a new history is filled follows the events of the log.
func TestPublishedWhileFilled(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		h := k.histories[0]
		h.Begin(2)
		k.records(h, k.entry("3", 0))
		for i, text := range []string{"1", "2"} {
			e := k.entry(text, uint64(i+1))
			h.Restore(e.PastEvent, e.position)
		}
		k.records(h, k.entry("4", 3))
		k.holds(h, "1 2 3 4")
	})
}

// An older event from the log takes no memory from newer ones: without free memory it is omitted.
func TestOldEventsMakeNoHole(t *testing.T) {
	story(t, func(t *testing.T, dir string) {
		k := open(t, dir, 1<<20, Rule{URI: "com.a"})
		first := k.entry("1", 1)
		h := NewHistory(Rule{URI: "com.a"}, k.disk.Log, budget.New(int64(6*first.size), k.disk.Log))
		k.records(h, k.entry("3", 3), k.entry("5", 5), k.entry("6", 6))
		h.Restore(first.PastEvent, 1)
		k.holds(h, "3 5 6")
		h.Restore(k.entry("4", 4).PastEvent, 4)
		k.holds(h, "4 5 6")
		k.records(h, k.entry("7", 7))
		k.holds(h, "5 6 7")
	})
}
