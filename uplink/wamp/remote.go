package wamp

import (
	"context"
	"fmt"
	"sync"
	"time"

	"runnel/edge/client"
)

// Remote is a route to the central router.
type Remote struct {
	URL  string // for the log and State
	Dial func(ctx context.Context) (client.Conn, error)
}

// remotes is the list of routes to the centre. Each attempt dials the next one; after a session the first one is next. Its
// methods may be called from any goroutine.
type remotes struct {
	list []Remote

	mu sync.Mutex
	// Guarded by mu.
	next    int
	at      int  // index of the route that was dialled last
	leaving bool // the session is being exchanged for one by a preferred route
}

func (r *remotes) dial(ctx context.Context) (client.Conn, error) {
	r.mu.Lock()
	r.at = r.next
	way := r.list[r.next]
	r.next = (r.next + 1) % len(r.list)
	r.mu.Unlock()
	return way.Dial(ctx) // its error names the URL
}

// joined records that the last route has led to a session, and returns its URL.
func (r *remotes) joined() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next, r.leaving = 0, false
	return r.list[r.at].URL
}

// failed records that the last route has not led to a session.
func (r *remotes) failed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaving = false
}

// better returns the routes that are preferred to the current one.
func (r *remotes) better() []Remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list[:r.at]
}

// moveTo makes the route at index i the next one, and notes that the session is ended on purpose.
func (r *remotes) moveTo(i int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next, r.leaving = i, true
}

// endCause returns why a session has ended: err, unless it was ended for another route.
func (r *remotes) endCause(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leaving {
		return fmt.Errorf("going back to %s", r.list[r.next].URL)
	}
	return err
}

// moving reports whether the link is between two sessions on purpose, so that the next one follows soon.
func (r *remotes) moving() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.leaving
}

const (
	defaultFailBack = 2 * time.Minute
	probes          = 4                // in FailBack
	probeTime       = 10 * time.Second // for one probe, and for a move
	moveTime        = time.Minute      // for the calls in progress; then the link moves anyway
)

// failBack moves the link to a preferred route that has been reachable for a while. It runs until ctx is done.
func (l *Link) failBack(ctx context.Context) {
	if len(l.remotes.list) < 2 {
		return
	}
	reached := make([]int, len(l.remotes.list)) // successful probes in a row
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

// reachable reports whether a router answers at a route. It makes the transport's handshake only.
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

// move exchanges the session for one by the route at index i. It waits a while for calls in progress, whose answers would be
// lost.
func (l *Link) move(ctx context.Context, i int) {
	for end := time.Now().Add(moveTime); l.calls.Load() > 0 && time.Now().Before(end); {
		if !client.Sleep(ctx, 10*time.Millisecond) {
			return
		}
	}
	l.log.Info("failing back", "url", l.remotes.list[i].URL)
	l.remotes.moveTo(i)
	l.remote.client.Rejoin()
}

// awaitMove waits for the next session while the link moves, so that a call in between does not fail.
func (l *Link) awaitMove(ctx context.Context) {
	if !l.remotes.moving() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	for l.remotes.moving() && client.Sleep(ctx, 10*time.Millisecond) {
	}
	l.remote.client.WaitUp(ctx)
}
