package modbus

import (
	"slices"
	"testing"
	"time"
)

func now(query) time.Time { return time.Time{} }

// TestSilence: the first failure has no effect, then each doubles the time that a slave is left alone, up to a minute.
func TestSilence(t *testing.T) {
	s := &slave{}
	if s.answered() {
		t.Error("an answer is news though none was missing")
	}
	if s.failed(start) || !s.rest.IsZero() {
		t.Error("one failure makes a slave silent")
	}
	if s.answered() || s.failures != 0 {
		t.Error("one failure was not forgiven")
	}
	s.failed(start)
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60, 60} {
		if news := s.failed(start); news != (i == 0) || s.rest.Sub(start) != want*time.Second {
			t.Errorf("failure %d: news %v, left alone for %v, want %d s", i+2, news, s.rest.Sub(start), want)
		}
	}
	if !s.answered() || !s.rest.IsZero() {
		t.Error("a silent slave that answers is no news")
	}
	for range silentAfter {
		s.failed(start)
	}
	if !s.answered() {
		t.Error("a slave that has just fallen silent and answers is no news")
	}
}

// TestTurns: the poll that is due longest is the first one. Missed polls are not repeated.
func TestTurns(t *testing.T) {
	points := []Point{
		{Slave: 1, Every: time.Second},
		{Slave: 2, Every: 10 * time.Second},
		{Slave: 3, WriteOnly: true},
	}
	s := newSchedule(points, start)
	if len(s.polls) != 2 {
		t.Fatalf("%d polls", len(s.polls))
	}
	expect := func(poll int, at time.Duration) {
		t.Helper()
		i, when, ok := s.next(now)
		if !ok || i != poll || when.Sub(start) != at {
			t.Errorf("poll %d after %v (%v), want %d after %v", i, when.Sub(start), ok, poll, at)
		}
	}
	expect(0, 0)
	s.polled([]int{0}, start)
	expect(1, 0)
	s.polled([]int{1}, start)
	expect(0, time.Second)
	s.polled([]int{0}, start.Add(1500*time.Millisecond)) // late, and still in step
	expect(0, 2*time.Second)
	s.polled([]int{0}, start.Add(3*time.Second)) // due this very moment
	expect(0, 3*time.Second)
	s.polled([]int{0}, start.Add(7*time.Second)) // some were missed
	expect(0, 8*time.Second)
	s.pollNow(1, start.Add(4*time.Second))
	expect(1, 4*time.Second)
	s.pollNow(2, start) // never polled
	s.polled([]int{2}, start)
	expect(1, 4*time.Second)
	s.slaves[2].rest = start.Add(time.Hour)
	expect(0, 8*time.Second)
	if _, at, _ := s.next(func(q query) time.Time { return start.Add(time.Minute) }); at.Sub(start) != time.Minute {
		t.Errorf("polled after %v though the bus is not free", at.Sub(start))
	}
	if _, _, ok := newSchedule(points[2:], start).next(now); ok {
		t.Error("there is a poll of a point that is only written")
	}
}

// TestEquallyFree: of two polls that may be sent at the same time, the one due longer is sent first.
func TestEquallyFree(t *testing.T) {
	s := newSchedule([]Point{{Slave: 1, Every: time.Second}, {Slave: 2, Every: time.Second}}, start)
	s.polls[0].due, s.polls[1].due = start.Add(2), start.Add(1)
	free := func(query) time.Time { return start.Add(time.Second) }
	if i, _, _ := s.next(free); i != 1 {
		t.Errorf("poll %d comes first", i)
	}
	s.polls[0].due = start.Add(1)
	if i, _, _ := s.next(free); i != 0 {
		t.Errorf("poll %d comes first of two that are alike", i)
	}
}

// TestSplit: gaps are left out first, then each point is polled by itself.
func TestSplit(t *testing.T) {
	points := []Point{{Slave: 1, Address: 0, Every: 1}, {Slave: 1, Address: 1, Every: 1}, {Slave: 1, Address: 4, Every: 1}}
	s := newSchedule(points, start)
	expect := func(want ...[]int) {
		t.Helper()
		var got [][]int
		for _, p := range s.polls {
			got = append(got, p.points)
		}
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("polls %v, want %v", got, want)
		}
	}
	expect([]int{0, 1, 2})
	later := start.Add(time.Second)
	if !s.split([]int{1, 2}, later) {
		t.Error("not split")
	}
	expect([]int{0, 1}, []int{2})
	if s.split([]int{2}, later) || s.split([]int{7}, later) || s.split(nil, later) {
		t.Error("a single point was split")
	}
	if !s.split([]int{0, 1}, later) {
		t.Error("not split")
	}
	expect([]int{2}, []int{0}, []int{1})
	if !s.polls[1].due.Equal(later) {
		t.Errorf("due %v later", s.polls[1].due.Sub(start))
	}
	s = newSchedule(points[:2], start) // without gaps the second step follows at once
	s.split([]int{0}, later)
	expect([]int{0}, []int{1})
}

// TestJoins checks which points share a request.
func TestJoins(t *testing.T) {
	base := Point{Slave: 1, Every: 1}
	for _, c := range []struct {
		name        string
		first, next Point
		how         grouping
		want        bool
	}{
		{"neighbours", base, Point{Slave: 1, Every: 1, Address: 1}, adjacent, true},
		{"single", base, Point{Slave: 1, Every: 1, Address: 1}, single, false},
		{"gap, adjacent", base, Point{Slave: 1, Every: 1, Address: 2}, adjacent, false},
		{"widest gap", base, Point{Slave: 1, Every: 1, Address: 1 + maxHole}, bridged, true},
		{"too wide a gap", base, Point{Slave: 1, Every: 1, Address: 2 + maxHole}, bridged, false},
		{"widest gap of bits", Point{Slave: 1, Every: 1, Table: Coil}, Point{Slave: 1, Every: 1, Table: Coil, Address: 1 + maxHoleBits}, bridged, true},
		{"too wide a gap of bits", Point{Slave: 1, Every: 1, Table: Coil}, Point{Slave: 1, Every: 1, Table: Coil, Address: 2 + maxHoleBits}, bridged, false},
		{"other slave", base, Point{Slave: 2, Every: 1, Address: 1}, bridged, false},
		{"other table", base, Point{Slave: 1, Every: 1, Address: 1, Table: Input}, bridged, false},
		{"other interval", base, Point{Slave: 1, Every: 2, Address: 1}, bridged, false},
		{"largest request", Point{Slave: 1, Every: 1, Count: 100}, Point{Slave: 1, Every: 1, Address: 100, Count: 25}, bridged, true},
		{"too large a request", Point{Slave: 1, Every: 1, Count: 100}, Point{Slave: 1, Every: 1, Address: 100, Count: 26}, bridged, false},
		{"within", Point{Slave: 1, Every: 1, Count: 10}, Point{Slave: 1, Every: 1, Address: 5}, adjacent, true},
	} {
		if got := joins(&c.first, &c.next, c.first.end(), c.how); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
