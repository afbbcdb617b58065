package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/wamp"
)

// Client is a peer of one realm that stays connected. Any goroutine may call its methods.
type Client struct {
	// Static after New.
	opts   Options
	events *eventQueue // has its own lock
	calls  *handlerPool

	current    atomic.Pointer[session] // nil while there is none
	confirming atomic.Bool             // a subscription was made with Confirm

	started   atomic.Bool // by Run or Connect
	closeOnce sync.Once
	closing   chan struct{}   // closed by Close
	closeCtx  context.Context // how long closing may take; set before closing is closed
	done      chan struct{}   // closed when Run has returned

	mu sync.Mutex
	// Guarded by mu.
	err       error         // why Run returned
	up        chan struct{} // closed while there is a session
	endpoints []endpoint    // established in every session, in this order

	// Signals, each with room for one.
	added   chan struct{} // an endpoint was added
	revoked chan struct{} // the router revoked an endpoint
	rejoin  chan struct{} // Rejoin was called

	// Owned by run.
	rejoining bool // the next session starts without a pause
	backoff   Backoff
}

// New returns a client that is not connected. Run connects it.
func New(opts Options) *Client {
	opts = opts.withDefaults()
	return &Client{
		opts:    opts,
		events:  newEventQueue(opts),
		calls:   newHandlerPool(opts),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		up:      make(chan struct{}),
		added:   make(chan struct{}, 1),
		revoked: make(chan struct{}, 1),
		rejoin:  make(chan struct{}, 1),
	}
}

// Connect joins the realm and returns a client that stays connected until Close. ctx bounds joining only. The error
// says why the router could not be reached, or why it refused.
func Connect(ctx context.Context, opts Options) (*Client, error) {
	c := New(opts)
	s, err := c.join(ctx)
	if err != nil {
		return nil, err
	}
	c.started.Store(true)
	c.install(s)
	go c.run(context.WithoutCancel(ctx), s)
	return c, nil
}

// Run joins the realm and stays connected until ctx is done or Close is called. Then it sends GOODBYE and returns nil.
// With Reconnect.Disabled it returns why the session ended or could not start. It may be called once, and not on a
// client returned by Connect.
func (c *Client) Run(ctx context.Context) error {
	c.started.Store(true)
	c.run(ctx, nil)
	return c.Err()
}

// Close sends GOODBYE, waits for the answer and for running handlers, and releases everything. It returns an error if
// ctx is done first. It may be called any number of times, but not by a handler, which would wait for itself.
func (c *Client) Close(ctx context.Context) error {
	c.closeOnce.Do(func() {
		c.closeCtx = ctx
		close(c.closing)
	})
	if !c.started.Load() {
		return nil
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close client: %w", ctx.Err())
	}
}

// Rejoin closes the current session and joins again at once, without a pause. It is for switching to another router.
func (c *Client) Rejoin() { wake(c.rejoin) }

// ResetBackoff makes the next pause between two sessions one of the shortest. Only Options.OnDown may call it, where the
// caller knows that the router is reachable.
func (c *Client) ResetBackoff() { c.backoff.Reset() }

// Done is closed when the client has ended for good: after Close or, with Reconnect.Disabled, after its only session.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the client has ended. It is nil while the client runs, and after Close.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Welcome returns the data that the router sent when it accepted the current session. It is false without a session.
func (c *Client) Welcome() (Welcome, bool) {
	s := c.current.Load()
	if s == nil {
		return Welcome{}, false
	}
	return s.welcome, true
}

// WaitUp waits until the client is connected. It fails if the client ends or ctx is done.
func (c *Client) WaitUp(ctx context.Context) error {
	for c.current.Load() == nil {
		c.mu.Lock()
		up := c.up
		c.mu.Unlock()
		select {
		case <-up:
		case <-c.done:
			return c.notConnected()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// session returns the current session, or the error for a request without a session.
func (c *Client) session() (*session, error) {
	if s := c.current.Load(); s != nil {
		return s, nil
	}
	return nil, c.notConnected()
}

var errNotConnected = errors.New("not connected to the router")

func (c *Client) notConnected() error {
	select {
	case <-c.closing:
		return networkFailure(ErrClosed)
	default:
		return networkFailure(errNotConnected)
	}
}

// run opens one session after the other until the client is closed. s is the first session; nil: run opens it.
func (c *Client) run(ctx context.Context, s *session) {
	ctx, cancel := c.untilClosed(ctx)
	defer cancel()
	var work sync.WaitGroup
	work.Go(c.events.deliver)
	c.setErr(c.runSessions(ctx, s))
	c.events.close(ctx.Err() != nil) // events received before the connection was lost are still delivered
	work.Wait()
	c.calls.wait()
	close(c.done)
}

// untilClosed returns a context that is done when ctx is done or Close is called.
func (c *Client) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-c.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// runSessions joins and runs one session after the other. It returns nil when ctx is done.
func (c *Client) runSessions(ctx context.Context, s *session) error {
	c.backoff = c.opts.Reconnect.Backoff()
	for failed := 0; ; {
		var err error
		if s == nil {
			s, err = c.tryJoin(ctx)
		}
		if s != nil {
			start := time.Now()
			err = c.runSession(ctx, s)
			s, failed = nil, 0
			if c.rejoining {
				c.rejoining = false
				continue
			}
			if stable(start) {
				c.backoff.Reset()
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if c.opts.Reconnect.Disabled {
			return err
		}
		c.logFailure(failed, err)
		failed++
		if !Sleep(ctx, c.backoff.Next()) {
			return nil
		}
	}
}

// tryJoin makes one attempt to open a session.
func (c *Client) tryJoin(ctx context.Context) (*session, error) {
	s, err := c.join(ctx)
	if err != nil {
		if ctx.Err() == nil {
			c.opts.OnFailed(err)
		}
		return nil, err
	}
	c.install(s)
	return s, nil
}

// logFailure logs the first, second, fourth, eighth and so on of consecutive failures. A router that is unreachable for
// a week is not worth one line a minute.
func (c *Client) logFailure(failed int, err error) {
	if failed == 0 || failed&(failed-1) == 0 {
		c.opts.Log.Warn("not connected to router; retrying", "realm", c.opts.Realm, "err", err)
	}
}

// install makes s the session for new requests.
func (c *Client) install(s *session) {
	select {
	case <-c.rejoin: // Rejoin was called for the session before
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.Store(s)
	close(c.up)
}

// runSession runs s until it has ended and returns why. It establishes the endpoints and keeps them established.
func (c *Client) runSession(ctx context.Context, s *session) error {
	go s.run()
	c.opts.Log.Debug("joined", "realm", c.opts.Realm, "session", s.welcome.Session)
	refused := c.restore(ctx, s)
	c.opts.OnUp(s.welcome)
	c.keepRestored(ctx, s, refused)
	if ctx.Err() != nil || c.rejoining {
		leaving, cancel := c.goodbyeContext()
		s.close(leaving)
		cancel()
	}
	<-s.ended
	c.opts.OnDown(s.reason)
	return s.reason
}

// goodbyeContext returns the time for GOODBYE: what the caller of Close grants, or goodbyeTimeout if Run's context ended.
func (c *Client) goodbyeContext() (context.Context, context.CancelFunc) {
	select {
	case <-c.closing:
		return context.WithTimeout(c.closeCtx, c.opts.RequestTimeout)
	default:
		return context.WithTimeout(context.Background(), goodbyeTimeout)
	}
}

// uninstall removes the current session. All endpoints established in it are absent again.
func (c *Client) uninstall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.Store(nil)
	for _, e := range c.endpoints {
		e.base().reset()
	}
	c.up = make(chan struct{})
}

func (c *Client) setErr(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// Dropped returns how many events were dropped because handlers did not keep up.
func (c *Client) Dropped() uint64 { return c.events.dropped.Load() }

// wake sends a signal through a channel with room for one. It never blocks.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// pattern is a topic or procedure and how it is matched.
type pattern struct {
	uri   string
	match wamp.Match
}
