package wamp

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"runnel/edge/client"
)

// A connection can be dead without anybody saying so: the other end, a modem or a proxy has gone, and TCP waits. So the
// link asks the central router a question now and then, in WAMP: not every router knows the PING of its transport, and a
// proxy may answer that in a router's place. Any answer will do, an ERROR too. A centre from which nothing at all has come
// for the time that an answer may take is given up.

const (
	defaultPulse    = 20 * time.Second // between questions
	defaultPatience = 10 * time.Second // for the answer
	slowest         = 1 << 10          // octets a second: what stands in front of the question may take so long ...
	mostSlack       = time.Minute      // ... but not longer than this
)

// question is a procedure that costs a router little. It need not be allowed, nor be there.
const question = "wamp.registration.lookup"

// pulse watches one connection after the other.
type pulse struct {
	// Static after New.
	every, patience time.Duration

	heard atomic.Uint64 // messages
	owed  atomic.Int64  // octets written since the last question that was answered
	trip  atomic.Int64  // ns, of the last question and its answer; 0: none yet
	conn  atomic.Pointer[watched]
}

// watched is a connection to the centre.
type watched struct {
	client.Conn
	pulse *pulse
	dead  atomic.Bool // it was given up
}

func (p *pulse) on(conn client.Conn) client.Conn {
	w := &watched{Conn: conn, pulse: p}
	p.owed.Store(0)
	p.conn.Store(w)
	return w
}

// ReadMessage notes that the centre is there.
func (w *watched) ReadMessage() (msg []byte, more bool, err error) {
	msg, more, err = w.Conn.ReadMessage()
	if err == nil {
		w.pulse.heard.Add(1)
	}
	return msg, more, err
}

func (w *watched) Write(batch []byte, wait bool) (n int, err error) {
	n, err = w.Conn.Write(batch, wait)
	w.pulse.owed.Add(int64(n))
	return n, err
}

// beat asks until ctx is done.
func (l *Link) beat(ctx context.Context) {
	for l.pulse.every > 0 && l.remote.client.WaitUp(ctx) == nil {
		conn := l.pulse.conn.Load()
		l.ask(ctx, conn)
		if !client.Sleep(ctx, l.pulse.every) {
			return
		}
	}
}

// ask asks once and waits for a sign of life. The connection is closed if there is none.
func (l *Link) ask(ctx context.Context, conn *watched) {
	ctx, cancel := context.WithCancel(ctx)
	answered := make(chan struct{})
	began, before := time.Now(), l.pulse.owed.Load()
	go func() {
		defer close(answered)
		_, err := l.remote.client.Call(ctx, question, client.CallOptions{}, client.Args(question))
		if !isDown(err) && ctx.Err() == nil {
			l.pulse.trip.Store(int64(time.Since(began)))
			l.pulse.owed.Add(-before)
		}
	}()
	defer func() { cancel(); <-answered }()
	l.pulse.await(ctx, conn, answered)
}

// await waits for the answer, or closes the connection when there was no sign of life for too long.
func (p *pulse) await(ctx context.Context, conn *watched, answered <-chan struct{}) {
	heard, since, limit := p.heard.Load(), time.Now(), p.limit()
	for {
		timer := time.NewTimer(limit - time.Since(since))
		select {
		case <-answered:
		case <-ctx.Done():
		case <-timer.C:
			if now := p.heard.Load(); now != heard {
				heard, since = now, time.Now()
				continue
			}
			conn.dead.Store(true)
			conn.Close()
		}
		timer.Stop()
		return
	}
}

// limit is how long the centre may be silent: on a narrow line what stands in front of the question takes its time.
func (p *pulse) limit() time.Duration {
	return p.patience + min(time.Duration(max(p.owed.Load(), 0))*time.Second/slowest, mostSlack)
}

// gaveUp reports whether the present connection was given up as dead.
func (p *pulse) gaveUp() bool {
	conn := p.conn.Load()
	return conn != nil && conn.dead.Load()
}

// fate says why a session has ended, if the link knows better than the connection.
func (p *pulse) fate(err error) error {
	if p.gaveUp() {
		return fmt.Errorf("the central router has not answered for %v", p.patience)
	}
	return err
}
