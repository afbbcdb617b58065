package nats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/nats"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
)

func procedures(prefix string) nats.Rule {
	return nats.Rule{Rule: uplink.Rule{Procedure: prefix, Match: wamp.Prefix}}
}

// bothWays exports and imports the procedures below com.
func bothWays() nats.Options {
	return nats.Options{Export: []nats.Rule{procedures("com.")}, Import: []nats.Rule{procedures("com.")}}
}

// register registers a procedure and waits until the program at the cluster can call it.
func register(t *testing.T, s *site, p *plain, procedure string, o client.RegisterOptions, handle client.Handler) *client.Registration {
	t.Helper()
	r, err := s.program().Register(context.Background(), procedure, o, handle)
	kit.Must(t, err)
	if p != nil {
		if o.Match == wamp.Prefix {
			procedure += "7"
		}
		p.offered(t, procedure, true)
	}
	return r
}

// offered waits until a link offers a subject, or until the subject has no subscriber. Late answers count, too: no answer proves
// nothing on a slow machine.
func (p *plain) offered(t *testing.T, subject string, is bool) {
	t.Helper()
	var yes, no atomic.Bool
	box, err := p.Inbox(func(m *conn.Msg, err error) {
		if err == nil && m.NoResponders() {
			no.Store(true)
		} else if err == nil && string(m.Header.Get(payload.TypeField)) == payload.Offer {
			yes.Store(true)
		}
	})
	kit.Must(t, err)
	defer box.Close()
	// The link does not make a call of an unknown type.
	ask := conn.Out{Subject: subject, Reply: box.Subject, Header: conn.Header(nil).Add(payload.TypeField, "test")}
	got := &no
	if is {
		ask.Subject, ask.Header = "_RUNNEL.calls", conn.Header(nil).Add(payload.TypeField, payload.Ask).Add(payload.CallField, subject)
		got = &yes
	}
	kit.Eventually(t, fmt.Sprint(subject, " is offered: ", is), func() bool {
		kit.Must(t, p.Publish(ask))
		return got.Load()
	})
}

// alone connects to a server without a subscription.
func alone(t *testing.T, server *kit.NATS) *plain {
	p := newPlain(t, server)
	p.all.Unsubscribe()
	return p
}

func (p *plain) request(t *testing.T, subject, data string) *conn.Msg {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	m, err := p.Request(ctx, conn.Out{Subject: subject, Data: []byte(data)})
	kit.Must(t, err)
	return m
}

func show(args []any, kwargs map[string]any) string { return fmt.Sprintf("%v%v", args, kwargs) }

// Results, errors with their payloads, and progressive results cross between two realms.
func TestCalls(t *testing.T) { kit.EachNATS(t, testCalls) }

func testCalls(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a, b := newSite(t, "a", bothWays(), server), newSite(t, "b", bothWays(), server)
	p := alone(t, server)
	register(t, a, p, "com.echo", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		return client.Raw(inv.Payload), nil
	})
	register(t, a, p, "com.fail", client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
		return client.Payload{}, client.NewError("com.error.stuck", "valve", 3)
	})
	register(t, a, p, "com.count", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		for i := range 5 {
			inv.Progress(client.Args(i))
		}
		return client.Args("end"), nil
	})
	r := register(t, a, p, "com.job.", client.RegisterOptions{Match: wamp.Prefix}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		return client.Args(inv.Procedure()), nil
	})
	ctx := t.Context()
	caller := b.program()
	for _, body := range []client.Payload{{}, client.Args(1), client.Args("x", []byte{0}), client.Kwargs(map[string]any{"k": []any{true}}), client.Args(map[string]any{"args": []any{}})} {
		result, err := caller.Call(ctx, "com.echo", client.CallOptions{}, body)
		kit.Must(t, err)
		near, err := a.program().Call(ctx, "com.echo", client.CallOptions{}, body)
		kit.Must(t, err)
		if got, want := show(result.Args(), result.Kwargs()), show(near.Args(), near.Kwargs()); got != want {
			t.Errorf("got %s; want %s", got, want)
		}
	}
	_, err := caller.Call(ctx, "com.fail", client.CallOptions{}, client.Payload{})
	var failure *client.Error
	if !errors.As(err, &failure) || failure.URI != "com.error.stuck" || show(failure.Args(), nil) != "[valve 3]map[]" {
		t.Errorf("got %v", err)
	}
	var progress []string
	result, err := caller.Call(ctx, "com.count", client.CallOptions{Progress: func(r *client.Result) { progress = append(progress, fmt.Sprint(r.Args())) }}, client.Payload{})
	kit.Must(t, err)
	if fmt.Sprint(progress, result.Args()) != "[[0] [1] [2] [3] [4]] [end]" {
		t.Errorf("got %v %v", progress, result.Args())
	}
	result, err = caller.Call(ctx, "com.job.7", client.CallOptions{}, client.Payload{})
	kit.Must(t, err)
	if got := fmt.Sprint(result.Args()); got != "[com.job.7]" {
		t.Error(got)
	}
	kit.Must(t, r.Unregister(ctx))
	p.offered(t, "com.job.7", false)
	for _, procedure := range []string{"com.job.7", "com.none"} {
		if _, err := caller.Call(ctx, procedure, client.CallOptions{}, client.Payload{}); !errors.Is(err, wamp.NoSuchProcedure) {
			t.Errorf("%s: %v", procedure, err)
		}
	}
	if s := b.link.State(); s.CallsUp.Forwarded == 0 || s.CallsUp.Dropped != 0 {
		t.Errorf("%+v", s.CallsUp)
	}
	// The caller's realm has its own callee, so the call does not reach the other realm.
	register(t, b, nil, "com.echo", client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
		return client.Args("near"), nil
	})
	result, err = caller.Call(ctx, "com.echo", client.CallOptions{}, client.Args("far"))
	kit.Must(t, err)
	if got := fmt.Sprint(result.Args()); got != "[near]" {
		t.Error(got)
	}
}

// Programs that speak only NATS call procedures. They answer calls with JSON, with text, or like micro services.
func TestPlainPrograms(t *testing.T) { kit.EachNATS(t, testPlainPrograms) }

func testPlainPrograms(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a := newSite(t, "a", bothWays(), server)
	p := alone(t, server)
	register(t, a, p, "com.sum", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		args := inv.Args()
		if len(args) != 2 {
			return client.Payload{}, client.NewError(wamp.InvalidArgument.Error(), "two numbers, please")
		}
		return client.Args(args[0].(int64) + args[1].(int64)), nil
	})
	m := p.request(t, "com.sum", `{"args": [1, 2]}`)
	if string(m.Data) != "3" || string(m.Header.Get(payload.ContentTypeField)) != "application/json" {
		t.Errorf("%s %s", m.Header, m.Data)
	}
	m = p.request(t, "com.sum", `7`)
	if string(m.Header.Get("Nats-Service-Error-Code")) != "400" || !strings.Contains(string(m.Header.Get("Nats-Service-Error")), "two numbers") || string(m.Data) != `"two numbers, please"` {
		t.Errorf("%s %s", m.Header, m.Data)
	}
	for subject, answer := range map[string]conn.Out{
		"com.svc.json": {Data: []byte(`{"t": 21.5}`)},
		"com.svc.text": {Data: []byte(`plain text`)},
		"com.svc.none": {},
		"com.svc.fail": {Data: []byte(`{"valve": 3}`), Header: conn.Header(nil).Add("Nats-Service-Error", "it is stuck").Add("Nats-Service-Error-Code", "409")},
	} {
		_, err := p.Subscribe(subject, "q", func(m *conn.Msg) {
			answer.Subject = string(m.Reply)
			p.Publish(answer)
		})
		kit.Must(t, err)
	}
	kit.Must(t, p.Flush(t.Context()))
	caller := a.program()
	for procedure, want := range map[string]string{
		"com.svc.json": "[map[t:21.5]]map[] <nil>", "com.svc.text": "[plain text]map[] <nil>", "com.svc.none": "[]map[] <nil>",
		"com.svc.fail": "[it is stuck map[valve:3]]map[] nats.error.409: it is stuck",
	} {
		result, err := caller.Call(t.Context(), procedure, client.CallOptions{}, client.Args("x"))
		var args []any
		if failure := (*client.Error)(nil); errors.As(err, &failure) {
			args = failure.Args()
		} else if err == nil {
			args = result.Args()
		}
		if got := show(args, nil) + " " + fmt.Sprint(err); got != want {
			t.Errorf("%s: got %s; want %s", procedure, got, want)
		}
	}
}

// A call is canceled in the caller's mode, also when the caller's session or its connection to the cluster ends.
func TestCallIsCanceled(t *testing.T) { kit.EachNATS(t, testCallIsCanceled) }

func testCallIsCanceled(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a, b := newSite(t, "a", bothWays(), server), newSite(t, "b", bothWays(), server)
	a.link.ShortenCalls(20 * time.Millisecond)
	p := alone(t, server)
	began, modes := make(chan struct{}, 1), make(chan string, 1)
	register(t, a, p, "com.wait", client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		began <- struct{}{}
		<-ctx.Done()
		mode := ctx.Err().Error()
		if why := (*client.Interrupt)(nil); errors.As(context.Cause(ctx), &why) {
			mode = why.Mode.String()
		}
		modes <- mode
		return client.Payload{}, client.NewError("com.error.stopped")
	})
	for _, mode := range []wamp.CancelMode{wamp.Kill, wamp.KillNoWait} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := b.program().Call(ctx, "com.wait", client.CallOptions{CancelMode: mode}, client.Payload{})
			ended <- err
		}()
		kit.Receive(t, "the call", began)
		cancel()
		err := kit.Receive(t, "the end of the call", ended)
		var failure *client.Error
		if stopped := errors.As(err, &failure) && failure.URI == "com.error.stopped"; stopped != (mode == wamp.Kill) {
			t.Errorf("%v: %v", mode, err)
		}
		if got := kit.Receive(t, "the callee's end", modes); got != mode.String() {
			t.Errorf("the callee was canceled by %s; want %s", got, mode)
		}
	}
	// The call times out.
	go b.program().Call(t.Context(), "com.wait", client.CallOptions{Timeout: 50 * time.Millisecond}, client.Payload{})
	kit.Receive(t, "the call", began)
	kit.Receive(t, "the callee's end", modes)
	// The caller's session ends.
	gone := b.program()
	go gone.Call(t.Context(), "com.wait", client.CallOptions{}, client.Payload{})
	kit.Receive(t, "the call", began)
	gone.Close(t.Context())
	kit.Receive(t, "the callee's end", modes)
	// The connection of a calling link ends. No message cancels the call, but the sign of life finds no subscriber.
	far := alone(t, server)
	kit.Must(t, far.Send(conn.Out{Subject: "com.wait", Header: conn.Header(nil).Add(payload.TypeField, payload.Call)}, kit.Patience, func(*conn.Msg, error) {}))
	kit.Receive(t, "the call", began)
	far.Close()
	kit.Receive(t, "the callee's end", modes)
}

// Callees at two centres share the calls. Each call is made once. When a centre ends, the other one gets all calls.
func TestSharedRegistration(t *testing.T) { kit.EachNATS(t, testSharedRegistration) }

func testSharedRegistration(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a, b, c := newSite(t, "a", bothWays(), server), newSite(t, "b", bothWays(), server), newSite(t, "c", bothWays(), server)
	p := alone(t, server)
	var mu sync.Mutex
	made := map[string]int{}
	for _, s := range []*site{a, b} {
		register(t, s, p, "com.work", client.RegisterOptions{Invoke: wamp.RoundRobin}, func(context.Context, *client.Invocation) (client.Payload, error) {
			mu.Lock()
			defer mu.Unlock()
			made[s.name]++
			return client.Args(s.name), nil
		})
	}
	caller := c.program()
	calls := 0
	kit.Eventually(t, "both are called", func() bool {
		_, err := caller.Call(t.Context(), "com.work", client.CallOptions{}, client.Payload{})
		kit.Must(t, err)
		calls++
		mu.Lock()
		defer mu.Unlock()
		return made["a"] > 0 && made["b"] > 0
	})
	mu.Lock()
	if made["a"]+made["b"] != calls {
		t.Errorf("%d calls were made as %v", calls, made)
	}
	mu.Unlock()
	a.stop()
	kit.Receive(t, "the end of the link", a.ended)
	mu.Lock()
	clear(made)
	mu.Unlock()
	for range 20 {
		_, err := caller.Call(t.Context(), "com.work", client.CallOptions{}, client.Payload{})
		kit.Must(t, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if made["a"] != 0 || made["b"] != 20 {
		t.Errorf("after one centre has ended: %v", made)
	}
}

// A pending call survives the end of its callee's connection to the cluster. A call without an answer ends.
func TestCalleeLosesConnection(t *testing.T) { kit.EachNATS(t, testCalleeLosesConnection) }

func testCalleeLosesConnection(t *testing.T, binary string) {
	servers := kit.NATSCluster(t, binary, 2)
	for _, s := range servers {
		s.Start(t)
	}
	a, b := newSite(t, "a", bothWays(), servers[0], servers[1]), newSite(t, "b", bothWays(), servers[1])
	p := alone(t, servers[1])
	began, answer := make(chan struct{}, 1), make(chan struct{})
	register(t, a, p, "com.slow", client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
		began <- struct{}{}
		<-answer
		return client.Args("done"), nil
	})
	result := make(chan string, 1)
	go func() {
		r, err := b.program().Call(t.Context(), "com.slow", client.CallOptions{}, client.Payload{})
		if err == nil {
			result <- fmt.Sprint(r.Args())
			return
		}
		result <- err.Error()
	}()
	kit.Receive(t, "the call", began)
	first := a.link.State()
	servers[0].Kill()
	a.await("at the other server", func(s uplink.State) bool { return s.Up && s.URL != first.URL })
	close(answer)
	if got := kit.Receive(t, "the result", result); got != "[done]" {
		t.Error(got)
	}
}

// hasty returns a site whose link is up and waits only briefly for programs that answer calls: it probes after unit.
func hasty(t *testing.T, name string, opts nats.Options, server *kit.NATS, unit time.Duration) *site {
	t.Helper()
	s := newSite(t, name, opts, server)
	s.link.ShortenCalls(unit)
	s.await("up", isUp)
	return s
}

// The topics of another link can hide that a subject has no subscriber. A call to such a subject ends like one without
// a callee.
func TestTopicsCoverProcedures(t *testing.T) { kit.EachNATS(t, testTopicsCoverProcedures) }

func testTopicsCoverProcedures(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	opts := bothWays()
	opts.Import = append(opts.Import, nats.Rule{Rule: uplink.Rule{Topic: "com.", Match: wamp.Prefix, Static: true}})
	const unit = 250 * time.Millisecond // a slow machine answers the probe within 20 units
	hasty(t, "a", opts, server, unit)
	b := hasty(t, "b", opts, server, unit)
	if _, err := b.program().Call(t.Context(), "com.none", client.CallOptions{}, client.Payload{}); !errors.Is(err, wamp.NoSuchProcedure) {
		t.Error(err)
	}
}

// The program answers late, and no other link answers the probe.
func TestSlowProgram(t *testing.T) { kit.EachNATS(t, testSlowProgram) }

func testSlowProgram(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a := hasty(t, "a", bothWays(), server, 20*time.Millisecond)
	p := alone(t, server)
	probed := func(reply string) { // the link probes after 20 ms
		time.AfterFunc(200*time.Millisecond, func() { p.Publish(conn.Out{Subject: reply, Data: []byte(`"done"`)}) })
	}
	_, err := p.Subscribe("com.slow", "", func(m *conn.Msg) { probed(string(m.Reply)) })
	kit.Must(t, err)
	kit.Must(t, p.Flush(t.Context()))
	result, err := a.program().Call(t.Context(), "com.slow", client.CallOptions{Timeout: kit.Patience}, client.Payload{})
	kit.Must(t, err)
	if got := show(result.Args(), nil); got != "[done]map[]" {
		t.Error(got)
	}
}

// Damaged and hostile requests get an error or no answer. The link continues.
func TestHostileCalls(t *testing.T) { kit.EachNATS(t, testHostileCalls) }

func testHostileCalls(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a := newSite(t, "a", bothWays(), server)
	p := alone(t, server)
	var made atomic.Int64
	register(t, a, p, "com.echo", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		made.Add(1)
		return client.Raw(inv.Payload), nil
	})
	call := func(h conn.Header, data string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
		defer cancel()
		m, err := p.Request(ctx, conn.Out{Subject: "com.echo", Header: h, Data: []byte(data)})
		kit.Must(t, err)
		return string(m.Header.Get(payload.ErrorField))
	}
	typed := conn.Header(nil).Add(payload.TypeField, payload.Call)
	for _, h := range []conn.Header{
		typed.Add(payload.HopsField, "[[1,2]]"), typed.Add(payload.HopsField, "{"), typed.Add(payload.HopsField, strings.Repeat("[", 4000)),
		typed.Add(payload.ContentTypeField, "application/cbor"),
	} {
		if got := call(h, `{"x": 1}`); got != "wamp.error.invalid_argument" {
			t.Errorf("%.200s: %q", h, got)
		}
	}
	loop := payload.Hops([]client.Hop{{Node: "a/realm1"}, {Node: "x"}})
	if got := call(typed.Add(payload.HopsField, loop), "1"); got != "wamp.error.no_such_procedure" {
		t.Errorf("a call that was here before: %q", got)
	}
	if made.Load() != 0 {
		t.Errorf("%d hostile calls were made", made.Load())
	}
	for _, kind := range []string{payload.Event, payload.Result, payload.Alive, payload.Cancel, payload.Probe, payload.Covered, "x"} {
		h := conn.Header(nil).Add(payload.TypeField, kind)
		for _, subject := range []string{"com.echo", "_RUNNEL.calls"} {
			kit.Must(t, p.Publish(conn.Out{Subject: subject, Reply: "com.none", Header: h, Data: []byte("x")}))
			kit.Must(t, p.Publish(conn.Out{Subject: subject, Header: h.Add(payload.CallField, "_INBOX.x").Add(payload.ModeField, "kill")}))
		}
	}
	if got := call(typed.Add(payload.TimeoutField, "99999999999").Add(payload.ProgressField, "x"), `"ok"`); got != "" || made.Load() != 1 {
		t.Errorf("a call after hostile ones: %q, %d", got, made.Load())
	}
}
