package wamp

import (
	"context"
	"fmt"
	"sync"
	"time"

	"runnel/edge/client"
)

// Remote is a way to the central router.
type Remote struct {
	URL  string // for the log and State
	Dial func(ctx context.Context) (client.Conn, error)
}

// remotes goes through the ways to the centre in their order, one an attempt, and begins again with the first after a
// session.
type remotes struct {
	list []Remote

	mu sync.Mutex
	// Guarded by mu.
	next    int
	at      int  // dialled last
	leaving bool // a session is given up for a better way
}

func (r *remotes) dial(ctx context.Context) (client.Conn, error) {
	r.mu.Lock()
	r.at, r.leaving = r.next, false
	way := r.list[r.next]
	r.next = (r.next + 1) % len(r.list)
	r.mu.Unlock()
	return way.Dial(ctx) // its error names the URL
}

// joined notes that the way dialled last has led to a session, and returns its URL.
func (r *remotes) joined() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = 0
	return r.list[r.at].URL
}

// better returns the ways before the present one.
func (r *remotes) better() []Remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list[:r.at]
}

// leave has the way at i dialled next, and says that the session's end is meant.
func (r *remotes) leave(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next, r.leaving = i, true
}

// fate says why a session has ended, if that was meant.
func (r *remotes) fate(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaving {
		return fmt.Errorf("going back to %s", r.list[r.next].URL)
	}
	return err
}

// moving reports whether the link is between two sessions by its own will: whoever has to wait need not wait for long.
func (r *remotes) moving() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaving
}

const (
	defaultFailBack = 2 * time.Minute
	probes          = 4                // in that time
	probeTime       = 10 * time.Second // for one
	moveTime        = time.Minute      // for the calls under way, before the link moves all the same
)

// failBack goes back to a better way, once that can be reached for a while. It runs until ctx is done.
func (l *Link) failBack(ctx context.Context) {
	if len(l.remotes.list) < 2 {
		return
	}
	reached := make([]int, len(l.remotes.list)) // how often in a row
	for client.Sleep(ctx, l.opts.FailBack/probes) {
		_, up := l.remote.client.Welcome()
		for i, way := range l.remotes.better() {
			if !up || !reachable(ctx, way) {
				reached[i] = 0
				continue
			}
			if reached[i]++; reached[i] >= probes {
				clear(reached)
				l.move(ctx, i)
				break
			}
		}
	}
}

// reachable reports whether a way leads to a router: the transport's handshake is made, and nothing said.
func reachable(ctx context.Context, way Remote) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	conn, err := way.Dial(ctx)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// move exchanges the session for one by the way at i, if it can when no call is under way: its answer would be lost.
func (l *Link) move(ctx context.Context, i int) {
	for end := time.Now().Add(moveTime); l.calls.Load() > 0 && time.Now().Before(end); {
		if !client.Sleep(ctx, 10*time.Millisecond) {
			return
		}
	}
	l.log.Info("failing back", "url", l.remotes.list[i].URL)
	l.remotes.leave(i)
	l.remote.client.Rejoin()
}

// settle waits while the link moves: a call that comes meanwhile is worth a moment.
func (l *Link) settle(ctx context.Context) {
	if !l.remotes.moving() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	for l.remotes.moving() && client.Sleep(ctx, 10*time.Millisecond) {
	}
	l.remote.client.WaitUp(ctx)
}
