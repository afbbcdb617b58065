package wamp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/memory"
	"runnel/uplink"
	"runnel/uplink/spool"
	wamplink "runnel/uplink/wamp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a router with its programs.
type site struct {
	t      *testing.T
	router *edge.Router
	served sync.WaitGroup

	// Guarded by mu.
	mu    sync.Mutex
	away  bool
	links []*memory.Conn
}

var everybody = auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})

func newSite(t *testing.T, roles ...auth.Permission) *site {
	s := &site{t: t, router: edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})}
	linkRole := auth.NewRole("link", append([]auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}, roles...))
	check(t, s.router.AddRealm(edge.RealmOptions{
		Name: "realm1", Anonymous: "all", Roles: []*auth.Role{everybody, linkRole},
	}))
	return s
}

func (s *site) serve(far *memory.Conn) { s.served.Go(func() { s.router.Serve(far) }) }

// dial is how the link comes here.
func (s *site) dial(context.Context) (client.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errors.New("no route to host")
	}
	near, far := memory.Internal(memory.Options{Authid: "link", Role: "link", Realm: "realm1"})
	s.serve(far)
	s.links = append(s.links, far)
	return near, nil
}

// cut breaks the link's connections; mend lets it come again.
func (s *site) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = true
	for _, conn := range s.links {
		conn.Close()
	}
	s.links = nil
}

func (s *site) mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = false
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
	check(s.t, err)
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

// tell runs a story in a bubble where time passes as fast as it can.
func tell(t *testing.T, export, imports []uplink.Rule, plot func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := build(t, export, imports)
		defer w.tearDown()
		w.settle()
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
	check(t, err)
	w.link = link
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.ended <- link.Run(ctx) }()
	return w
}

// settle waits until the link is up and everything is as its rules say, or as far as it goes.
func (w *world) settle() {
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

// heard is what a program has heard, in order.
type heard struct {
	mu   sync.Mutex
	list []string
}

func (h *heard) add(s string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, s)
}

// take returns what was heard since the last time.
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
	check(w.T, err)
	synctest.Wait() // the link has heard of it
	return h
}

func (w *world) publish(c *client.Client, topic string, args ...any) {
	w.Helper()
	check(w.T, c.Publish(w.Context(), topic, client.PublishOptions{Acknowledge: true}, client.Args(args...)))
	synctest.Wait()
}

func (w *world) offer(c *client.Client, procedure string, h client.Handler) {
	w.Helper()
	_, err := c.Register(w.Context(), procedure, client.RegisterOptions{}, h)
	check(w.T, err)
	synctest.Wait() // the link has heard of it
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantHeard(t *testing.T, h *heard, want string) {
	t.Helper()
	if got := h.take(); got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
}

var both = []uplink.Rule{{Topic: "com.example.", Match: wamp.Prefix}, {Procedure: "com.example.", Match: wamp.Prefix}}

func TestEventsCrossBothWays(t *testing.T) {
	tell(t, both, both, func(t *testing.T, w *world) {
		here, there := w.at(w.edge), w.at(w.centre)
		atEdge := w.listen(w.at(w.edge), "com.", wamp.Prefix)
		atCentre := w.listen(w.at(w.centre), "com.", wamp.Prefix)
		check(t, here.Publish(t.Context(), "com.example.a", client.PublishOptions{Acknowledge: true},
			client.Payload{Args: []any{1, "x", []byte{0, 255}}, Kwargs: map[string]any{"k": []any{true, nil}}}))
		wantHeard(t, atCentre, "com.example.a[1 x [0 255]]map[k:[true <nil>]]")
		wantHeard(t, atEdge, "com.example.a[1 x [0 255]]map[k:[true <nil>]]") // once: nothing comes back
		w.publish(there, "com.example.b.c", 2)
		wantHeard(t, atEdge, "com.example.b.c[2]map[]")
		wantHeard(t, atCentre, "com.example.b.c[2]map[]")
		w.publish(here, "com.other", 3)
		wantHeard(t, atCentre, "")
		wantHeard(t, atEdge, "com.other[3]map[]")
		if s := w.link.State(); s.EventsUp.Forwarded != 1 || s.EventsDown.Forwarded != 1 || s.URL != "tcp://second" || s.Reconnects != 0 {
			t.Errorf("state %+v", s)
		}
	})
}

func TestEventsKeepTheirOrder(t *testing.T) {
	tell(t, both, nil, func(t *testing.T, w *world) {
		c := w.at(w.edge)
		var got []int64
		_, err := w.at(w.centre).Subscribe(t.Context(), "com.example.a", client.SubscribeOptions{}, func(e *client.Event) {
			got = append(got, e.Args()[0].(int64))
		})
		check(t, err)
		synctest.Wait()
		for i := range 1000 {
			check(t, c.Publish(t.Context(), "com.example.a", client.PublishOptions{}, client.Args(i)))
		}
		synctest.Wait()
		if len(got) != 1000 || !slices.IsSorted(got) {
			t.Errorf("%d events, in order: %v", len(got), slices.IsSorted(got))
		}
	})
}

func TestTheRoutersOwnEventsStay(t *testing.T) {
	all := []uplink.Rule{{Match: wamp.Prefix}}
	tell(t, all, all, func(t *testing.T, w *world) {
		atCentre := w.listen(w.at(w.centre), "", wamp.Prefix)
		before := w.link.State()
		w.at(w.edge) // joins: wamp.session.on_join
		w.publish(w.within(w.edge), "runnel.serial.on_state.x", 1)
		w.publish(w.at(w.edge), "com.a", 1)
		if got := atCentre.take(); !strings.HasSuffix(got, "com.a[1]map[]") || strings.Contains(got, "on_join") || strings.Contains(got, "runnel.") {
			t.Errorf("heard %q", got)
		}
		if s := w.link.State(); s.EventsUp.Forwarded != before.EventsUp.Forwarded+1 || s.EventsUp.Dropped > 0 {
			t.Errorf("state %+v", s)
		}
	})
}

// What a node tells of itself crosses where a rule names it.
func TestTheNodesOwnEventsCrossByName(t *testing.T) {
	tell(t, []uplink.Rule{{Topic: "runnel.serial.", Match: wamp.Prefix}}, nil, func(t *testing.T, w *world) {
		atCentre := w.listen(w.at(w.centre), "runnel.", wamp.Prefix)
		w.publish(w.within(w.edge), "runnel.serial.on_state.x", 1)
		if got := atCentre.take(); !strings.HasSuffix(got, "runnel.serial.on_state.x[1]map[]") {
			t.Errorf("heard %q", got)
		}
	})
}

// What is retained here crosses whoever wants it, and is retained there, also where nobody waits for its confirmation.
func TestRetainedEventsCross(t *testing.T) {
	for _, class := range []spool.Class{spool.Memory, spool.Disk} {
		rules := []uplink.Rule{{Topic: "com.", Match: wamp.Prefix, Store: class}}
		tell(t, rules, nil, func(t *testing.T, w *world) {
			c := w.at(w.edge)
			check(t, c.Publish(t.Context(), "com.a", client.PublishOptions{Retain: true}, client.Args(1)))
			check(t, c.Publish(t.Context(), "com.b", client.PublishOptions{Acknowledge: true, Retain: true}, client.Args(2)))
			w.publish(c, "com.c", 3)
			heard := ""
			_, err := w.at(w.centre).Subscribe(t.Context(), "com.", client.SubscribeOptions{Match: wamp.Prefix, GetRetained: true}, func(e *client.Event) {
				heard += fmt.Sprint(e.Topic(), e.Args())
			})
			check(t, err)
			synctest.Wait()
			if heard != "com.a[1]com.b[2]" && heard != "com.b[2]com.a[1]" {
				t.Errorf("class %d: retained at the centre is %q", class, heard)
			}
		})
	}
}

func TestRulesWithExchangedPrefixes(t *testing.T) {
	exchange := func(r uplink.Rule) uplink.Rule {
		r.LocalPrefix, r.RemotePrefix, r.Match = "com.example.", "site7.", wamp.Prefix
		return r
	}
	tell(t, []uplink.Rule{exchange(uplink.Rule{Topic: "com.example.up."}), exchange(uplink.Rule{Procedure: "com.example."})},
		[]uplink.Rule{exchange(uplink.Rule{Topic: "site7.down."})}, func(t *testing.T, w *world) {
			here, there := w.at(w.edge), w.at(w.centre)
			atEdge, atCentre := w.listen(w.at(w.edge), "com.", wamp.Prefix), w.listen(w.at(w.centre), "site7.", wamp.Prefix)
			w.publish(here, "com.example.up.a", 1)
			wantHeard(t, atCentre, "site7.up.a[1]map[]")
			w.publish(there, "site7.down.b", 2)
			atCentre.take()
			wantHeard(t, atEdge, "com.example.up.a[1]map[]; com.example.down.b[2]map[]")
			w.offer(here, "com.example.who", func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
				return client.Args(inv.Procedure()), nil
			})
			r, err := there.Call(t.Context(), "site7.who", client.CallOptions{}, client.Payload{})
			check(t, err)
			if r.Args()[0] != "com.example.who" {
				t.Errorf("result %v", r.Args())
			}
		})
}

func TestCallsCrossBothWays(t *testing.T) {
	tell(t, both, []uplink.Rule{{Procedure: "org.", Match: wamp.Prefix}}, func(t *testing.T, w *world) {
		here, there := w.at(w.edge), w.at(w.centre)
		answer := func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			if inv.Kwargs()["fail"] == true {
				e := client.NewError("com.example.error.own", "text", 5)
				return client.Payload{}, e
			}
			return client.Payload{Args: append(inv.Args(), "sum"), Kwargs: map[string]any{"k": 1.5}}, nil
		}
		w.offer(here, "com.example.add", answer)
		w.offer(there, "org.add", answer)
		for _, c := range []struct {
			caller    *client.Client
			procedure string
		}{{there, "com.example.add"}, {here, "org.add"}} {
			r, err := c.caller.Call(t.Context(), c.procedure, client.CallOptions{DiscloseMe: true}, client.Args(1, []byte{7}))
			check(t, err)
			if got := fmt.Sprint(r.Args(), r.Kwargs()); got != "[1 [7] sum] map[k:1.5]" {
				t.Errorf("%s: result %s", c.procedure, got)
			}
			_, err = c.caller.Call(t.Context(), c.procedure, client.CallOptions{}, client.Kwargs(map[string]any{"fail": true}))
			var e *client.Error
			if !errors.As(err, &e) || e.URI != "com.example.error.own" || fmt.Sprint(e.Args()) != "[text 5]" {
				t.Errorf("%s: error %v", c.procedure, err)
			}
		}
		if _, err := here.Call(t.Context(), "org.none", client.CallOptions{}, client.Payload{}); !errors.Is(err, wamp.NoSuchProcedure) {
			t.Errorf("a procedure that is nowhere: %v", err)
		}
		if s := w.link.State(); s.CallsUp.Forwarded != 2 || s.CallsDown.Forwarded != 2 {
			t.Errorf("state %+v", s)
		}
	})
}

func TestCallThatWouldComeBack(t *testing.T) {
	tell(t, both, both, func(t *testing.T, w *world) {
		for _, c := range []*client.Client{w.at(w.edge), w.at(w.centre)} {
			_, err := c.Call(t.Context(), "com.example.none", client.CallOptions{}, client.Payload{})
			if !errors.Is(err, wamp.NoSuchProcedure) {
				t.Errorf("a procedure that only the link offers: %v", err)
			}
		}
	})
}

func TestProgressCrosses(t *testing.T) {
	tell(t, nil, both, func(t *testing.T, w *world) {
		w.offer(w.at(w.centre), "com.example.count", func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			for i := range 3 {
				if err := inv.Progress(client.Args(i)); err != nil {
					return client.Payload{}, err
				}
			}
			return client.Args("end"), nil
		})
		var got []any
		r, err := w.at(w.edge).Call(t.Context(), "com.example.count", client.CallOptions{
			Progress: func(r *client.Result) { got = append(got, r.Args()...) },
		}, client.Payload{})
		check(t, err)
		if s := fmt.Sprint(got, r.Args()); s != "[0 1 2] [end]" {
			t.Errorf("results %s", s)
		}
	})
}

func TestArgumentsInChunksCross(t *testing.T) {
	tell(t, both, []uplink.Rule{{Procedure: "org.", Match: wamp.Prefix}}, func(t *testing.T, w *world) {
		collect := func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			all := inv.Args()
			for more := inv.More(); more; {
				var p codec.Payload
				var err error
				if p, more, err = inv.Input(ctx); err != nil {
					return client.Payload{}, err
				}
				args, _, err := p.Decode()
				if err != nil {
					return client.Payload{}, err
				}
				all = append(all, args...)
				if err := inv.Progress(client.Args(len(all))); err != nil {
					return client.Payload{}, err
				}
			}
			return client.Args(all...), nil
		}
		here, there := w.at(w.edge), w.at(w.centre)
		w.offer(here, "com.example.collect", collect)
		w.offer(there, "org.collect", collect)
		for c, procedure := range map[*client.Client]string{here: "org.collect", there: "com.example.collect"} {
			sent := 0
			var progress []any
			r, err := c.Call(t.Context(), procedure, client.CallOptions{
				Input: func(context.Context) (client.Payload, bool, error) {
					sent++
					return client.Args(sent), sent < 5, nil
				},
				Progress: func(r *client.Result) { progress = append(progress, r.Args()...) },
			}, client.Args("first"))
			check(t, err)
			if got := fmt.Sprint(r.Args(), progress); got != "[first 1 2 3 4 5] [2 3 4 5 6]" {
				t.Errorf("%s: %s", procedure, got)
			}
			broken := errors.New("no more")
			_, err = c.Call(t.Context(), procedure, client.CallOptions{
				Input: func(context.Context) (client.Payload, bool, error) { return client.Payload{}, false, broken },
			}, client.Args("first"))
			if err != broken {
				t.Errorf("%s: a call whose arguments fail to come ends with %v", procedure, err)
			}
		}
	})
}

func TestCancelCrossesWithItsMode(t *testing.T) {
	for _, mode := range []wamp.CancelMode{wamp.KillNoWait, wamp.Kill} {
		t.Run(mode.String(), func(t *testing.T) {
			tell(t, nil, both, func(t *testing.T, w *world) {
				modes := make(chan wamp.CancelMode, 1)
				w.offer(w.at(w.centre), "com.example.slow", func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
					<-ctx.Done()
					var interrupt *client.Interrupt
					if errors.As(context.Cause(ctx), &interrupt) {
						modes <- interrupt.Mode
					}
					return client.Args("what there was"), nil
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				r, err := w.at(w.edge).Call(ctx, "com.example.slow", client.CallOptions{CancelMode: mode}, client.Payload{})
				if got := <-modes; got != mode {
					t.Errorf("the callee was interrupted with %s", got)
				}
				if mode == wamp.Kill {
					check(t, err)
					if r.Args()[0] != "what there was" {
						t.Errorf("result %v", r.Args())
					}
				} else if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("call ended with %v", err)
				}
			})
		})
	}
}

func TestTimeoutCrosses(t *testing.T) {
	tell(t, nil, both, func(t *testing.T, w *world) {
		interrupted := make(chan struct{})
		w.offer(w.at(w.centre), "com.example.slow", func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			<-ctx.Done()
			close(interrupted)
			return client.Payload{}, ctx.Err()
		})
		began := time.Now()
		_, err := w.at(w.edge).Call(t.Context(), "com.example.slow", client.CallOptions{Timeout: 3 * time.Second}, client.Payload{})
		if !errors.Is(err, wamp.Timeout) || time.Since(began) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		<-interrupted
	})
}

func TestTheCentreGoesAwayAndReturns(t *testing.T) {
	tell(t, both, []uplink.Rule{{Procedure: "org.", Match: wamp.Prefix}, {Topic: "org.", Match: wamp.Prefix}}, func(t *testing.T, w *world) {
		here, there := w.at(w.edge), w.at(w.centre)
		echo := func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			return client.Raw(inv.Payload), nil
		}
		w.offer(here, "com.example.echo", echo)
		w.offer(there, "org.echo", echo)
		atCentre, atEdge := w.listen(w.at(w.centre), "com.example.a", wamp.Exact), w.listen(w.at(w.edge), "org.a", wamp.Exact)

		w.centre.cut()
		synctest.Wait()
		if s := w.link.State(); s.Up || s.LastError == "" || s.URL != "" {
			t.Errorf("state %+v", s)
		}
		began := time.Now()
		_, err := here.Call(t.Context(), "org.echo", client.CallOptions{}, client.Args(1))
		if !errors.Is(err, wamp.NetworkFailure) || time.Since(began) > 0 {
			t.Errorf("a call while the centre is away: %v after %v", err, time.Since(began))
		}
		for i := range 5 {
			w.publish(here, "com.example.a", i)
		}
		if s := w.link.State(); s.EventsUp.Dropped != 0 || s.Queue.Events != 5 {
			t.Errorf("state %+v", s)
		}
		time.Sleep(10 * time.Minute)
		w.centre.mend()
		w.settle()
		w.publish(here, "com.example.a", "again")
		wantHeard(t, atCentre, "com.example.a[0]map[]; com.example.a[1]map[]; com.example.a[2]map[]; com.example.a[3]map[]; "+
			"com.example.a[4]map[]; com.example.a[again]map[]")
		w.publish(there, "org.a", "again")
		wantHeard(t, atEdge, "org.a[again]map[]")
		for c, procedure := range map[*client.Client]string{here: "org.echo", there: "com.example.echo"} {
			r, err := c.Call(t.Context(), procedure, client.CallOptions{}, client.Args("again"))
			check(t, err)
			if r.Args()[0] != "again" {
				t.Errorf("%s: %v", procedure, r.Args())
			}
		}
		if s := w.link.State(); s.Reconnects != 1 || s.Queue.Events != 0 || s.EventsUp.Forwarded != 6 {
			t.Errorf("state %+v\n%s", s, w.log)
		}
	})
}

func TestCallsUnderWayFailWhenTheCentreGoesAway(t *testing.T) {
	tell(t, nil, both, func(t *testing.T, w *world) {
		started := make(chan struct{})
		w.offer(w.at(w.centre), "com.example.slow", func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			close(started)
			<-ctx.Done()
			return client.Payload{}, ctx.Err()
		})
		here := w.at(w.edge)
		called := make(chan error, 1)
		go func() {
			_, err := here.Call(t.Context(), "com.example.slow", client.CallOptions{}, client.Payload{})
			called <- err
		}()
		<-started
		w.centre.cut()
		if err := <-called; !errors.Is(err, wamp.NetworkFailure) {
			t.Errorf("call ended with %v", err)
		}
		w.centre.mend()
		w.settle()
	})
}

func TestRefusedRuleLeavesTheOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := uplink.Rule{Topic: "com.secret.", Match: wamp.Prefix}
		taken := uplink.Rule{Procedure: "com.example.taken"}
		w := build(t, []uplink.Rule{taken}, append([]uplink.Rule{secret, {Procedure: "com.example.mine"}}, both...),
			auth.Permission{URI: "com.secret.", Match: wamp.Prefix})
		defer w.tearDown()
		w.settle()
		here, there := w.at(w.edge), w.at(w.centre)
		atEdge := w.listen(here, "com.", wamp.Prefix)
		w.publish(there, "com.example.a", 1)
		wantHeard(t, atEdge, "com.example.a[1]map[]")
		time.Sleep(time.Hour)
		s := w.link.State()
		want := "import topic com.secret. (prefix), at the central router: wamp.error.not_authorized"
		if len(s.Refused) != 1 || !strings.HasPrefix(s.Refused[0], want) {
			t.Errorf("refused: %q", s.Refused)
		}
		if n := strings.Count(w.log.String(), "rule refused"); n != 1 {
			t.Errorf("%d lines about the refused rule:\n%s", n, w.log)
		}
	})
}

func TestRegistrationConflictIsResolvedByWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := build(t, []uplink.Rule{{Procedure: "com.example.mine"}}, nil)
		defer w.tearDown()
		w.settle()
		here, there := w.at(w.edge), w.at(w.centre)
		w.offer(here, "com.example.mine", func(context.Context, *client.Invocation) (client.Payload, error) {
			return client.Args("edge"), nil
		})
		w.centre.cut()
		synctest.Wait()
		var other *client.Registration
		other, err := there.Register(t.Context(), "com.example.mine", client.RegisterOptions{}, nil)
		check(t, err)
		w.centre.mend()
		w.settle()
		if s := w.link.State(); len(s.Refused) != 1 || !strings.Contains(s.Refused[0], "procedure_already_exists") {
			t.Errorf("refused: %q", s.Refused)
		}
		check(t, other.Unregister(t.Context()))
		time.Sleep(2 * time.Minute)
		if s := w.link.State(); len(s.Refused) > 0 {
			t.Errorf("refused: %q", s.Refused)
		}
		r, err := there.Call(t.Context(), "com.example.mine", client.CallOptions{}, client.Payload{})
		check(t, err)
		if r.Args()[0] != "edge" {
			t.Errorf("result %v", r.Args())
		}
	})
}

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		o    wamplink.Options
		want string
	}{
		{wamplink.Options{Name: "x"}, "uplink x: no URL of the central router"},
		{wamplink.Options{Name: "x", Remote: []wamplink.Remote{{}}, Export: []uplink.Rule{{Topic: "a..b"}}},
			`uplink x: export topic a..b: "a..b" is not a valid URI`},
	} {
		if _, err := wamplink.New(c.o); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
