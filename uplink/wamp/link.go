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

// Options describe a Link. Realm, RemoteRealm, Local and Remote are needed.
type Options struct {
	Name               string // for the log and State
	Realm, RemoteRealm string

	Local  func(ctx context.Context) (client.Conn, error) // a connection to the local router
	Remote []Remote                                       // ways to the central router, tried in order

	Export, Import []uplink.Rule
	Spool          *spool.Spool     // of the exported events; the Link runs it. Default: one in memory
	From           *uplink.Handover // of the link whose place this one takes, with its Spool; nil: there is none
	Node           string           // whose events they are, for the central router to tell repeats
	Identity       wamp.Node        // which router this is; announced to the central one. The zero value: nothing is
	MaxHops        int              // how many links an event or a call may cross; default DefaultMaxHops

	// Above is told of the central router and those above it, whenever it was joined; nil: no one is.
	Above func([]wamp.Node)

	Authid    string        // who the link is at the central router
	Auth      []client.Auth // and how it proves that
	Agent     string        // "runnel/1.2.3"
	Reconnect client.Reconnect

	PingInterval time.Duration // between questions whether the centre is there; default 20 s; less than 0: none
	PingTimeout  time.Duration // for a sign of life; default 10 s
	FailBack     time.Duration // how long a better way must have been reachable before the link goes back to it; default 2 min

	Log *slog.Logger // default: nothing is logged
}

// Link is one uplink. Its methods may be called from any goroutine.
type Link struct {
	// Static after New.
	opts               Options
	log                *slog.Logger
	rules              []*rule
	exported, imported uplink.RuleSet[*rule] // of topics
	remotes            remotes               // locks for itself
	pulse              pulse
	calls              atomic.Int64 // under way at the centre
	status             *uplink.Status
	local              side
	remote             side

	spool    *spool.Spool
	export   uplink.Exporter
	up       atomic.Pointer[context.Context] // lasts as long as the session at the centre; nil while there is none
	rejected atomic.Bool                     // an event was refused in this session
	trial    uplink.Trial                    // locks for itself

	// Owned by the remote client's goroutine.
	draining  *drain
	searching bool // the centre has ended the last session with events under way

	from source // of the last event; owned by who hands over local events

	interest atomic.Pointer[interest] // in exported topics; nil: not known
	running  context.Context          // Run's, set before anything can happen
	declared atomic.Bool              // the sides' watches are all there

	localUp     chan struct{} // closed when the local realm was joined for the first time
	localUpOnce sync.Once
}

// New makes a Link and checks its rules; Run runs it.
func New(opts Options) (*Link, error) {
	l := &Link{
		opts: opts, log: opts.Log, remotes: remotes{list: opts.Remote}, localUp: make(chan struct{}),
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
		return nil, fmt.Errorf("uplink %s: no URL to reach the central router at", opts.Name)
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

// Hears returns a channel that is closed when the local realm was joined and all that is exported is heard.
func (l *Link) Hears() <-chan struct{} { return l.localUp }

// GiveTo has the link hand its spool over when it ends. It is called before the next link runs.
func (l *Link) GiveTo(h *uplink.Handover) { l.export.GiveTo(h) }

// Run keeps the link until ctx is done. It joins the local realm first, so that a call from the centre finds what it is
// for, and leaves it last.
func (l *Link) Run(ctx context.Context) error {
	l.running = ctx
	if err := l.declareExports(); err != nil {
		return fmt.Errorf("uplink %s: %w", l.opts.Name, err)
	}
	if l.opts.From == nil {
		if err := l.declare(); err != nil { // so that what it makes is there from the first moment
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
	l.export.Close() // now that nothing is put into the spool any more
	return err
}

// serve joins the centre, and keeps both sides together until ctx is done.
func (l *Link) serve(ctx context.Context, work *sync.WaitGroup) error {
	if !l.declared.Load() { // the link before had it
		if err := l.declare(); err != nil {
			return fmt.Errorf("uplink %s: %w", l.opts.Name, err)
		}
	}
	there, part := context.WithCancel(context.WithoutCancel(ctx))
	defer part()
	work.Go(func() {
		<-ctx.Done()
		l.export.Stop()
	})
	work.Go(func() {
		<-ctx.Done()
		l.linger()
		part() // which ends the wait for room in the spool, too
	})
	work.Go(func() { l.beat(ctx) })
	work.Go(func() { l.failBack(ctx) })
	for _, w := range slices.Concat(l.local.watches, l.remote.watches) {
		work.Go(func() { w.run(ctx) })
	}
	select {
	case <-l.localUp:
		l.remote.client.Run(there)
	case <-ctx.Done():
	}
	return nil
}

// dial connects to the centre by the way that is next.
func (l *Link) dial(ctx context.Context) (client.Conn, error) {
	conn, err := l.remotes.dial(ctx)
	if err != nil {
		return nil, err
	}
	return l.pulse.on(conn), nil
}

// declareExports tells the local client what is exported. It subscribes now and after every reconnect.
func (l *Link) declareExports() error {
	for _, r := range l.of(exports, "topic") {
		if _, err := l.subscribe(share{r, offer{Pattern: r.home()}}); err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
	}
	return nil
}

// declare tells the clients what else the rules want.
func (l *Link) declare() error {
	if err := l.watches(); err != nil {
		return err
	}
	l.declared.Store(true)
	l.checkWatches(&l.local)
	return nil
}

func (l *Link) localJoined(w client.Welcome) {
	l.local.joined(w)
	l.checkWatches(&l.local)
	l.localUpOnce.Do(func() { close(l.localUp) })
}

func (l *Link) remoteJoined(w client.Welcome) {
	url := l.remotes.joined()
	l.remote.joined(w)
	l.status.Joined(url)
	l.leadsTo(w.Nodes())
	l.rejected.Store(false)
	l.beginDrain()
	l.checkWatches(&l.remote)
	l.log.Info("link is up", "url", url, "realm", l.opts.RemoteRealm, "authid", w.Authid(), "role", w.Authrole())
}

func (l *Link) remoteLeft(err error) {
	l.leadsTo(nil)
	err = l.endDrain(err)
	l.interest.Store(nil)
	l.status.Ended(l.remotes.fate(l.pulse.fate(err)))
	l.noteClash(err)
	l.checkWatches(&l.remote)
}

// checkWatches tells the watches of a side that its session has begun or ended. Before the watches are all there it does
// nothing.
func (l *Link) checkWatches(s *side) {
	if !l.declared.Load() {
		return
	}
	for _, w := range s.watches {
		w.check()
	}
}

// State returns how the link is doing.
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

// refusal makes what is called when this side's router refuses what a rule needs, or comes round.
func (l *Link) refusal(s share, at *side) func(error) {
	r, what := s.rule, s.rule.String()
	if s.Pattern != r.home() && s.Pattern != r.abroad() {
		what += " for " + s.URI
	}
	what += ", at the " + at.name + " router"
	return func(err error) {
		l.status.Ruled(what, err)
		if err != nil {
			at.log.Warn("rule refused, retrying", "rule", r.String(), "err", err)
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

// isDown reports whether err is that of a router that can't be reached.
func isDown(err error) bool { return errors.Is(err, wamp.NetworkFailure) }

// atOnce is a context for requests whose answer nobody waits for.
var atOnce = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()
