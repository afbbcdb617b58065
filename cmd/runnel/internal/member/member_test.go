package member

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/report"
	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/memory"
)

// centre is a router with one realm, and a client there.
func centre(t *testing.T) (join func() *client.Client) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	r := edge.NewRouter(edge.Options{Log: quiet})
	all := auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})
	kit.Must(t, r.AddRealm(edge.RealmOptions{Name: "plant", Anonymous: "all", Roles: []*auth.Role{all}}))
	var serving sync.WaitGroup
	t.Cleanup(func() { r.Close(context.Background()); serving.Wait() })
	return func() *client.Client {
		c, err := client.Connect(t.Context(), client.Options{Realm: "plant", Log: quiet, Dial: func(context.Context) (client.Conn, error) {
			ours, theirs := memory.Internal(memory.Options{})
			serving.Go(func() { r.Serve(theirs) })
			return ours, nil
		}})
		kit.Must(t, err)
		t.Cleanup(func() { c.Close(context.Background()) })
		return c
	}
}

// plant is the router of a node. It answers a call with an error that describes it.
type plant struct{ status report.Status }

func (p *plant) Status() report.Status { return p.status }

func (p *plant) Call(_ context.Context, realm, procedure string, args client.Payload) (*client.Result, error) {
	return nil, client.NewError("com.example.called", realm, procedure, fmt.Sprint(args.Args...), fmt.Sprint(args.Kwargs))
}

func newMember(t *testing.T, remote bool) *Member {
	return &Member{Options: Options{Uplink: "central", Realm: "realm1", Remote: remote, Board: "Pi", Host: &plant{report.Status{Node: "gw-1"}}, Files: newPlace(t).Files, Log: slog.New(slog.DiscardHandler)}}
}

// serve registers the procedures of a centre.
func serve(t *testing.T, c *client.Client, procedures map[string]client.Handler) {
	t.Helper()
	for uri, answer := range procedures {
		match := wamp.Exact
		if strings.HasSuffix(uri, ".") {
			match = wamp.Prefix
		}
		_, err := c.Register(t.Context(), uri, client.RegisterOptions{Match: match}, answer)
		kit.Must(t, err)
	}
}

// entered admits a node and waits for the end of its call.
func entered(ended chan<- error) client.Handler {
	return func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		inv.Progress(client.Args(0, ""))
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return client.Payload{}, context.Cause(ctx)
	}
}

// A node that the centre has forgotten ends its call at the first report that is rejected, and sends no other.
func TestForgotten(t *testing.T) {
	join := centre(t)
	ended, told := make(chan error, 9), make(chan bool, 9)
	serve(t, join(), map[string]client.Handler{
		fleet.Attend: entered(ended),
		fleet.Tell: func(context.Context, *client.Invocation) (client.Payload, error) {
			told <- true
			return client.Payload{}, client.NewError(fleet.NotAttending, "forgotten")
		},
	})
	m := newMember(t, false)
	err := m.attend(t.Context(), join())
	if e := (*client.Error)(nil); !errors.As(err, &e) || e.URI != fleet.NotAttending {
		t.Errorf("%v", err)
	}
	kit.Receive(t, "the end of the call", ended)
	if n := len(told); n != 1 {
		t.Errorf("%d reports", n)
	}
}

// A node that the centre does not let in gets the reason, and sends no report.
func TestNotLetIn(t *testing.T) {
	join := centre(t)
	serve(t, join(), map[string]client.Handler{fleet.Attend: func(context.Context, *client.Invocation) (client.Payload, error) {
		return client.Payload{}, client.NewError(fleet.Full, "full")
	}})
	m, attended := newMember(t, false), make(chan error, 1)
	go func() { attended <- m.attend(t.Context(), join()) }()
	if e := (*client.Error)(nil); !errors.As(kit.Receive(t, "the end", attended), &e) || e.URI != fleet.Full {
		t.Errorf("%v", e)
	}
}

// Attend answers the commands of the centre, and ends with its context.
func TestAttend(t *testing.T) {
	join := centre(t)
	link := join()
	calls, answers, ended := make(chan bool, 9), make(chan string, 9), make(chan error, 9)
	serve(t, join(), map[string]client.Handler{
		fleet.Tell: func(context.Context, *client.Invocation) (client.Payload, error) { return client.Payload{}, nil },
		fleet.Attend: func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			inv.Progress(client.Args(0, ""))
			inv.Progress(client.Args(7, "status", []any{"a"}, map[string]any{}))
			inv.Progress(client.Args(8, fleet.Apply, []any{}, map[string]any{}))
			calls <- true
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return client.Payload{}, context.Cause(ctx)
		},
		fleet.Answer: func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			answers <- strings.TrimPrefix(inv.Procedure(), fleet.Answer) + fmt.Sprint(inv.Args())
			return client.Payload{}, nil
		},
		fleet.Fail: func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			answers <- strings.TrimPrefix(inv.Procedure(), fleet.Fail) + fmt.Sprint(inv.Args()[0])
			return client.Payload{}, nil
		},
	})
	ctx, stop := context.WithCancel(t.Context())
	m, left := newMember(t, true), make(chan bool, 1)
	go func() { m.Attend(ctx, link); left <- true }()
	kit.Receive(t, "the call", calls)
	got := []string{kit.Receive(t, "an answer", answers), kit.Receive(t, "an answer", answers)}
	slices.Sort(got)
	if want := []string{"7com.example.called", "8" + fleet.NotApplied}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	stop()
	kit.Receive(t, "the end", left)
	kit.Receive(t, "the end at the centre", ended)
}

// A report that fails is sent again.
func TestReportsAgain(t *testing.T) {
	join := centre(t)
	ended, told := make(chan error, 9), make(chan string, 9)
	fail := true
	serve(t, join(), map[string]client.Handler{
		fleet.Attend: entered(ended),
		fleet.Tell: func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			defer func() { fail = false }()
			about, _ := inv.Args()[0].(map[string]any)
			told <- fmt.Sprint(about["node"], about["board"])
			if fail {
				return client.Payload{}, client.NewError(wamp.Unavailable.Error())
			}
			return client.Payload{}, nil
		},
	})
	ctx, stop := context.WithCancel(t.Context())
	m, attended := newMember(t, false), make(chan error, 1)
	go func() { attended <- m.attend(ctx, join()) }()
	for range 2 {
		if got := kit.Receive(t, "a report", told); got != "gw-1Pi" {
			t.Error(got)
		}
	}
	stop()
	if err := kit.Receive(t, "the end", attended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	kit.Receive(t, "the end at the centre", ended)
}

// The commands of the list reach the router of the node, if it has remote = true, and no others.
func TestRun(t *testing.T) {
	p := client.Payload{Args: []any{"a"}, Kwargs: map[string]any{"b": true}}
	for _, c := range []struct {
		remote  bool
		command string
		want    string
	}{
		{false, "status", fleet.NotRemote}, {false, fleet.Apply, fleet.NotRemote},
		{true, "status", "realm1 runnel.status a map[b:true]"}, {true, "doctor", "realm1 runnel.doctor a map[b:true]"},
		{true, "queue.retry", "realm1 runnel.queue.retry a map[b:true]"}, {true, "reload", "realm1 runnel.reload a map[b:true]"},
		{true, "token.new", wamp.NoSuchProcedure.Error()}, {true, "", wamp.NoSuchProcedure.Error()},
		{true, fleet.Apply, fleet.NotApplied}, // the arguments are missing
	} {
		_, err := newMember(t, c.remote).run(t.Context(), command{7, c.command, p.Args, p.Kwargs})
		e := (*client.Error)(nil)
		if !errors.As(err, &e) || e.URI != c.want && fmt.Sprint(e.Args()) != "["+c.want+"]" {
			t.Errorf("%v, %s: %v", c.remote, c.command, err)
		}
	}
	for _, name := range fleet.Commands {
		if _, err := newMember(t, true).run(t.Context(), command{name: name}); errors.Is(err, wamp.NoSuchProcedure) {
			t.Errorf("%s is not known", name)
		}
	}
}

// Commands are answered with their number. More than mostBusy at once are rejected.
func TestTake(t *testing.T) {
	join := centre(t)
	failed := make(chan string, 16)
	serve(t, join(), map[string]client.Handler{fleet.Fail: func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		failed <- strings.TrimPrefix(inv.Procedure(), fleet.Fail) + " " + fmt.Sprint(inv.Args()...)
		return client.Payload{}, nil
	}})
	m, c := newMember(t, false), join()
	m.take(t.Context(), c, command{id: 5, name: "status"})
	if got := kit.Receive(t, "the error", failed); !strings.HasPrefix(got, "5 ") || !strings.Contains(got, fleet.NotRemote) {
		t.Error(got)
	}
	kit.Eventually(t, "the end of the command", func() bool { return m.busy.Load() == 0 })
	m.busy.Store(mostBusy - 1)
	m.take(t.Context(), c, command{id: 6, name: "status"})
	if got := kit.Receive(t, "the error", failed); !strings.HasPrefix(got, "6 ") || !strings.Contains(got, fleet.NotRemote) {
		t.Error(got)
	}
	kit.Eventually(t, "the end of the command", func() bool { return m.busy.Load() == mostBusy-1 })
	m.busy.Store(mostBusy)
	m.take(t.Context(), c, command{id: 7, name: "status"})
	if got := kit.Receive(t, "the error", failed); !strings.HasPrefix(got, "7 ") || !strings.Contains(got, "too many commands") {
		t.Error(got)
	}
	if n := m.busy.Load(); n != mostBusy {
		t.Errorf("%d are busy", n)
	}
	long := make([]any, 60)
	for i := range long {
		long[i] = i
	}
	m.fail(t.Context(), c, command{id: 8}, client.NewError("com.example.x", long...))
	if got := kit.Receive(t, "the error", failed); !strings.HasPrefix(got, "8 ") || !strings.HasSuffix(got, " 30 31") {
		t.Error(got)
	}
	m.fail(t.Context(), c, command{id: 9}, errors.New("odd"))
	if got := kit.Receive(t, "the error", failed); !strings.Contains(got, "wamp.error.runtime_error") || !strings.Contains(got, "odd") {
		t.Error(got)
	}
}

// A file from the centre takes effect after the answer. Other commands do not make it take effect.
func TestTakeApply(t *testing.T) {
	join := centre(t)
	answers := make(chan bool, 9)
	serve(t, join(), map[string]client.Handler{
		fleet.Answer: func(context.Context, *client.Invocation) (client.Payload, error) {
			answers <- true
			return client.Payload{}, nil
		},
		fleet.Fail: func(context.Context, *client.Invocation) (client.Payload, error) {
			answers <- false
			return client.Payload{}, nil
		},
	})
	m, p, c := newMember(t, true), newPlace(t), join()
	m.Files = p.Files
	begun := func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.pending.begun
	}
	_, err := p.Apply("a.toml", "new", "central", 0, false)
	kit.Must(t, err)
	for _, name := range []string{"status", fleet.Apply} { // the latter fails: a file is not confirmed yet
		m.take(t.Context(), c, command{id: 1, name: name, args: []any{"a.toml", "newer"}})
		if kit.Receive(t, "the answer", answers) {
			t.Errorf("%s has no error", name)
		}
		kit.Eventually(t, "the end of the command", func() bool { return m.busy.Load() == 0 })
		if begun() != (name == fleet.Apply) {
			t.Errorf("after %s: begun %v", name, begun())
		}
	}
}

// The pause ends early if the link has a new session.
func TestPause(t *testing.T) {
	c := centre(t)()
	m, ended := newMember(t, false), make(chan bool, 1)
	welcome, _ := c.Welcome()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { m.pause(ctx, c, welcome.Session+1, time.Hour); ended <- ctx.Err() == nil }()
	if !kit.Receive(t, "the end of the pause", ended) {
		t.Error("the pause ends with its context")
	}
	began := time.Now()
	const longest = checkInterval + checkInterval/4
	if m.pause(ctx, c, welcome.Session, longest); time.Since(began) < longest {
		t.Errorf("a pause of %v, not %v", time.Since(began), longest)
	}
}

// Each fault of a status is an alarm of the fleet. A sound status has none.
func TestAlarms(t *testing.T) {
	sound := report.Status{
		Serial:    []report.Serial{{Name: "s", State: "serving"}},
		Uplinks:   []report.Uplink{{Name: "c", Up: true, Certificate: &report.Certificate{}}},
		Listeners: []report.Listener{{URL: "tcp://x"}},
	}
	if got := alarms(&sound); len(got) > 0 {
		t.Error(got)
	}
	sick := report.Status{
		Faults:    []report.Fault{{Part: "listener x", Error: "taken"}},
		Router:    edge.Status{Realms: []edge.RealmStatus{{Name: "r", Trouble: "full"}, {Name: "well"}}},
		Serial:    []report.Serial{{Name: "s", State: "refused", Error: "busy", Alarms: []string{"silent"}}, {Name: "w", State: "waiting", Error: "gone"}},
		Uplinks:   []report.Uplink{{Name: "c", Clash: "clash", Refused: []string{"a.b", "a.c"}, Queue: report.Queue{Alarm: "read-only", HeldEvents: 1}, Certificate: &report.Certificate{Alarm: "expired"}}},
		Listeners: []report.Listener{{URL: "tls://x", Certificate: &report.Certificate{Alarm: "old"}}},
	}
	hook := report.Webhook{}
	hook.Name, hook.Problem = "h", "503"
	sick.Webhooks = []report.Webhook{{}, hook}
	want := []string{
		"listener x: taken", "realm r: full", "serial line s: silent", "serial line s: the port is not open (refused): busy",
		"serial line w: the port is not open (waiting): gone", "uplink c: the link is down", "uplink c: clash", "uplink c: its queue: read-only",
		"uplink c: the far side rejects events, which are held", "uplink c: rejected: a.b", "uplink c: expired", "listener tls://x: old", "webhook h: 503",
	}
	if got := alarms(&sick); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Counters are no news, other changes are.
func TestNews(t *testing.T) {
	before := fleet.Report{Uptime: 1, Queues: []fleet.QueueReport{{Uplink: "c", Events: 3}}}
	for _, c := range []struct {
		what string
		next fleet.Report
		news bool
	}{
		{"uptime", fleet.Report{Uptime: 2, Queues: []fleet.QueueReport{{Uplink: "c", Events: 3}}}, false},
		{"a longer queue", fleet.Report{Uptime: 1, Queues: []fleet.QueueReport{{Uplink: "c", Events: 4}}}, false},
		{"held events", fleet.Report{Uptime: 1, Queues: []fleet.QueueReport{{Uplink: "c", Events: 3, Held: 1}}}, true},
		{"another uplink", fleet.Report{Uptime: 1, Queues: []fleet.QueueReport{{Uplink: "d", Events: 3}}}, true},
		{"an alarm", fleet.Report{Uptime: 1, Queues: before.Queues, Alarms: []string{"x"}}, true},
	} {
		if news := newsOf(c.next) != newsOf(before); news != c.news {
			t.Errorf("%s: %v", c.what, news)
		}
	}
	if newsOf(fleet.Report{Queues: []fleet.QueueReport{{Held: 1}}}) != newsOf(fleet.Report{Queues: []fleet.QueueReport{{Held: 2}}}) {
		t.Error("the number of held events is news")
	}
}

// The state of a node names its lines and queues.
func TestState(t *testing.T) {
	m := newMember(t, true)
	m.Host = &plant{report.Status{
		Node: "gw-1", Version: "1.2", Uptime: 7, Serial: []report.Serial{{Name: "s", State: "serving"}},
		Uplinks: []report.Uplink{{Name: "c", Up: true, Queue: report.Queue{Events: 5, HeldEvents: 0}}},
	}}
	r := m.state()
	if got := fmt.Sprintf("%s %s %s %v %v %v %v %v %v", r.Node, r.Version, r.Board, r.Uptime, r.Remote, r.Lines, r.Queues, r.Alarms, r.Applied); got != "gw-1 1.2 Pi 7 true [{s serving}] [{c 5 0}] [] <nil>" {
		t.Error(got)
	}
}
