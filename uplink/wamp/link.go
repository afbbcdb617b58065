package wamp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/spool"
)

// Options configure a Link. Realm, RemoteRealm, Local and Remote are required.
type Options struct {
	Name               string // for the log and State
	Realm, RemoteRealm string

	Local  func(ctx context.Context) (client.Conn, error) // connects to the local router
	Remote []Remote                                       // routes to the central router, tried in order

	Export, Import []uplink.Rule
	Spool          *spool.Spool     // for the exported events; the Link runs it. Default: one in memory
	From           *uplink.Handover // from the link that this one replaces, together with its Spool; nil: none
	Node           string           // names the source of the events, so that the central router recognizes repeats
	Identity       wamp.Node        // of this router, announced to the central one; the zero value: not announced
	MaxHops        int              // how many links an event or a call may cross; default DefaultMaxHops

	// Above is called with the central router and those above it after each join, and with nil after each end. It may be nil.
	Above func([]wamp.Node)

	// Attend runs beside the link until ctx is done, with the client of the central router. It may be nil.
	Attend func(ctx context.Context, centre *client.Client)

	Authid    string        // of the link at the central router
	Auth      []client.Auth // authentication methods, in order of preference
	Agent     string        // "runnel/1.2.3"
	Reconnect client.Reconnect

	PingInterval time.Duration // between heartbeats; default 20 s; negative: no heartbeat
	PingTimeout  time.Duration // for any message from the centre after a heartbeat; default 10 s
	FailBack     time.Duration // how long a preferred route must be reachable before the link returns to it; default 2 min

	Log *slog.Logger // default: nothing is logged
}

// Link is one uplink. Its methods may be called from any goroutine.
type Link struct {
	// Static after New.
	opts               Options
	log                *slog.Logger
	rules              []*rule
	exported, imported uplink.RuleSet[*rule] // of topics
	kept               []*kept               // made by declare
	remotes            remotes               // has its own lock
	pulse              pulse
	calls              atomic.Int64 // in progress at the centre
	status             *uplink.Status
	local              side
	remote             side

	spool    *spool.Spool
	export   uplink.Exporter
	up       atomic.Pointer[context.Context] // done when the session at the centre ends; nil without a session
	rejected atomic.Bool                     // an event was dropped in this session because the centre rejects it
	trial    uplink.Trial                    // has its own lock

	// Owned by the remote client's goroutine.
	draining  *drain
	searching bool // the centre has ended the last session with events in flight

	from source // of the last event; owned by the goroutine that hands over local events

	interest atomic.Pointer[interest] // of the centre in exported topics; nil: unknown
	running  context.Context          // Run's; set before any goroutine starts
	declared atomic.Bool              // the watches of both sides are made

	ready     chan struct{} // closed when the local realm was joined for the first time
	readyOnce sync.Once
}

// New returns a Link, or the first error in its options. Run runs the link.
func New(opts Options) (*Link, error) {
	l := &Link{
		opts: opts, log: opts.Log, remotes: remotes{list: opts.Remote}, ready: make(chan struct{}),
		status: uplink.NewStatus(),
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.log = l.log.With("uplink", opts.Name)
	orDefault(&l.opts.MaxHops, DefaultMaxHops)
	orDefault(&l.opts.FailBack, defaultFailBack)
	orDefault(&l.opts.Node, cmp.Or(opts.Name, "runnel"))
	l.pulse.every, l.pulse.patience = opts.PingInterval, opts.PingTimeout
	orDefault(&l.pulse.every, defaultPulse)
	orDefault(&l.pulse.patience, defaultPatience)
	l.remote.alias = fmt.Sprintf("%s>%d", opts.Name, wamp.NewID())
	if len(opts.Remote) == 0 {
		return nil, fmt.Errorf("uplink %s: no URL of the central router", opts.Name)
	}
	err := l.addRules()
	if l.spool = opts.Spool; l.spool == nil && err == nil {
		l.spool, err = spool.Open(spool.Options{Log: l.log})
	}
	if err != nil {
		return nil, fmt.Errorf("uplink %s: %w", opts.Name, err)
	}
	l.local.init("local", l.log, client.Options{
		Dial: opts.Local, Realm: opts.Realm, Agent: opts.Agent, Node: opts.Identity, OnUp: l.localJoined,
		OnDown: func(error) { l.checkWatches(&l.local) },
	})
	l.remote.init("central", l.log, client.Options{
		Dial: l.dial, Realm: opts.RemoteRealm, Authid: opts.Authid, Auth: opts.Auth, Agent: opts.Agent,
		Node: opts.Identity, Reconnect: opts.Reconnect, OnUp: l.remoteJoined, OnDown: l.remoteLeft, OnFailed: l.remoteFailed,
		Unacknowledged: drainWindow,
	})
	l.export.Spool, l.export.From, l.export.Local, l.export.Log = l.spool, opts.From, l.local.client, l.log
	return l, nil
}

func (l *Link) addRules() error {
	for _, r := range l.opts.Export {
		if err := l.addRule(exports, r); err != nil {
			return err
		}
	}
	for _, r := range l.opts.Import {
		if err := l.addRule(imports, r); err != nil {
			return err
		}
	}
	return nil
}

func (l *Link) addRule(d direction, given uplink.Rule) error {
	r, err := newRule(d, given)
	if err != nil {
		return err
	}
	l.rules = append(l.rules, r)
	switch {
	case r.kind == "topic" && d == exports:
		l.exported.Add(r.home(), r)
	case r.kind == "topic":
		l.imported.Add(r.home(), r)
	}
	return nil
}

// Ready returns a channel that is closed when the link has joined the local realm and subscribed to its exports.
func (l *Link) Ready() <-chan struct{} { return l.ready }

// SetHandover makes the link hand its spool over when it ends. It must be called before the next link runs.
func (l *Link) SetHandover(h *uplink.Handover) { l.export.SetHandover(h) }

// Run runs the link until ctx is done. It joins the local realm first and leaves it last, so that calls from the centre
// find their procedures.
func (l *Link) Run(ctx context.Context) error {
	l.running = ctx
	if err := l.declareExports(); err != nil {
		return fmt.Errorf("uplink %s: %w", l.opts.Name, err)
	}
	if l.opts.From == nil {
		if err := l.declare(); err != nil { // subscribed and registered from the first join on
			return fmt.Errorf("uplink %s: %w", l.opts.Name, err)
		}
	}
	here, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	var work sync.WaitGroup
	work.Go(func() { l.local.client.Run(here) })
	l.export.Await()
	l.export.RunSpool()
	err := l.serve(ctx, &work)
	l.export.Finish()
	leave()
	work.Wait()
	l.export.Close() // no more events enter the spool from here on
	return err
}

// serve runs the session at the centre and everything that needs both sides, until ctx is done.
func (l *Link) serve(ctx context.Context, work *sync.WaitGroup) error {
	if !l.declared.Load() { // the previous link had the registrations until now
		if err := l.declare(); err != nil {
			return fmt.Errorf("uplink %s: %w", l.opts.Name, err)
		}
	}
	there, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	work.Go(func() {
		<-ctx.Done()
		l.export.Stop()
	})
	work.Go(func() {
		<-ctx.Done()
		l.awaitFlight()
		leave() // this also ends the wait for room in the spool
	})
	work.Go(func() { l.heartbeat(ctx) })
	work.Go(func() { l.failBack(ctx) })
	if l.opts.Attend != nil {
		work.Go(func() { l.opts.Attend(ctx, l.remote.client) })
	}
	for _, w := range slices.Concat(l.local.watches, l.remote.watches) {
		work.Go(func() { w.run(ctx) })
	}
	select {
	case <-l.ready:
		l.remote.client.Run(there)
	case <-ctx.Done():
	}
	return nil
}

// dial connects to the centre by the next route.
func (l *Link) dial(ctx context.Context) (client.Conn, error) {
	conn, err := l.remotes.dial(ctx)
	if err != nil {
		return nil, err
	}
	return l.pulse.watch(conn), nil
}

// declareExports subscribes to the exported topics. The client subscribes again after every reconnect.
func (l *Link) declareExports() error {
	for _, r := range l.of(exports, "topic") {
		if _, err := l.subscribe(share{r, offer{Pattern: r.home()}}); err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
	}
	return nil
}

// declare makes everything else that the rules ask for, and the watches.
func (l *Link) declare() error {
	if err := l.makeWatches(); err != nil {
		return err
	}
	l.declared.Store(true)
	l.checkWatches(&l.local)
	return nil
}

func (l *Link) localJoined(w client.Welcome) {
	l.local.joined(w)
	l.checkWatches(&l.local)
	l.readyOnce.Do(func() { close(l.ready) })
}

func (l *Link) remoteJoined(w client.Welcome) {
	url := l.remotes.joined()
	l.remote.joined(w)
	l.status.Joined(url)
	l.reportAbove(w.Nodes())
	l.rejected.Store(false)
	l.beginDrain()
	l.joinKept(w)
	l.checkWatches(&l.remote)
	l.log.Info("link is up", "url", url, "remote_realm", l.opts.RemoteRealm, "authid", w.Authid(), "role", w.Authrole())
}

func (l *Link) remoteLeft(err error) {
	l.reportAbove(nil)
	err = l.endDrain(err)
	l.interest.Store(nil)
	l.status.Ended(l.remotes.endCause(l.pulse.endCause(err)))
	l.noteClash(err)
	l.checkWatches(&l.remote)
}

// checkWatches informs the watches of a side that its session has begun or ended. It does nothing before declare has
// made them.
func (l *Link) checkWatches(s *side) {
	if !l.declared.Load() {
		return
	}
	for _, w := range s.watches {
		w.check()
	}
}

// State returns the state of the link.
func (l *Link) State() uplink.State {
	state := l.status.Snapshot()
	state.Name = l.opts.Name
	state.RoundTrip = time.Duration(l.pulse.trip.Load())
	state.Interest = l.declared.Load() && l.following()
	state.Queue = l.spool.State()
	state.EventsUp.Dropped += l.local.client.Dropped() + state.Queue.Dropped.Events
	state.EventsDown.Dropped += l.remote.client.Dropped()
	return state
}

// refusal returns the callback for a router that refuses a subscription or registration, or accepts it later (err is nil).
func (l *Link) refusal(s share, at *side) func(error) {
	r, what := s.rule, s.rule.String()
	if s.Pattern != r.home() && s.Pattern != r.abroad() {
		what += " for " + s.URI
	}
	what += ", at the " + at.name + " router"
	return func(err error) {
		l.status.SetRuleResult(what, err)
		if err != nil {
			at.log.Warn("rule refused; retrying", "rule", r.String(), "err", err)
		} else {
			at.log.Info("rule accepted", "rule", r.String())
		}
	}
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// isDown reports whether err means that the router is not reachable.
func isDown(err error) bool { return errors.Is(err, wamp.NetworkFailure) }

// atOnce is a context for requests that do not wait for their answer: it is done already.
var atOnce = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
