package uplink

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A clash with a limit ends by time, and one without a limit when the link joins the far side.
func TestClash(t *testing.T) {
	const text = "another router has this id"
	for _, c := range []struct {
		name            string
		lasts, later    time.Duration
		joined, holding bool
	}{
		{"within its time", time.Minute, time.Minute, false, true},
		{"after its time", time.Minute, time.Minute + 1, false, false},
		{"within its time, joined", time.Minute, time.Second, true, true},
		{"no limit", 0, time.Hour, false, true},
		{"no limit, joined", 0, 0, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewStatus()
				if !s.Clashes(text, c.lasts) {
					t.Error("the first clash is not new")
				}
				time.Sleep(c.later)
				if c.joined {
					s.Joined("tcp://centre")
				}
				if got := s.Snapshot().Clash == text; got != c.holding {
					t.Errorf("the clash holds: %v; want %v", got, c.holding)
				}
				if s.Clashes(text, c.lasts) == c.holding {
					t.Errorf("the next clash is new: %v; want %v", c.holding, !c.holding)
				}
			})
		})
	}
}

// State has the last time when the link was up or down, and the reason why its last session or attempt ended.
func TestSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewStatus()
		made := time.Now()
		check := func(what string, want State) {
			t.Helper()
			got := s.Snapshot()
			if got.Up != want.Up || !got.Since.Equal(want.Since) || got.URL != want.URL || got.Reconnects != want.Reconnects ||
				got.LastError != want.LastError || !got.LastErrorAt.Equal(want.LastErrorAt) {
				t.Errorf("%s: %+v; want %+v", what, got, want)
			}
		}
		check("new", State{Since: made})
		time.Sleep(time.Second)
		failed := time.Now()
		s.Ended(errors.New("refused"))
		check("a failed attempt", State{Since: made, LastError: "refused", LastErrorAt: failed})
		time.Sleep(time.Second)
		s.Joined("tcp://a")
		check("joined", State{Up: true, Since: time.Now(), URL: "tcp://a", LastError: "refused", LastErrorAt: failed})
		time.Sleep(time.Second)
		s.Ended(nil)
		check("ended", State{Since: time.Now(), LastError: "refused", LastErrorAt: failed})
		s.Joined("tcp://b")
		s.Joined("tcp://b")
		check("joined again", State{Up: true, Since: time.Now(), URL: "tcp://b", Reconnects: 2, LastError: "refused", LastErrorAt: failed})
	})
}

// SetRuleResult reports changes only, so that a retry with the same answer is not logged.
func TestRuleResults(t *testing.T) {
	s := NewStatus()
	denied, taken := errors.New("denied"), errors.New("taken")
	for i, step := range []struct {
		rule string
		err  error
		news bool
		want []string
	}{
		{"b", nil, false, nil},
		{"b", denied, true, []string{"b: denied"}},
		{"b", denied, false, []string{"b: denied"}},
		{"a", denied, true, []string{"a: denied", "b: denied"}},
		{"b", taken, true, []string{"a: denied", "b: taken"}},
		{"b", nil, true, []string{"a: denied"}},
		{"b", nil, false, []string{"a: denied"}},
	} {
		if news := s.SetRuleResult(step.rule, step.err); news != step.news {
			t.Errorf("step %d: changed: %v; want %v", i, news, step.news)
		}
		if got := s.Snapshot().Refused; !slices.Equal(got, step.want) {
			t.Errorf("step %d: refused: %q; want %q", i, got, step.want)
		}
	}
}

// Drop reports the first loss after a success, so that an outage is logged once.
func TestCounter(t *testing.T) {
	s := NewStatus()
	c := &s.EventsUp
	for i, want := range []bool{true, false} {
		if c.Drop() != want {
			t.Errorf("drop %d is the first one: %v; want %v", i, !want, want)
		}
	}
	c.Forward()
	c.Lose(3)
	if !c.Drop() {
		t.Error("a drop after a success is not the first one")
	}
	if n := c.Forwarded(); n != 1 {
		t.Errorf("%d forwarded; want 1", n)
	}
	if got := s.Snapshot().EventsUp; got != (Flow{Forwarded: 1, Dropped: 6}) {
		t.Errorf("%+v; want 1 forwarded, 6 dropped", got)
	}
}
