package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
	"runnel/uplink"
	"runnel/uplink/mqtt/sparkplug"
	"runnel/uplink/spool"
)

// Options configure a Link. Realm, Local, Brokers and Spool are required.
type Options struct {
	Name  string // for the log and State
	Realm string // of the local router

	Local   func(ctx context.Context) (client.Conn, error) // connects to the local router
	Brokers []Broker                                       // routes to the broker, tried in order

	Export, Import []Rule
	Spool          *spool.Spool     // for the exported events; the Link runs it
	From           *uplink.Handover // from the link that this one replaces, together with its Spool; nil: none
	Dir            string           // directory of the state for the next process; "": none is kept

	ClientID           string // must be unique at the broker
	Username, Password string
	QoS                byte
	Format             Format
	Protocol           packet.Version // 0: MQTT 5, or 3.1.1 if the broker does not speak it
	SessionExpiry      time.Duration  // how long the broker keeps the session of a link that is down; by MQTT 5; default 7 days
	StateTopic         string         // shows whether the link is up; "": none
	Discovery          Discovery      // needs a StateTopic
	Sparkplug          *Sparkplug     // the link is an Edge Node, with its own last will instead of StateTopic; nil: it is not

	KeepAlive  time.Duration // between two PINGREQs; default 20 s
	AnswerTime time.Duration // for PINGRESP; default 10 s
	MaxMessage int           // bytes of a message, both ways; default 1 MiB

	Agent     string // "runnel/1.2.3"
	Reconnect client.Reconnect

	Log *slog.Logger // default: nothing is logged
}

// Broker is a route to the broker.
type Broker struct {
	URL  string // for the log and State
	Dial func(ctx context.Context) (net.Conn, error)
}

const (
	defaultKeepAlive    = 20 * time.Second
	defaultAnswerTime   = 10 * time.Second
	defaultMaxMessage   = 1 << 20
	defaultExpiry       = 7 * 24 * time.Hour
	defaultReconnectMin = 500 * time.Millisecond
	defaultReconnectMax = time.Minute

	// underWay is how many messages may be sent before the first of them is acknowledged.
	underWay = 100
)

// Link is one uplink. Its methods may be called from any goroutine.
type Link struct {
	// Static after New.
	opts                        Options
	log                         *slog.Logger
	local                       *client.Client
	filters                     []subscription
	clean                       bool                      // the broker keeps no session for the link
	way                         []client.Hop              // of messages from the broker
	plain                       Form                      // of rules without their own
	templates                   map[*Rule]naming.Template // of exports with mqtt_topic
	inverses                    []*inverse                // of imports with mqtt_topic; the first that fits decides
	status                      *uplink.Status
	flight                      *flight
	trial                       uplink.Trial // has its own lock
	echoes                      *echoes
	inbox                       inbox // has its own lock
	resent                      *resent
	standing                    *standing
	announced                   *announced
	node                        *sparkplug.Node // nil: the link is no Edge Node
	calls                       calls           // has its own lock
	exporter                    uplink.Exporter
	exported, imported, offered uplink.RuleSet[*Rule] // topics and procedures; imported by their names at the broker

	current   atomic.Pointer[session] // nil without a connection
	roundTrip atomic.Int64            // last one measured, in ns

	ready     chan struct{} // closed when the local realm was joined for the first time
	readyOnce sync.Once

	// Owned by Run.
	ways      []way
	turn      int    // index of the route that is tried next
	ending    ending // of the last connection
	takeovers takeovers
}

// way is a route to the broker, with its recorded state.
type way struct {
	Broker
	plain bool // it does not support the bridge extension
	old   old  // it does not speak MQTT 5
}

// subscription is a filter that the link subscribes to.
type subscription struct {
	filter  string
	options packet.Options // of MQTT 3.1.1: the QoS
	calls   bool           // it is for requests
	known   bool           // the broker has it with other options
	rule    string         // for State
}

// New returns a Link, or the first error in its options. Run runs the link.
func New(opts Options) (*Link, error) {
	l := &Link{
		opts: opts, log: opts.Log, ready: make(chan struct{}),
		status: uplink.NewStatus(), plain: Form{Format: opts.Format}, templates: map[*Rule]naming.Template{},
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.log = l.log.With("uplink", opts.Name)
	orDefault(&l.opts.KeepAlive, defaultKeepAlive)
	orDefault(&l.opts.AnswerTime, defaultAnswerTime)
	orDefault(&l.opts.MaxMessage, defaultMaxMessage)
	orDefault(&l.opts.SessionExpiry, defaultExpiry)
	orDefault(&l.opts.Reconnect.Min, defaultReconnectMin)
	orDefault(&l.opts.Reconnect.Max, defaultReconnectMax)
	for _, b := range opts.Brokers {
		l.ways = append(l.ways, way{Broker: b})
	}
	if len(opts.Brokers) > 0 {
		l.way = []client.Hop{{Node: opts.Brokers[0].URL}}
	}
	if err := l.prepare(); err != nil {
		return nil, fmt.Errorf("uplink %s: %w", opts.Name, err)
	}
	l.local = client.New(client.Options{
		Dial: opts.Local, Realm: opts.Realm, Agent: opts.Agent, Log: l.log.With("router", "local"),
		OnUp: func(client.Welcome) { l.readyOnce.Do(func() { close(l.ready) }) },
	})
	l.exporter.Spool, l.exporter.From, l.exporter.Local, l.exporter.Log = l.opts.Spool, opts.From, l.local, l.log
	return l, nil
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// prepare checks the rules and derives the filters from them.
func (l *Link) prepare() error {
	o := &l.opts
	if len(o.Brokers) == 0 {
		return fmt.Errorf("no URL of the broker")
	}
	if o.StateTopic != "" {
		if err := CheckStateTopic(o.StateTopic); err != nil {
			return err
		}
	}
	for i := range o.Export {
		if err := o.Export[i].CheckExport(o.Format); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		l.addExport(&o.Export[i])
	}
	imports, commands, err := l.addImports()
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	l.clean = o.QoS != 2 && (o.QoS == 0 || len(imports) == 0) || o.Sparkplug != nil
	l.echoes, l.resent = newEchoes(imports), newResent()
	l.standing = newStanding(o.Dir, l.log)
	l.announced = &announced{log: l.log}
	if o.Dir != "" {
		l.announced.file = filepath.Join(o.Dir, announcedFile)
	}
	if o.Sparkplug != nil {
		if err := l.newEdgeNode(commands); err != nil {
			return err
		}
	}
	l.announced.list, err = l.announcements()
	return err
}

// addExport adds a rule that was checked.
func (l *Link) addExport(r *Rule) {
	switch {
	case r.Procedure == "":
		l.exported.Add(wamp.Pattern{URI: r.Topic, Match: r.Match}, r)
		if r.MQTTTopic != "" {
			l.templates[r], _ = r.template() // checked
		}
		if r.Device != "" {
			l.templates[r], _ = r.deviceTemplate() // checked
		}
	case l.opts.Sparkplug != nil:
		l.offered.Add(wamp.Pattern{URI: r.Procedure, Match: r.Match}, r) // as it is called here
	default:
		l.offered.Add(wamp.Pattern{URI: r.ToRemote(r.Procedure), Match: r.Match}, r)
		filters, _ := r.requests() // checked
		for _, f := range filters {
			// QoS 0, so that a broker keeps no calls while the link is down: a late call could do harm.
			l.filters = append(l.filters, subscription{filter: f, calls: true, rule: "export procedure " + r.Procedure})
		}
	}
}

// addImports checks and adds the rules of imports. It returns their filters, and the rule for Sparkplug's commands if
// there is one.
func (l *Link) addImports() (filters []string, commands *Rule, err error) {
	o := &l.opts
	for i := range o.Import {
		r := &o.Import[i]
		if err := r.CheckImport(); err != nil {
			return nil, nil, err
		}
		if r.isEdge() {
			commands = r
			continue
		}
		filters = append(filters, l.addImport(r))
	}
	sort.SliceStable(l.inverses, func(i, j int) bool { return l.inverses[i].Weight() > l.inverses[j].Weight() })
	for _, f := range naming.Widest(filters) {
		l.filters = append(l.filters, subscription{filter: f, options: packet.Options(o.QoS), rule: "import topic " + f})
	}
	return filters, commands, nil
}

// addImport adds a rule that was checked and returns its filter.
func (l *Link) addImport(r *Rule) (filter string) {
	if r.MQTTTopic != "" {
		v, _ := r.inverse()
		l.inverses = append(l.inverses, v)
		return v.Filter()
	}
	l.imported.Add(wamp.Pattern{URI: r.Topic, Match: r.Match}, r)
	filter, _ = naming.Filter(r.Topic, r.Match)
	return filter
}

// CheckStateTopic returns the reason why the link cannot publish to a topic, or nil.
func CheckStateTopic(topic string) error {
	_, err := naming.URI(topic)
	if err != nil {
		return fmt.Errorf("%q is not a valid topic for the link's state: %w", topic, err)
	}
	return nil
}

// Ready returns a channel that is closed when the link has joined the local realm and subscribed to its exports.
func (l *Link) Ready() <-chan struct{} { return l.ready }

// SetHandover makes the link hand its spool over when it ends. It must be called before the next link runs.
func (l *Link) SetHandover(h *uplink.Handover) { l.exporter.SetHandover(h) }

// Run runs the link until ctx is done. It joins the local realm first and leaves it last, so that local events are stored
// whether the broker is reachable or not.
func (l *Link) Run(ctx context.Context) error {
	if err := l.declare(ctx); err != nil {
		return fmt.Errorf("uplink %s: %w", l.opts.Name, err)
	}
	here, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	var member sync.WaitGroup
	member.Go(func() { l.local.Run(here) })
	l.exporter.Await()
	l.standing.take(l.opts.ClientID)
	l.announced.take()
	if l.node != nil {
		l.node.TakeRecord()
	}
	l.flight = newFlight(underWay, l.opts.Spool.State().Last)
	l.exporter.RunSpool()
	member.Go(func() {
		<-ctx.Done()
		l.exporter.Stop()
	})
	l.connections(ctx)
	l.calls.wait()
	l.exporter.Finish()
	leave()
	member.Wait()
	l.standing.save(l.opts.ClientID)
	l.exporter.Close() // no more events enter the spool from here on
	return nil
}

// connections opens and serves one connection after the other until ctx is done.
func (l *Link) connections(ctx context.Context) {
	c := uplink.Connections{
		Ready: l.ready, Local: l.local, Reconnect: l.opts.Reconnect, Connect: l.connection,
		Proven: func(lasted time.Duration) bool {
			long := lasted > l.opts.Reconnect.Min
			return l.ending == suspicious && l.trial.AcceptsSome() || long && !l.takeovers.sure()
		},
		Failed: func(err error) { l.log.Warn("not connected to the broker; retrying", "err", err) },
	}
	c.Run(ctx)
}

// connection tries the next route, and serves the connection if it succeeds. up reports whether it did.
func (l *Link) connection(ctx context.Context) (up bool, err error) {
	w, following := &l.ways[l.turn], (l.turn+1)%len(l.ways)
	l.turn = following
	s, err := l.join(ctx, w)
	if err != nil {
		err = fmt.Errorf("%s: %w", w.URL, err)
		l.takeovers.refused()
		l.status.Ended(err)
		return false, err
	}
	l.turn = 0
	l.status.Joined(w.URL)
	l.log.Info("link is up", "url", w.URL, "client_id", l.opts.ClientID, "protocol", "MQTT "+s.version.String())
	if l.ending != suspicious {
		l.opts.Spool.Retry() // the broker may now accept events that it has rejected
	}
	l.current.Store(s)
	err = s.run(ctx)
	l.current.Store(nil)
	if l.node != nil {
		l.node.Ended()
	}
	if errors.Is(err, sparkplug.ErrHostOffline) {
		l.turn = following
	}
	if ctx.Err() != nil {
		err = nil // the link is ending
	} else {
		err = l.closed(s, err)
	}
	l.status.Ended(err)
	return true, err
}

// State returns the state of the link.
func (l *Link) State() uplink.State {
	state := l.status.Snapshot()
	state.Name = l.opts.Name
	if s := l.current.Load(); s != nil {
		state.Protocol = "MQTT " + s.version.String()
	}
	state.RoundTrip = time.Duration(l.roundTrip.Load())
	state.Queue = l.opts.Spool.State()
	state.EventsUp.Dropped += l.local.Dropped()
	return state
}
