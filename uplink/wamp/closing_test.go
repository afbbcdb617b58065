package wamp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// Only an end that the centre may have made because of an event speaks against the event.
func TestEndedByCentre(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.EOF, true},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), true},
		{errors.New("websocket: close status 1009: message too big"), true},
		{client.NewError(wamp.ProtocolViolation.Error()), true},
		{client.NewError(wamp.PayloadSizeExceeded.Error()), true},
		{client.NewError("wamp.close.system_shutdown"), false},
		{fmt.Errorf("GOODBYE: %w", client.NewError("wamp.close.killed")), false},
		{client.NewError(wamp.DuplicateNode.Error()), false},
		{client.ErrClosed, false},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), false},
		{fmt.Errorf("read: %w", syscall.ETIMEDOUT), false},
		{syscall.EHOSTUNREACH, false},
	} {
		if got := endedByCentre(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

func TestFlight(t *testing.T) {
	f := newFlight()
	f.wait(t.Context()) // no event is in flight
	f.add(shipment{sequence: 2})
	f.add(shipment{sequence: 1})
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.wait(context.Background())
	}()
	f.remove(2)
	f.remove(1)
	<-done
	f.add(shipment{sequence: 4})
	f.add(shipment{sequence: 3})
	synctest.Test(t, func(t *testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.wait(context.Background())
		}()
		synctest.Wait()
		f.close()
		<-done
	})
	f.wait(t.Context()) // the session has ended
	f.remove(3)
	f.add(shipment{sequence: 5})
	if open := f.open(); len(open) != 2 || open[0].sequence != 3 || open[1].sequence != 4 {
		t.Errorf("under way when the session ended: %v", open)
	}
}

// An end of the session counts against the events in flight only if the centre may have caused it.
func TestHoldSuspect(t *testing.T) {
	open := []shipment{{sequence: 1, topic: "com.a", size: 5}, {sequence: 2, topic: "com.b", size: 6}, {sequence: 3}}
	for _, c := range []struct {
		name    string
		err     error
		open    []shipment
		arrange func(l *Link)
		want    string // the error for State; "": the given one
	}{
		{name: "the centre closes", err: io.EOF, open: open[:1], want: "after PUBLISH to com.a (5 bytes): EOF;"},
		{name: "with two under way", err: io.EOF, open: open[:2], want: "after PUBLISH to com.a (5 bytes) and 1 more: EOF;"},
		{name: "with three under way", err: io.EOF, open: open, want: "after PUBLISH to com.a (5 bytes) and 2 more: EOF;"},
		{name: "nothing under way", err: io.EOF},
		{name: "this side closes", err: client.ErrClosed, open: open},
		{name: "the link ends", err: io.EOF, open: open, arrange: func(l *Link) {
			ctx, stop := context.WithCancel(context.Background())
			stop()
			l.running = ctx
		}},
		{name: "the link fails back", err: io.EOF, open: open, arrange: func(l *Link) { l.remotes.moveTo(0) }},
		{name: "the route to fail back to does not answer", err: io.EOF, open: open[:1], want: "after PUBLISH to com.a", arrange: func(l *Link) {
			l.remotes.moveTo(0)
			l.remoteFailed(errors.New("refused"))
		}},
		{name: "the link gave the connection up", err: io.EOF, open: open, arrange: func(l *Link) {
			l.pulse.watch(nil)
			l.pulse.conn.Load().dead.Store(true)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, _ := newTestLink(t)
			if c.arrange != nil {
				c.arrange(l)
			}
			got := l.holdSuspect(c.err, c.open)
			if against := c.want != ""; l.searching != against || l.trial.Known(1) != against {
				t.Errorf("searching %v, against the first event %v", l.searching, l.trial.Known(1))
			}
			if c.want == "" && got != c.err || !strings.Contains(got.Error(), c.want) || !errors.Is(got, c.err) {
				t.Errorf("%v", got)
			}
		})
	}
}

// If the centre has closed the connection twice with only one event in flight, the event is held, or dropped if its
// class is Memory.
func TestConvictedEventIsDropped(t *testing.T) {
	l, log := newTestLink(t)
	l.spool.Put(spool.Event{Topic: "com.a", Payload: codec.Payload{Raw: make([]byte, 7)}}, nil)
	events, err := l.spool.Next(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []int{1, 0} {
		l.holdSuspect(io.EOF, []shipment{{sequence: events[0].Sequence, topic: "com.a", size: 7, proven: true}})
		if state := l.State(); state.Queue.Events != want || int(state.EventsUp.Dropped) != 1-want {
			t.Errorf("after %d ends: state %+v", n+1, state)
		}
	}
	if text := log.String(); strings.Count(text, "event dropped: the centre closes the connection") != 1 || !strings.Contains(text, "topic=com.a bytes=7") {
		t.Errorf("log: %s", text)
	}
}
