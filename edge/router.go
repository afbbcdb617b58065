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
	"runnel/edge/wamp"
)

// Options configures a Router. The zero value of each field stands for the default it names.
type Options struct {
	Log   *slog.Logger // default: slog.Default()
	Agent string       // what WELCOME says the router is; default "runnel"
	Node  string       // the router's id in WELCOME.Details._node, by which other routers recognize loops; "": none

	// Identity distinguishes the router from others that connect to it; see node.go. The zero value clashes with none.
	Identity wamp.Node

	// Reports are topics below "runnel.", which are the router's own, where any session may publish that its role allows to.
	Reports []string

	Cookies *auth.Cookies // whom web clients' cookies stand for; nil: no cookie is heeded

	HelloTimeout time.Duration // from connection to HELLO; default 10 s
	CloseTimeout time.Duration // for what is left to write when a session closes; default 2 s
	AskTimeout   time.Duration // for what an authenticator or an authorizer answers; default 5 s

	MaxSessions      int // sessions of all realms, those that have not said HELLO included; default 50,000. Internal ones always join
	MaxSubscriptions int // a session; default 10,000
	MaxRegistrations int // a session; default 10,000
	MaxCalls         int // a session's calls under way; default 10,000

	MaxRetained int           // octets of a realm's retained events; default 16 MiB
	StateSync   time.Duration // how often a realm's state is synced to disk; default 5 s

	Memory *budget.Budget // what all sessions and realms together may take; nil: no bound

	// OutboxBytes is how much may wait for one peer before those who write to it have to wait, in octets; default
	// 256 KiB. A peer that is owed four times as much in replies is cut. A message in the making may exceed both.
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

// RealmOptions describes a realm.
type RealmOptions struct {
	Name       string
	Strict     bool   // strict URIs, request ids in sequence, and the letter of the specification where others are lax
	Anonymous  string // the role of sessions without an identity; "": they are refused
	Roles      []*auth.Role
	Principals *auth.Principals // who else may join, and how they prove who they are; nil: nobody

	// Authenticators are procedures of the realm that decide who may join beside Principals, by authentication method:
	// ticket, wampcra, wamp-scram, scram, cryptosign, anonymous. See authenticator.go for what they are asked.
	Authenticators map[string]string

	History   []HistoryRule // of which topics and patterns events are kept for those who ask later
	Confirmed []ConfirmRule // of which topics and patterns events are acknowledged only if internal sessions confirm them

	// State is the directory where retained events and histories are kept over a restart; it must be this realm's own.
	// "": they are in memory only. A disk that fails does not keep the realm from opening or routing: see package store.
	State string
}

// Router routes between the sessions of its realms. Its methods may be called from any goroutine.
type Router struct {
	opts atomic.Pointer[Options] // with its defaults; replaced by Update

	counters counters
	logbook  logbook
	clashes  clashes
	open     atomic.Int64 // connections in Serve

	refusals throttle // bounds the log lines about peers that did not join

	mu      sync.Mutex
	realms  map[string]*realm
	joining map[Conn]struct{} // peers that have no session yet
	closed  bool
	serving sync.WaitGroup
}

// NewRouter returns a router without realms.
func NewRouter(opts Options) *Router {
	r := &Router{realms: make(map[string]*realm), joining: make(map[Conn]struct{})}
	opts = opts.withDefaults()
	r.opts.Store(&opts)
	r.logbook.log = opts.Log
	return r
}

func (r *Router) options() *Options { return r.opts.Load() }

// AddRealm opens a realm for sessions to join.
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
		m.state = openState(m, opts.State)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.realms[opts.Name] != nil {
		return fmt.Errorf("add realm %s: there is one of this name", opts.Name)
	}
	if r.closed {
		return fmt.Errorf("add realm %s: the router is closed", opts.Name)
	}
	r.realms[opts.Name] = m
	if m.state != nil {
		go m.state.run()
	}
	return nil
}

func (r *Router) realm(name []byte) *realm {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.realms[string(name)]
}

// Serve is the one entrance: it holds the session of the peer behind conn, from HELLO to its end, and returns why it
// ended; nil is a session closed in good order. It closes conn.
func (r *Router) Serve(conn Conn) error {
	if !r.enter(conn) {
		conn.Close()
		return wamp.CloseShutdown
	}
	defer r.serving.Done()
	defer r.open.Add(-1)
	defer conn.Close()
	var hello []byte
	for {
		s, err := r.join(conn, hello)
		r.mu.Lock()
		delete(r.joining, conn)
		r.mu.Unlock()
		if err != nil {
			return err
		}
		cause := s.serve()
		again := s.finish(cause)
		if cause != errGoodbye {
			return cause
		}
		if !again || !r.awaitHello(conn) {
			return nil
		}
		if hello = s.nextHello(); hello == nil {
			r.mu.Lock()
			delete(r.joining, conn)
			r.mu.Unlock()
			return nil
		}
	}
}

// reenter notes that a connection has no session any more, but may have another.
func (r *Router) awaitHello(conn Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.joining[conn] = struct{}{}
	}
	return !r.closed
}

func (r *Router) enter(conn Conn) bool {
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

// Refuse refuses connections from now on. The sessions that there are stay.
func (r *Router) Refuse() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// Close says GOODBYE wamp.close.system_shutdown to all sessions and returns when they are gone and what the realms keep is
// on disk. When ctx is done first, it closes the connections that are left. Connections that come later are refused.
func (r *Router) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	realms := r.list()
	for conn := range r.joining {
		go conn.Close() // may wait for a write that is under way
	}
	r.mu.Unlock()
	defer closeStates(realms) // the last event may be a testament
	defer r.logbook.close()
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

// list returns the realms by name. Holds mu.
func (r *Router) list() []*realm {
	list := make([]*realm, 0, len(r.realms))
	for _, m := range r.realms {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *realm) int { return cmp.Compare(a.name, b.name) })
	return list
}
