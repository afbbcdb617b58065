package edge

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/auth"
	"runnel/edge/budget"
	"runnel/edge/logbook"
	"runnel/edge/wamp"
)

// Options configure a Router. The zero value of each field means its default.
type Options struct {
	Log   *slog.Logger // default: slog.Default()
	Agent string       // WELCOME.Details.agent; default "runnel"
	Node  string       // the router's id in WELCOME.Details._node, by which other routers detect loops; "": none

	// Identity distinguishes the router from others that connect to it; see node.go. The zero value clashes with none.
	Identity wamp.Node

	// Reports are the topics below "runnel." on which all sessions with permission may publish.
	Reports []string

	Cookies *auth.Cookies // identities of web clients by cookie; nil: cookies are ignored

	HelloTimeout time.Duration // from connection to HELLO; default 10 s
	CloseTimeout time.Duration // for writing the outbox when a session closes; default 2 s
	AskTimeout   time.Duration // for an answer of an authenticator or authorizer; default 5 s

	MaxSessions      int // of all realms, including connections before HELLO; default 50,000. Internal sessions always join
	MaxSubscriptions int // per session; default 10,000
	MaxRegistrations int // per session; default 10,000
	MaxCalls         int // pending calls per session; default 10,000

	MaxRetained int           // bytes of a realm's retained events; default 16 MiB
	StateSync   time.Duration // how often a realm's state is synced to disk; default 5 s

	Memory *budget.Budget // memory of all sessions and realms together; nil: no limit

	// OutboxBytes is the number of bytes waiting for one peer above which the sessions that send to it wait; default
	// 256 KiB. A peer with four times as much in replies is disconnected. A single message may exceed both.
	OutboxBytes int
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Agent = cmp.Or(o.Agent, "runnel")
	o.HelloTimeout = cmp.Or(o.HelloTimeout, 10*time.Second)
	o.CloseTimeout = cmp.Or(o.CloseTimeout, 2*time.Second)
	o.AskTimeout = cmp.Or(o.AskTimeout, 5*time.Second)
	o.MaxSessions = cmp.Or(o.MaxSessions, 50_000)
	o.MaxSubscriptions = cmp.Or(o.MaxSubscriptions, 10_000)
	o.MaxRegistrations = cmp.Or(o.MaxRegistrations, 10_000)
	o.MaxCalls = cmp.Or(o.MaxCalls, 10_000)
	o.MaxRetained = cmp.Or(o.MaxRetained, 16<<20)
	o.StateSync = cmp.Or(o.StateSync, 5*time.Second)
	o.OutboxBytes = cmp.Or(o.OutboxBytes, 256<<10)
	return o
}

// RealmOptions configure a realm.
type RealmOptions struct {
	Name       string
	Strict     bool   // strict URIs, request ids in sequence, and other rules that many implementations do not enforce
	Anonymous  string // role of sessions without an identity; "": they are rejected
	Roles      []*auth.Role
	Principals *auth.Principals // the peers that may join, and how they authenticate; nil: none

	// Authenticators are procedures of the realm that decide, besides Principals, who may join. Keys are authentication
	// methods: ticket, wampcra, wamp-scram, scram, cryptosign, anonymous. For their arguments see authenticator.go.
	Authenticators map[string]string

	History   []HistoryRule // topics and patterns whose events are kept for queries
	Confirmed []ConfirmRule // topics and patterns whose events are acknowledged only after internal sessions have confirmed them

	// Durable are the declared durable subscriptions. They need State.
	Durable     []DurableRule
	DurableSize int64 // bytes of all events kept for durable subscriptions; default 64 MiB

	// State is the directory for retained events and histories; it must belong to this realm only. "": they are in
	// memory only. If the disk fails, the realm still opens and routes: see package store.
	State string
}

// Router routes between the sessions of its realms. Any goroutine may call its methods.
type Router struct {
	opts atomic.Pointer[Options] // with defaults; replaced by Update

	counters counters
	logbook  logbook.Book
	clashes  clashes
	open     atomic.Int64 // connections in Serve

	refusals logbook.Throttle // limits the log lines about peers that did not join

	mu      sync.Mutex
	realms  map[string]*realm
	joining map[Conn]struct{} // peers without a session
	closed  bool
	serving sync.WaitGroup
}

// NewRouter returns a router without realms.
func NewRouter(opts Options) *Router {
	r := &Router{realms: make(map[string]*realm), joining: make(map[Conn]struct{})}
	opts = opts.withDefaults()
	r.opts.Store(&opts)
	r.logbook.Log = opts.Log
	return r
}

func (r *Router) options() *Options { return r.opts.Load() }

// AddRealm opens a realm. Sessions may join at once.
func (r *Router) AddRealm(opts RealmOptions) error {
	if !wamp.ValidURI(opts.Name, wamp.Exact, false) {
		return fmt.Errorf("add realm %q: not a URI", opts.Name)
	}
	m, err := newRealm(r, opts)
	if err != nil {
		return fmt.Errorf("add realm %s: %w", opts.Name, err)
	}
	if err := checkRules(&opts); err != nil {
		return fmt.Errorf("add realm %s: %w", opts.Name, err)
	}
	m.addHistories(opts.History)
	m.requireConfirmation(opts.Confirmed)
	if opts.State != "" && r.realm([]byte(opts.Name)) == nil {
		m.state = openState(m, opts.State, opts.DurableSize)
		m.openDurables(opts.Durable)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.realms[opts.Name] != nil {
		return fmt.Errorf("add realm %s: the realm already exists", opts.Name)
	}
	if r.closed {
		return fmt.Errorf("add realm %s: the router is closed", opts.Name)
	}
	r.realms[opts.Name] = m
	if m.state != nil {
		m.state.begin()
		go m.state.run()
	}
	return nil
}

func (r *Router) realm(name []byte) *realm {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.realms[string(name)]
}

// Serve runs the sessions of the peer behind conn, from HELLO to the end, and closes conn. All peers enter here. It returns
// why the last session ended; nil means that it was closed.
func (r *Router) Serve(conn Conn) error {
	if !r.startServing(conn) {
		conn.Close()
		return wamp.CloseShutdown
	}
	defer r.stopServing(conn)
	var hello []byte
	for {
		s, err := r.join(conn, hello)
		if err != nil {
			r.joined(conn)
			return err
		}
		if cause := s.serve(); cause != errGoodbye {
			s.finish(cause)
			return cause
		}
		if !s.finish(errGoodbye) || !r.awaitHello(conn) {
			return nil
		}
		if hello = s.nextHello(); hello == nil {
			r.joined(conn)
			return nil
		}
	}
}

// stopServing closes the connection of a peer, and no longer counts the peer.
func (r *Router) stopServing(conn Conn) {
	conn.Close()
	r.open.Add(-1)
	r.serving.Done()
}

// awaitHello records that the session of a connection has ended, and another may start on it.
func (r *Router) awaitHello(conn Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.joining[conn] = struct{}{}
	}
	return !r.closed
}

// joined records that a connection has a session now, or was refused.
func (r *Router) joined(conn Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.joining, conn)
}

// startServing counts the peer behind conn. It returns false if the router accepts no more peers.
func (r *Router) startServing(conn Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.joining[conn] = struct{}{}
	r.serving.Add(1)
	r.open.Add(1)
	return true
}

// Refuse rejects all further connections. Present sessions stay.
func (r *Router) Refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// Close sends GOODBYE wamp.close.system_shutdown to all sessions. It returns when they have ended and all state is on
// disk. When ctx is done first, it closes the remaining connections. Later connections are rejected.
func (r *Router) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	realms := r.list()
	for conn := range r.joining {
		go conn.Close() // may wait for a running write
	}
	r.mu.Unlock()
	defer closeStates(realms) // the last event may be a testament
	defer r.logbook.Close()
	for _, m := range realms {
		m.close(wamp.CloseShutdown)
	}
	gone := make(chan struct{})
	go func() {
		r.serving.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	for _, m := range realms {
		for _, s := range m.sessions() {
			s.conn.Close()
		}
	}
	<-gone
	return ctx.Err()
}

// list returns the realms by name. The caller holds mu.
func (r *Router) list() []*realm {
	list := make([]*realm, 0, len(r.realms))
	for _, m := range r.realms {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *realm) int { return cmp.Compare(a.name, b.name) })
	return list
}
