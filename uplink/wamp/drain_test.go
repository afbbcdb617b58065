package wamp

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// newTestLink returns a link that is not run, and its log.
func newTestLink(t *testing.T) (*Link, *strings.Builder) {
	t.Helper()
	var log strings.Builder
	l, err := New(Options{
		Name: "central", Identity: wamp.Node{ID: "edge-1"}, Log: slog.New(slog.NewTextHandler(&log, nil)),
		Remote: []Remote{{URL: "tcp://first"}, {URL: "tcp://second"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.running = t.Context()
	t.Cleanup(l.spool.Close)
	return l, &log
}

// An acknowledged event leaves the spool. An event that the centre can't accept for now stays and ends the attempt. An
// event that it rejects is dropped here, because its class is Memory.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name                      string
		err                       error
		ended                     bool // the session has ended before the answer
		left, forwarded, dropped  int
		attempt, underWay, logged bool // the attempt continues; the event counts as in flight; the drop is logged
	}{
		{name: "accepted", forwarded: 1, attempt: true},
		{name: "full", err: client.NewError(wamp.Unavailable.Error()), left: 1},
		{name: "the session ends", err: wamp.NetworkFailure, left: 1, underWay: true},
		{name: "the session has ended", err: wamp.NetworkFailure, ended: true, left: 1, attempt: true},
		{name: "rejected", err: client.NewError(wamp.NotAuthorized.Error()), dropped: 1, attempt: true, logged: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, log := newTestLink(t)
			l.spool.Put(spool.Event{Topic: "com.a"}, nil)
			events, err := l.spool.Next(t.Context(), 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			attempt, again := context.WithCancel(t.Context())
			defer again()
			session, stop := context.WithCancel(t.Context())
			defer stop()
			if c.ended {
				stop()
			}
			d := &drain{link: l, ctx: session, flight: newFlight(), again: again}
			d.flight.add(shipment{sequence: events[0].Sequence})
			d.answered(events[0].Sequence, c.err)
			state := l.State()
			if state.Queue.Events != c.left || int(state.EventsUp.Forwarded) != c.forwarded || int(state.EventsUp.Dropped) != c.dropped {
				t.Errorf("%d events are left, state %+v", state.Queue.Events, state.EventsUp)
			}
			if goesOn := attempt.Err() == nil; goesOn != c.attempt {
				t.Errorf("the attempt goes on: %v", goesOn)
			}
			if open := len(d.flight.open()) > 0; open != c.underWay {
				t.Errorf("the event is under way: %v", open)
			}
			if logged := strings.Contains(log.String(), "event dropped: the centre rejects it"); logged != c.logged {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// An event that cannot be sent does not count as in flight.
func TestUnsentEventIsNotUnderWay(t *testing.T) {
	l, _ := newTestLink(t)
	l.spool.Put(spool.Event{Topic: "com.a"}, nil)
	events, err := l.spool.Next(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	d := &drain{link: l, ctx: t.Context(), flight: newFlight()}
	if err := d.publish(t.Context(), &events[0], false); !isDown(err) {
		t.Errorf("published without a session: %v", err)
	}
	if open := d.flight.open(); len(open) > 0 || l.State().Queue.Events != 1 {
		t.Errorf("under way: %v; queue %+v", open, l.State().Queue)
	}
}

// Only the first event that is dropped in a session is logged.
func TestDropsAreLoggedOnce(t *testing.T) {
	l, log := newTestLink(t)
	d := &drain{link: l, ctx: t.Context(), flight: newFlight()}
	for range 3 {
		l.spool.Put(spool.Event{Topic: "com.a"}, nil)
	}
	events, err := l.spool.Next(t.Context(), 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		d.answered(e.Sequence, client.NewError(wamp.NotAuthorized.Error()))
	}
	if state := l.State(); strings.Count(log.String(), "event dropped") != 1 || state.EventsUp.Dropped != 3 || state.Queue.Events != 0 {
		t.Errorf("state %+v\n%s", state, log)
	}
}
