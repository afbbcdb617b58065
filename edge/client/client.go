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

// Client is a peer of one realm that stays connected. Its methods may be called from any goroutine.
type Client struct {
	// Static after New.
	opts   Options
	events *eventQueue // locks for itself
	calls  *handlerPool

	current    atomic.Pointer[session] // nil while there is none
	confirming atomic.Bool             // there was a subscription with Confirm

	started   atomic.Bool // Run or Connect has taken charge
	closeOnce sync.Once
	closing   chan struct{}   // closed by Close
	closeCtx  context.Context // how long closing may take; to be read after closing is closed
	done      chan struct{}   // closed when Run has returned

	mu sync.Mutex
	// Guarded by mu.
	err       error         // why Run returned
	up        chan struct{} // closed while there is a session
	endpoints []endpoint    // to be established in every session, in the order in which they were added

	// Rooms for one.
	added   chan struct{} // something new waits to be made at the router
	revoked chan struct{} // something that was there was revoked
	rejoin  chan struct{} // the session is to be exchanged for another

	rejoining bool // owned by live
}

// New makes a client that is not connected; Run connects it.
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

// Connect joins the realm and returns once it has; ctx bounds only this. If the router can't be reached or refuses, it
// returns why. The client it returns stays connected until Close.
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

// Run joins the realm and stays connected until ctx is done or Close is called; then it says GOODBYE and returns nil.
// With Reconnect.Disabled it returns why the session ended or could not begin. It may be called once, and not on a client
// made by Connect.
func (c *Client) Run(ctx context.Context) error {
	c.started.Store(true)
	c.run(ctx, nil)
	return c.Err()
}

// Close says GOODBYE, waits for the answer and for the handlers that run, and frees everything, all no longer than until
// ctx is done. It may be called any number of times, but not by a handler, which would wait for itself.
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

// Rejoin ends the present session in good order and joins anew at once, without a pause: another router is to be dialled.
func (c *Client) Rejoin() { wake(c.rejoin) }

// Done is closed when the client has ended for good: after Close, or with Reconnect.Disabled after its only session.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err returns why the client has ended; nil if it was closed, or has not ended.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Welcome returns what the router said of the present session; false if there is none.
func (c *Client) Welcome() (Welcome, bool) {
	s := c.current.Load()
	if s == nil {
		return Welcome{}, false
	}
	return s.welcome, true
}

// WaitUp waits until there is a session.
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

// session returns the present session, or the failure that a request gets without one.
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

// live is the life of a client: session after session, until it is closed. s is the first one, if there is one already.
func (c *Client) run(ctx context.Context, s *session) {
	ctx, cancel := c.untilClosed(ctx)
	defer cancel()
	var work sync.WaitGroup
	work.Go(c.events.deliver)
	c.setErr(c.runSessions(ctx, s))
	c.events.close(ctx.Err() != nil) // events that came before the router went away are still delivered
	work.Wait()
	c.calls.wait()
	close(c.done)
}

// untilClosed returns a context that is done when ctx is or Close is called.
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

// sessions opens and tends one session after the other. It returns nil when ctx is done.
func (c *Client) runSessions(ctx context.Context, s *session) error {
	pause := c.opts.Reconnect.Backoff()
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
				pause.Reset()
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
		if !Sleep(ctx, pause.Next()) {
			return nil
		}
	}
}

// attempt tries once to open a session.
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

// complain logs that there is no session, the first, second, fourth, eighth time and so on in a row: a router that is
// away for a week is not worth a line a minute.
func (c *Client) logFailure(failed int, err error) {
	if failed == 0 || failed&(failed-1) == 0 {
		c.opts.Log.Warn("not connected, trying again", "realm", c.opts.Realm, "error", err)
	}
}

// install makes s the session that requests go to.
func (c *Client) install(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.Store(s)
	close(c.up)
}

// tend keeps a session: it reads, makes the subscriptions and registrations again, and returns why the session ended.
func (c *Client) runSession(ctx context.Context, s *session) error {
	select {
	case <-c.rejoin: // it was meant for the session before
	default:
	}
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

// patience returns how long saying GOODBYE may take: as long as Close was told, a second if Run's context ended.
func (c *Client) goodbyeContext() (context.Context, context.CancelFunc) {
	select {
	case <-c.closing:
		return context.WithTimeout(c.closeCtx, c.opts.RequestTimeout)
	default:
		return context.WithTimeout(context.Background(), goodbyeTimeout)
	}
}

// uninstall takes the session off, and with it everything that was established in it.
func (c *Client) uninstall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current.Store(nil)
	for _, e := range c.endpoints {
		e.base().lose()
	}
	c.up = make(chan struct{})
}

func (c *Client) setErr(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// Dropped returns how many events were dropped because the handlers did not keep up.
func (c *Client) Dropped() uint64 { return c.events.dropped.Load() }

// wake puts a token into a channel that has room for one.
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

// pattern is what a subscription is for.
type pattern struct {
	uri   string
	match wamp.Match
}
