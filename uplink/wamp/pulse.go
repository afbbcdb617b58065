package wamp

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"runnel/edge/client"
)

// A connection can be dead without an error: the other end, a modem or a proxy has disappeared, and TCP waits. The link
// therefore calls the central router at intervals. It uses WAMP, because not every router supports the PING of its
// transport, and a proxy may answer PING in the router's place. Any answer, even an ERROR, proves that the router is
// alive. If no message at all arrives in the time that an answer may take, the link closes the connection.

const (
	defaultPulse    = 20 * time.Second // between calls
	defaultPatience = 10 * time.Second // for any message
	slowest         = 1 << 10          // bytes a second: the queue in front of the call may take so long ...
	mostSlack       = time.Minute      // ... but at most this long
)

// question is the procedure that is called. It costs a router little, and need not be allowed or exist.
const question = "wamp.registration.lookup"

// pulse watches the connections to the centre, one after the other.
type pulse struct {
	// Static after New.
	every, patience time.Duration

	heard atomic.Uint64 // messages
	owed  atomic.Int64  // bytes written since the last call that was answered
	trip  atomic.Int64  // round trip of the last call in ns; 0: none yet
	conn  atomic.Pointer[watched]
}

// watched is a connection to the centre that counts its messages.
type watched struct {
	client.Conn
	pulse *pulse
	dead  atomic.Bool // closed by await
}

// watch makes conn the connection that is watched.
func (p *pulse) watch(conn client.Conn) client.Conn {
	w := &watched{Conn: conn, pulse: p}
	p.owed.Store(0)
	p.conn.Store(w)
	return w
}

// ReadMessage counts the messages of the centre.
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

// heartbeat calls the centre at intervals until ctx is done.
func (l *Link) heartbeat(ctx context.Context) {
	for l.pulse.every > 0 && l.remote.client.WaitUp(ctx) == nil {
		conn := l.pulse.conn.Load()
		l.ask(ctx, conn)
		if !client.Sleep(ctx, l.pulse.every) {
			return
		}
	}
}

// ask makes one call and waits for any message. Without one it closes the connection.
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

// await waits for the answer. It closes the connection if no message arrives in time.
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

// limit is how long the centre may be silent. Slow lines get extra time for the queue in front of the call.
func (p *pulse) limit() time.Duration {
	return p.patience + min(time.Duration(max(p.owed.Load(), 0))*time.Second/slowest, mostSlack)
}

// timedOut reports whether await has closed the current connection.
func (p *pulse) timedOut() bool {
	conn := p.conn.Load()
	return conn != nil && conn.dead.Load()
}

// endCause returns why a session has ended: err, unless await has closed the connection.
func (p *pulse) endCause(err error) error {
	if p.timedOut() {
		return fmt.Errorf("the central router has not answered for %v", p.patience)
	}
	return err
}
