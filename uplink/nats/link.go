package nats

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/nats/conn"
	"runnel/uplink/spool"
)

// Options configure a Link. Realm, Local, Servers, Node and Spool are required.
type Options struct {
	Name  string // for the log and State
	Realm string // of the local router

	Local   func(ctx context.Context) (client.Conn, error) // connects to the local router
	Servers []Server                                       // of the cluster, tried in order

	Export, Import []Rule
	Spool          *spool.Spool     // for the exported events; the Link runs it
	From           *uplink.Handover // from the replaced link, together with its Spool; nil: none
	Node           string           // "gw-001/central": names the source of events, and the durable consumers

	Username, Password string
	Token              string
	Seed               string // of an nkey
	Creds              string // content of a credentials file

	Serializer wamp.Serializer // of the payloads; default JSON
	Stream     string          // created for exported events of class disk and durable that no stream stores; default DefaultStream
	StreamSize int64           // bytes of a stream that the link creates; 0: no limit
	StreamAge  time.Duration   // limit of its events; 0: none
	Replicas   int             // of a stream and a bucket that the link creates; default 3 in a cluster, else 1
	Bucket     string          // holds retained events; "": there is no bucket
	MaxHops    int             // limit of links that an event or a call may cross; default DefaultMaxHops

	KeepAlive  time.Duration // between two PINGs; default 20 s
	AnswerTime time.Duration // for PONG and for answers of JetStream; default 5 s
	MaxMessage int           // bytes of a message, both ways; default 1 MiB

	Agent     string // "runnel/1.2.3"
	Reconnect client.Reconnect

	Log *slog.Logger // default: nothing is logged
}

// Server is a server of the cluster.
type Server struct {
	URL      string                                      // for the log and State
	Dial     func(ctx context.Context) (net.Conn, error) // without TLS
	TLS      *tls.Config                                 // with ServerName; nil: no TLS
	TLSFirst bool                                        // TLS begins before the server's INFO
}

// Defaults of Options.
const (
	DefaultMaxHops = 8
	DefaultStream  = "RUNNEL"
)

const (
	defaultAnswerTime   = 5 * time.Second
	defaultMaxMessage   = 1 << 20
	defaultReconnectMin = 500 * time.Millisecond
	defaultReconnectMax = time.Minute

	// joinTime bounds dialling and the handshake.
	joinTime = 10 * time.Second
)

// Link is one uplink. Its methods may be called from any goroutine.
type Link struct {
	// Static after New.
	opts               Options
	log                *slog.Logger
	local              *client.Client
	status             *uplink.Status
	login              conn.Login
	exports, imports   []*way // of topics
	kept               []*way // ways whose events a stream keeps
	exported, imported uplink.RuleSet[*way]
	exporter           uplink.Exporter
	recent             recent // has its own lock
	latest             latest // has its own lock
	puts               puts   // has its own lock
	calls              calls  // has its own lock

	at      atomic.Pointer[client.Hop] // the local realm; nil: not joined yet
	named   atomic.Pointer[string]     // the cluster; nil: not connected yet
	current atomic.Pointer[session]    // nil without a connection

	from source // of the last exported event; owned by the goroutine that hands over local events

	ready     chan struct{} // closed when the local realm was joined for the first time
	readyOnce sync.Once

	turn int // index of the server to try next; owned by Run
}

// New returns a Link, or the first error in its options. Run runs the link.
func New(opts Options) (*Link, error) {
	l := &Link{opts: opts, log: opts.Log, ready: make(chan struct{}), status: uplink.NewStatus()}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	l.log = l.log.With("uplink", opts.Name)
	o := &l.opts
	o.Stream, o.MaxHops = cmp.Or(o.Stream, DefaultStream), cmp.Or(o.MaxHops, DefaultMaxHops)
	o.AnswerTime, o.MaxMessage = cmp.Or(o.AnswerTime, defaultAnswerTime), cmp.Or(o.MaxMessage, defaultMaxMessage)
	o.Reconnect.Min = cmp.Or(o.Reconnect.Min, defaultReconnectMin)
	o.Reconnect.Max = cmp.Or(o.Reconnect.Max, defaultReconnectMax)
	if o.Serializer == 0 {
		o.Serializer = wamp.JSON
	}
	if len(o.Servers) == 0 {
		return nil, fmt.Errorf("uplink %s: no URL of a NATS server", o.Name)
	}
	err := l.setLogin()
	if err == nil {
		err = l.addRules()
	}
	if err == nil {
		err = l.newCalls()
	}
	if err != nil {
		return nil, fmt.Errorf("uplink %s: %w", o.Name, err)
	}
	l.local = client.New(client.Options{
		Dial: o.Local, Realm: o.Realm, Agent: o.Agent, OnUp: l.joined, Log: l.log.With("router", "local"),
	})
	l.exporter.Spool, l.exporter.From, l.exporter.Local, l.exporter.Log = o.Spool, o.From, l.local, l.log
	return l, nil
}

// setLogin prepares the link's credentials.
func (l *Link) setLogin() (err error) {
	switch o := &l.opts; {
	case o.Creds != "":
		l.login, err = conn.ParseCredentials([]byte(o.Creds))
	case o.Seed != "":
		l.login.Key, err = conn.ParseSeed([]byte(o.Seed))
	default:
		l.login = conn.Login{User: o.Username, Password: o.Password, Token: o.Token}
	}
	return err
}

// Ready returns a channel that is closed when the link has joined the local realm and subscribed to its exports.
func (l *Link) Ready() <-chan struct{} { return l.ready }

// SetHandover makes the link hand its spool over when it ends. It must be called before the next link runs.
func (l *Link) SetHandover(h *uplink.Handover) { l.exporter.SetHandover(h) }

// Run runs the link until ctx is done. It joins the local realm first and leaves it last, so that local events are stored whether
// the cluster is reachable or not.
func (l *Link) Run(ctx context.Context) error {
	err := l.declare(ctx)
	if err == nil {
		err = l.declareCalls(ctx)
	}
	if err != nil {
		return fmt.Errorf("uplink %s: %w", l.opts.Name, err)
	}
	here, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	var member, work sync.WaitGroup
	member.Go(func() { l.local.Run(here) })
	l.exporter.Await()
	l.exporter.RunSpool()
	member.Go(func() {
		<-ctx.Done()
		l.exporter.Stop()
	})
	work.Go(func() { l.runCalls(ctx) })
	l.connections(ctx)
	work.Wait()
	l.finishCalls()
	l.exporter.Finish()
	leave()
	member.Wait()
	l.exporter.Close() // no more events enter the spool from here on
	return nil
}

// connections opens and serves one connection after the other until ctx is done.
func (l *Link) connections(ctx context.Context) {
	c := uplink.Connections{
		Ready: l.ready, Local: l.local, Reconnect: l.opts.Reconnect, Connect: l.connection,
		Proven: func(lasted time.Duration) bool { return lasted > l.opts.Reconnect.Min },
		Failed: func(err error) { l.log.Warn("not connected to the NATS server; retrying", "err", err) },
	}
	c.Run(ctx)
}

// connection tries the next server, and serves the connection if the handshake succeeds. up reports that success.
func (l *Link) connection(ctx context.Context) (up bool, err error) {
	server := &l.opts.Servers[l.turn]
	l.turn = (l.turn + 1) % len(l.opts.Servers)
	s, err := l.join(ctx, server)
	if err != nil {
		err = fmt.Errorf("%s: %w", server.URL, err)
		l.status.Ended(err)
		return false, err
	}
	info := s.conn.Info()
	name := "nats:" + cmp.Or(info.Cluster, info.ServerID)
	l.named.Store(&name)
	l.status.Joined(server.URL)
	l.log.Info("link is up", "url", server.URL, "protocol", s.protocol(), "server", info.ServerName, "cluster", info.Cluster)
	l.opts.Spool.Retry() // the cluster may now accept events that it has rejected before
	l.current.Store(s)
	err = s.run(ctx)
	l.current.Store(nil)
	l.forgetShards()
	if ctx.Err() != nil {
		err = nil // the link is ending
	}
	l.status.Ended(err)
	return true, err
}

var errLameDuck = errors.New("the server is about to shut down")

// join connects to a server.
func (l *Link) join(ctx context.Context, server *Server) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	raw, err := server.Dial(ctx)
	if err != nil {
		return nil, err
	}
	s := newSession(l)
	s.conn, err = conn.Open(ctx, raw, conn.Options{
		TLS: server.TLS, TLSFirst: server.TLSFirst, Login: func() (conn.Login, error) { return l.login, nil }, Name: l.opts.Node, Agent: l.opts.Agent,
		MaxMessage: l.opts.MaxMessage + maxFields, Ping: l.opts.KeepAlive,
		OnDenied: s.denied, OnOversize: s.oversize, OnInfo: func(i conn.Info) {
			if i.LameDuck && len(l.opts.Servers) > 1 {
				s.end(errLameDuck)
			}
		},
		OnError: func(e *conn.ServerError) { l.log.Warn("the NATS server reports an error", "err", e) },
	})
	if err != nil {
		return nil, err
	}
	s.complete()
	return s, nil
}

// maxFields bounds the header of a message, in bytes.
const maxFields = 16 << 10

// State returns the state of the link.
func (l *Link) State() uplink.State {
	state := l.status.Snapshot()
	state.Name = l.opts.Name
	if s := l.current.Load(); s != nil {
		state.Protocol, state.RoundTrip = s.protocol(), s.conn.RoundTrip()
	}
	state.Queue = l.opts.Spool.State()
	state.EventsUp.Dropped += l.local.Dropped()
	return state
}
