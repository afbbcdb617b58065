package wamp

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/client"
)

// closable is a connection of which only Close is used.
type closable struct {
	client.Conn
	closed bool
}

func (c *closable) Close() error { c.closed = true; return nil }

// The link closes a connection on which no message arrives in time. Any message counts, and slow lines get more time.
func TestSilence(t *testing.T) {
	for _, c := range []struct {
		name     string
		owed     int64         // bytes in front of the call
		messages []int         // when one arrives, in seconds after the call
		answer   time.Duration // after the call; 0: never
		closed   time.Duration // after the call; 0: never
	}{
		{name: "silence", closed: 10 * time.Second},
		{name: "an answer", answer: 9 * time.Second},
		{name: "a message, then silence", messages: []int{9}, closed: 20 * time.Second},
		{name: "messages, then the answer", messages: []int{9, 19, 29}, answer: 35 * time.Second},
		{name: "a slow line", owed: 5 << 10, closed: 15 * time.Second},
		{name: "a very slow line", owed: 1 << 30, closed: 70 * time.Second},
		{name: "more answered than written", owed: -5 << 10, closed: 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, conn, began := pulse{patience: 10 * time.Second}, new(closable), time.Now()
				w := p.watch(conn).(*watched)
				p.owed.Store(c.owed)
				answered := make(chan struct{})
				if c.answer > 0 {
					time.AfterFunc(c.answer, func() { close(answered) })
				}
				for _, second := range c.messages {
					time.AfterFunc(time.Duration(second)*time.Second, func() { p.heard.Add(1) })
				}
				p.await(t.Context(), w, answered)
				if took := time.Since(began); took != max(c.answer, c.closed) || conn.closed != (c.closed > 0) {
					t.Errorf("closed: %v, after %v", conn.closed, took)
				}
				err := errors.New("read: closed")
				if gave := p.timedOut(); gave != conn.closed || strings.Contains(p.endCause(err).Error(), "has not answered for 10s") != gave {
					t.Errorf("gave up: %v, %v", gave, p.endCause(err))
				}
				if p.watch(conn); p.timedOut() || p.endCause(err) != err {
					t.Error("the next connection is given up, too")
				}
			})
		})
	}
}

// A call that did not reach the centre gives no round-trip time.
func TestUnansweredCallIsNotMeasured(t *testing.T) {
	l, _ := newTestLink(t)
	l.pulse.watch(new(closable))
	l.pulse.owed.Store(7)
	l.ask(t.Context(), l.pulse.conn.Load())
	if owed, trip := l.pulse.owed.Load(), l.State().RoundTrip; owed != 7 || trip != 0 {
		t.Errorf("%d bytes are owed, the round trip is %v", owed, trip)
	}
}

// The end of the link ends the wait for an answer.
func TestSilenceAtTheEnd(t *testing.T) {
	p, conn := pulse{patience: time.Hour}, new(closable)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if p.await(ctx, p.watch(conn).(*watched), nil); conn.closed || p.timedOut() {
		t.Error("the connection is given up")
	}
}
