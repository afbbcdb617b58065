package wamp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
	"runnel/uplink"
	wamplink "runnel/uplink/wamp"
)

func TestMain(m *testing.M) { kit.Leakproof(m) }

// site is a router with its programs.
type site struct {
	t      *testing.T
	router *edge.Router
	served sync.WaitGroup
	dir    string // data directory of its realm; "": none

	kit.Route // the links' way to the router
}

var fullRole = auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})

func newSite(t *testing.T, roles ...auth.Permission) *site { return newNamedSite(t, "", roles...) }

// newNamedSite is newSite with a router that names itself in WELCOME.
func newNamedSite(t *testing.T, node string, roles ...auth.Permission) *site {
	s := &site{t: t, router: edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler), Node: node})}
	linkRole := auth.NewRole("link", append([]auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}, roles...))
	kit.Must(t, s.router.AddRealm(edge.RealmOptions{
		Name: "realm1", Anonymous: "all", Roles: []*auth.Role{fullRole, linkRole},
	}))
	return s
}

func (s *site) serve(far *memory.Conn) { s.served.Go(func() { s.router.Serve(far) }) }

// dial connects the link to this side.
func (s *site) dial(context.Context) (client.Conn, error) {
	near, far := memory.Internal(memory.Options{Authid: "link", Role: "link", Realm: "realm1"})
	if err := s.Enter(far); err != nil {
		return nil, err
	}
	s.serve(far)
	return near, nil
}

// program joins a program to this site's realm.
func (s *site) program(speaks wamp.Serializer) *client.Client {
	s.t.Helper()
	return s.join(memory.Pipe(memory.Options{Serializer: speaks}))
}

// join joins over a connection whose far end the router serves.
func (s *site) join(near, far *memory.Conn) *client.Client {
	s.t.Helper()
	c, err := client.Connect(s.t.Context(), client.Options{
		Realm: "realm1", Reconnect: client.Reconnect{Disabled: true},
		Dial: func(context.Context) (client.Conn, error) {
			s.serve(far)
			return near, nil
		},
	})
	kit.Must(s.t, err)
	return c
}

func (s *site) close() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.router.Close(ctx); err != nil {
		s.t.Errorf("close router: %v", err)
	}
	s.served.Wait()
}

// world is an edge and a centre with a link between them.
type world struct {
	*testing.T
	edge, centre *site
	link         *wamplink.Link
	log          *journal
	ended        chan error
	stop         context.CancelFunc
	programs     []*client.Client
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// tell runs a story in a synctest bubble: time passes as fast as possible.
func tell(t *testing.T, export, imports []uplink.Rule, plot func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := build(t, export, imports)
		defer w.tearDown()
		w.awaitUp()
		plot(t, w)
	})
}

func build(t *testing.T, export, imports []uplink.Rule, denied ...auth.Permission) *world {
	return buildWith(t, nil, export, imports, denied...)
}

// buildWith is build with other options.
func buildWith(t *testing.T, change func(*world, *wamplink.Options), export, imports []uplink.Rule, denied ...auth.Permission) *world {
	w := &world{T: t, edge: newSite(t), centre: newSite(t, denied...), ended: make(chan error, 1), log: new(journal)}
	opts := wamplink.Options{
		Name: "central", Realm: "realm1", RemoteRealm: "realm1", Local: w.edge.dial,
		Remote: []wamplink.Remote{
			{URL: "tcp://first", Dial: func(context.Context) (client.Conn, error) { return nil, errors.New("refused") }},
			{URL: "tcp://second", Dial: w.centre.dial},
		},
		Export: export, Import: imports, Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	if change != nil {
		change(w, &opts)
	}
	link, err := wamplink.New(opts)
	kit.Must(t, err)
	w.link = link
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.ended <- link.Run(ctx) }()
	return w
}

// awaitUp waits until the link is up and everything is as its rules say, or as far as it goes.
func (w *world) awaitUp() {
	w.Helper()
	for range 1000 {
		synctest.Wait()
		if w.link.State().Up {
			synctest.Wait()
			return
		}
		time.Sleep(time.Second)
	}
	w.Fatalf("the link does not come up: %+v\n%s", w.link.State(), w.log)
}

func (w *world) tearDown() {
	w.Helper()
	w.stop()
	if err := <-w.ended; err != nil {
		w.Errorf("the link ended with %v", err)
	}
	for _, c := range w.programs {
		c.Close(context.Background())
	}
	w.edge.close()
	w.centre.close()
}

func (w *world) at(s *site) *client.Client {
	w.Helper()
	c := s.program(wamp.CBOR)
	w.programs = append(w.programs, c)
	return c
}

// within joins a part of the router at a site.
func (w *world) within(s *site) *client.Client {
	w.Helper()
	c := s.join(memory.Internal(memory.Options{}))
	w.programs = append(w.programs, c)
	return c
}

// heard holds the events of a program, in order.
type heard struct {
	mu   sync.Mutex
	list []string
}

func (h *heard) add(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, s)
}

// take returns the events since the last call.
func (h *heard) take() string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { h.list = nil }()
	return strings.Join(h.list, "; ")
}

func (w *world) listen(c *client.Client, topic string, match wamp.Match) *heard {
	w.Helper()
	h := new(heard)
	_, err := c.Subscribe(w.Context(), topic, client.SubscribeOptions{Match: match}, func(e *client.Event) {
		h.add(fmt.Sprintf("%s%v%v", e.Topic(), e.Args(), e.Kwargs()))
	})
	kit.Must(w.T, err)
	synctest.Wait() // the link has heard of it
	return h
}

func (w *world) publish(c *client.Client, topic string, args ...any) {
	w.Helper()
	kit.Must(w.T, c.Publish(w.Context(), topic, client.PublishOptions{Acknowledge: true}, client.Args(args...)))
	synctest.Wait()
}

func (w *world) offer(c *client.Client, procedure string, h client.Handler) {
	w.Helper()
	_, err := c.Register(w.Context(), procedure, client.RegisterOptions{}, h)
	kit.Must(w.T, err)
	synctest.Wait() // the link has heard of it
}

func wantHeard(t *testing.T, h *heard, want string) {
	t.Helper()
	if got := h.take(); got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
}

var both = []uplink.Rule{{Topic: "com.example.", Match: wamp.Prefix}, {Procedure: "com.example.", Match: wamp.Prefix}}
