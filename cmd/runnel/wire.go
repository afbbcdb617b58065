package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/budget"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
	"runnel/transport/memory"
	"runnel/uplink"
)

// node is a router with all that a configuration puts around it. The wire*.go are the one place that knows every concrete
// type:
//
//	build   realms, listeners, serial lines, uplinks: what can fail at once fails here
//	run     starts the parts in this order, waits for ctx, stops them in reverse
//	apply   turns the node that runs into that of another configuration, see plan.go and apply.go
type node struct {
	// Static after build.
	log     *slog.Logger
	began   time.Time
	router  *edge.Router
	cookies *auth.Cookies
	data    *os.File       // the claim to the data directory; nil without one
	memory  *budget.Budget // of buffers and tables; nil where nothing is known of the machine
	process int64          // octets that the process may have; 0: not known

	descriptors *transport.Descriptors
	load        func() (*config.Config, error) // reads the configuration again; nil if there is nothing to read

	inside, doors, links *group // set by run, under changing

	exporter *exporter // nil without metrics. Guarded by changing

	reloading sync.Mutex // held while a configuration is read and applied: what was read later must not be applied earlier

	changing sync.Mutex // held while parts come and go
	running  bool       // guarded by changing

	mu sync.Mutex
	// Guarded by mu; written with changing held as well.
	config    *config.Config
	reporters []*reporter
	listeners []*listener
	lines     []*line
	uplinks   []*link
}

// reporter answers the router's own procedures in one realm.
type reporter struct {
	*client.Client
	realm string
	work  *work

	tried chan struct{} // closed when it answers, or can't yet
	once  sync.Once
}

// build makes the parts and opens the listeners; nobody is served before run.
func build(c *config.Config, log *slog.Logger) (*node, error) {
	data, err := claimData(c, log)
	if err != nil {
		return nil, err
	}
	c.Installation = readInstallation(c, log)
	n, err := assemble(c, log)
	if err != nil {
		data.Close()
		return nil, err
	}
	n.data = data
	return n, nil
}

func assemble(c *config.Config, log *slog.Logger) (*node, error) {
	n := &node{config: c, log: log, began: time.Now(), process: processMemory(), descriptors: newDescriptors()}
	n.memory = n.newBudget(c)
	opts := routerOptions(c, log)
	opts.Memory = n.memory
	opts.Cookies = auth.OpenCookies(config.CookieFile(c), log)
	n.cookies, n.router = opts.Cookies, edge.NewRouter(opts)
	for _, r := range c.Realms {
		if err := n.addRealm(c, r); err != nil {
			return nil, err
		}
	}
	for _, l := range c.Listens {
		made, err := n.listen(l, nil, nil)
		if err != nil {
			n.closeListeners()
			return nil, err
		}
		if made != nil {
			n.listeners = append(n.listeners, made)
		}
	}
	var err error
	if n.exporter, err = n.newExporter(c.Metrics.URL); err != nil {
		n.closeListeners()
		return nil, err
	}
	for _, s := range c.Serials {
		n.lines = append(n.lines, n.newLine(s))
	}
	for _, u := range c.Uplinks {
		made, err := n.openLink(c, u)
		if err != nil {
			n.closeListeners()
			return nil, err
		}
		n.uplinks = append(n.uplinks, made)
	}
	return n, nil
}

func routerOptions(c *config.Config, log *slog.Logger) edge.Options {
	return edge.Options{
		Log:              log,
		Agent:            "runnel/" + version,
		Node:             c.RouterID(),
		Identity:         identity(c),
		Reports:          []string{uplink.GapTopic},
		HelloTimeout:     time.Duration(c.Limits.HelloTimeout),
		AskTimeout:       time.Duration(c.Limits.AskTimeout),
		MaxSessions:      c.Limits.MaxSessions,
		MaxSubscriptions: c.Limits.MaxSubscriptions,
		MaxRegistrations: c.Limits.MaxRegistrations,
		MaxCalls:         c.Limits.MaxCalls,
		MaxRetained:      int(c.Limits.MaxRetained),
		OutboxBytes:      int(c.Limits.Outbox),
	}
}

// within returns a function that connects a session of this process, under one of the router's own roles.
func (n *node) within(role, realm string) func(context.Context) (client.Conn, error) {
	opts := memory.Options{Name: role, Authid: role, Role: role, Realm: realm}
	if role == config.StatusRole {
		opts.Limit = longestQuestion
	}
	return func(context.Context) (client.Conn, error) {
		near, far := memory.Internal(opts)
		go n.router.Serve(far)
		return near, nil
	}
}

func (n *node) closeListeners() {
	for _, l := range n.listeners {
		l.Close()
	}
	if n.exporter != nil {
		n.exporter.socket.Close()
	}
}

// drainTime bounds the end of a run: GOODBYE to every session, and what is still to be written.
const drainTime = 5 * time.Second

// run serves until ctx is done or a part fails. Then it drains: nobody new is let in, the sessions get GOODBYE and what
// waits for them is written. The uplinks leave when the others have had their last word, so that it is stored.
func (n *node) run(ctx context.Context, ready func()) error {
	serving, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	n.start(fail)
	ready()
	<-serving.Done()
	n.changing.Lock() // a change under way is carried out first
	n.running = false
	n.changing.Unlock()
	n.log.Info("stopping")
	n.doors.stop()
	n.bidFarewell()
	n.links.end()
	n.inside.end()
	err := n.close()
	n.doors.end()
	n.data.Close()
	if ctx.Err() == nil {
		return context.Cause(serving) // a part's failure
	}
	return err
}

// farewell is how long sessions are waited for before the uplinks leave.
const farewell = time.Second

// bidFarewell lets nobody in any more, says GOODBYE to all but the router's own parts, and waits until they are gone. What
// somebody published who is served after the uplinks have left would be acknowledged and not stored.
func (n *node) bidFarewell() {
	n.router.Refuse()
	for end := time.Now().Add(farewell); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		left := 0
		n.router.CloseSessions(func(t *wamp.Transport) bool {
			if t.Internal {
				return false
			}
			left++
			return true
		}, wamp.CloseShutdown, "")
		if left == 0 {
			return
		}
	}
}

func (n *node) start(fail func(error)) {
	n.changing.Lock()
	defer n.changing.Unlock()
	n.inside, n.doors, n.links = newGroup(fail), newGroup(fail), newGroup(fail)
	n.running = true
	n.inside.start(n.cookies.Run)
	n.inside.start(n.watchCertificates)
	if n.exporter != nil {
		n.runExporter()
	}
	for _, r := range n.reporters {
		n.runReporter(r)
	}
	for _, l := range n.uplinks {
		n.startLink(l)
	}
	n.awaitReady(n.uplinks)
	for _, l := range n.listeners {
		n.runListener(l)
	}
	for _, l := range n.lines {
		n.runLine(l)
	}
}

// runReporter returns when the realm has what is the router's own: nobody who joins is to find it missing.
func (n *node) runReporter(r *reporter) {
	r.work = n.inside.start(func(ctx context.Context) error { return n.report(ctx, r.Client, r.realm) })
	select {
	case <-r.tried:
	case <-r.work.done:
	}
}

func (n *node) runListener(l *listener) {
	n.log.Info("listening", "url", l.URL())
	l.work = n.doors.start(func(ctx context.Context) error {
		return l.Run(ctx, func(c transport.Conn) { n.router.Serve(c) })
	})
}

func (n *node) runLine(l *line) {
	l.work = n.doors.start(func(ctx context.Context) error {
		return l.run(ctx, n)
	})
}

// openLink makes an uplink with what is left in its spool.
func (n *node) openLink(c *config.Config, u config.Uplink) (*link, error) {
	store, err := n.openSpool(c, u)
	if err != nil {
		return nil, err
	}
	made, err := n.newLink(c, u, store, nil)
	if err != nil {
		store.Close()
	}
	return made, err
}

func (n *node) startLink(l *link) { l.work = n.links.start(l.Run) }

// awaitReady returns when the links hear what they export: what is published from then on is stored, and acknowledged only
// when it is.
func (n *node) awaitReady(links []*link) {
	ctx, cancel := context.WithTimeout(context.Background(), hearing)
	defer cancel()
	for _, l := range links {
		select {
		case <-l.Hears():
		case <-l.work.done:
		case <-ctx.Done(): // when there are too many sessions
			n.log.Warn("uplink has not subscribed to its exports yet", "uplink", l.config.Name)
		}
	}
}

const hearing = 10 * time.Second

// close says GOODBYE to all sessions. Those that do not take it in time are cut, which is no failure of the router's.
func (n *node) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := n.router.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	n.log.Warn("some sessions did not leave in time and were cut")
	return nil
}
