package nats_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
)

// inParts returns the input of a call: these arguments and the end. Without arguments, the input waits for ctx.
func inParts(n int, part func(i int) any) func(context.Context) (client.Payload, bool, error) {
	i := 0
	return func(context.Context) (client.Payload, bool, error) {
		i++
		return client.Args(part(i)), i < n, nil
	}
}

// endless is the input of a call that does not end: "x" at once, and then nothing.
func endless() func(context.Context) (client.Payload, bool, error) {
	i := 0
	return func(ctx context.Context) (client.Payload, bool, error) {
		if i++; i > 1 {
			<-ctx.Done()
			return client.Payload{}, false, ctx.Err()
		}
		return client.Args("x"), true, nil
	}
}

// collect is a callee that answers with its name and all parts.
func collect(name string) client.Handler {
	return func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		got := append([]any{name}, inv.Args()...)
		err := eachPart(ctx, inv, func(args []any) {
			got = append(got, args...)
			inv.Progress(client.Args(len(got)))
		})
		return client.Args(got...), err
	}
}

// eachPart calls take with each further part of a call's arguments.
func eachPart(ctx context.Context, inv *client.Invocation, take func(args []any)) error {
	for more := inv.More(); more; {
		p, next, err := inv.Input(ctx)
		if err != nil {
			return err
		}
		args, _, err := p.Decode()
		if err != nil {
			return err
		}
		take(args)
		more = next
	}
	return nil
}

// All parts of a call reach one callee, in order, although other routers offer the procedure, too. Large parts wait for
// the callee.
func TestCallInParts(t *testing.T) { kit.EachNATS(t, testCallInParts) }

func testCallInParts(t *testing.T, binary string) {
	servers := kit.NATSCluster(t, binary, 2)
	for _, s := range servers {
		s.Start(t)
	}
	a, b, c := newSite(t, "a", bothWays(), servers[0]), newSite(t, "b", bothWays(), servers[1]), newSite(t, "c", bothWays(), servers[1])
	p := alone(t, servers[1])
	for _, s := range []*site{a, b} {
		register(t, s, p, "com.collect", client.RegisterOptions{Invoke: wamp.RoundRobin, Extra: map[string]any{"nkey": s.name}}, collect(s.name))
	}
	caller := c.program()
	for round := range 10 {
		progress := 0
		r, err := caller.Call(t.Context(), "com.collect", client.CallOptions{
			Input: inParts(50, func(i int) any { return i }), Progress: func(*client.Result) { progress++ },
		}, client.Args(0))
		kit.Must(t, err)
		got := r.Args()
		if len(got) != 52 || progress != 50 {
			t.Fatalf("%d: %v, %d progressive results", round, got, progress)
		}
		for i, v := range got[1:] {
			if v != int64(i) {
				t.Fatalf("%d: %v", round, got)
			}
		}
	}
	// With a resource key, they reach the callee of the key.
	home := agreed(t, "com.collect", []*client.Client{caller, a.program(), b.program()}, "a", "b")
	for key, name := range home {
		r, err := a.program().Call(t.Context(), "com.collect", client.CallOptions{Input: inParts(2, func(i int) any { return i }), Extra: wamp.Sharding(key)}, client.Args(0))
		kit.Must(t, err)
		if got := fmt.Sprint(r.Args()...); got != name+" 0 1 2" && got != name+"0 1 2" {
			t.Errorf("%s: %s; others reach %s", key, got, name)
		}
	}
	// The parts have 4 MB in all, and the callee is slow.
	register(t, a, p, "com.measure", client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		size := 0
		err := eachPart(ctx, inv, func(args []any) { size += len(args[0].([]byte)) })
		return client.Args(size), err
	})
	r, err := caller.Call(t.Context(), "com.measure", client.CallOptions{Input: inParts(100, func(int) any { return make([]byte, 40_000) })}, client.Args(0))
	kit.Must(t, err)
	if got := fmt.Sprint(r.Args()...); got != "4000000" {
		t.Errorf("the callee got %s bytes", got)
	}
	// A part that is too long for a message ends the call.
	_, err = caller.Call(t.Context(), "com.measure", client.CallOptions{Input: inParts(2, func(int) any { return make([]byte, 1<<20) })}, client.Args(0))
	if !errors.Is(err, wamp.PayloadSizeExceeded) {
		t.Error(err)
	}
	// An error of the caller's input ends the call, too.
	broken := errors.New("the file is gone")
	_, err = caller.Call(t.Context(), "com.measure", client.CallOptions{Input: func(context.Context) (client.Payload, bool, error) { return client.Payload{}, false, broken }}, client.Args(0))
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

// Programs that speak only NATS get no call in parts.
func TestPlainProgramGetsNoParts(t *testing.T) { kit.EachNATS(t, testPlainProgramGetsNoParts) }

func testPlainProgramGetsNoParts(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a := newSite(t, "a", bothWays(), server)
	a.link.ShortenCalls(100 * time.Millisecond)
	a.await("up", isUp)
	p := alone(t, server)
	var asked atomic.Int64
	for _, queue := range []string{"", "q"} {
		_, err := p.Subscribe("com.plain", queue, func(m *conn.Msg) { asked.Add(1) })
		kit.Must(t, err)
	}
	kit.Must(t, p.Flush(t.Context()))
	_, err := a.program().Call(t.Context(), "com.plain", client.CallOptions{Input: inParts(2, func(i int) any { return i })}, client.Args(0))
	if !errors.Is(err, wamp.FeatureNotSupported) || asked.Load() > 0 {
		t.Errorf("%v; the program got %d messages", err, asked.Load())
	}
}

// A call in parts ends when it is canceled, and when its callee, the callee's link or the caller's link is lost.
func TestCallInPartsEnds(t *testing.T) { kit.EachNATS(t, testCallInPartsEnds) }

func testCallInPartsEnds(t *testing.T, binary string) {
	servers := kit.NATSCluster(t, binary, 2)
	for _, s := range servers {
		s.Start(t)
	}
	for name, end := range map[string]struct {
		end  func(callee *client.Client, cancel context.CancelFunc)
		want string
	}{
		"canceled":      {func(_ *client.Client, cancel context.CancelFunc) { cancel() }, "context canceled"},
		"callee leaves": {func(callee *client.Client, _ context.CancelFunc) { callee.Close(context.Background()) }, "wamp.error.canceled"},
		"callee's link": {func(*client.Client, context.CancelFunc) { servers[0].Kill() }, "wamp.error.network_failure"},
		"caller's link": {func(*client.Client, context.CancelFunc) { servers[1].Kill() }, "wamp.error.network_failure"},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := newSite(t, "a", bothWays(), servers[0]), newSite(t, "b", bothWays(), servers[1])
			a.link.ShortenLife()
			b.link.ShortenLife()
			p := alone(t, servers[1])
			callee := a.program()
			began, ended := make(chan struct{}, 1), make(chan struct{})
			_, err := callee.Register(t.Context(), "com.endless", client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
				defer close(ended)
				_, _, err := inv.Input(ctx)
				began <- struct{}{}
				if err == nil {
					_, _, err = inv.Input(ctx)
				}
				return client.Payload{}, err
			})
			kit.Must(t, err)
			p.offered(t, "com.endless", true)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			outcome := make(chan error, 1)
			caller := b.program()
			go func() {
				_, err := caller.Call(ctx, "com.endless", client.CallOptions{Input: endless()}, client.Args(0))
				outcome <- err
			}()
			kit.Receive(t, "the call", began)
			end.end(callee, cancel)
			if err := kit.Receive(t, "the end of the call", outcome); err == nil || !strings.Contains(err.Error(), end.want) {
				t.Errorf("the call ended with %v", err)
			}
			for _, s := range servers {
				s.Kill()
				s.Start(t)
			}
			kit.Receive(t, "the callee's end", ended)
		})
	}
}

// Missing, repeated and foreign parts end the call or have no effect. So do more parts than may be in flight.
func TestHostileParts(t *testing.T) { kit.EachNATS(t, testHostileParts) }

func testHostileParts(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a := newSite(t, "a", bothWays(), server)
	p := alone(t, server)
	stuck := make(chan struct{})
	register(t, a, p, "com.collect", client.RegisterOptions{}, collect("a"))
	register(t, a, p, "com.stuck", client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		<-stuck
		return client.Payload{}, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	m, err := p.Request(ctx, conn.Out{Subject: "_RUNNEL.calls", Header: conn.Header(nil).Add(payload.TypeField, payload.Ask).Add(payload.CallField, "com.collect")})
	kit.Must(t, err)
	link := "_RUNNEL.link." + string(m.Header.Get(payload.LinkField)) + "."
	if string(m.Header.Get(payload.TypeField)) != payload.Offer {
		t.Fatalf("%s", m.Header)
	}
	type part struct {
		subject, number string
		more            bool
		data            []byte
	}
	// call begins a call, sends parts and returns the type and the text of the answer.
	call := func(procedure string, parts ...part) string {
		t.Helper()
		answers := make(chan *conn.Msg, 1000)
		box, err := p.Inbox(func(m *conn.Msg, err error) {
			if err == nil {
				kit.Send(t, answers, m.Clone())
			}
		})
		kit.Must(t, err)
		defer box.Close()
		h := conn.Header(nil).Add(payload.TypeField, payload.Call).Add(payload.MoreField, "true")
		kit.Must(t, p.Publish(conn.Out{Subject: link + procedure, Reply: box.Subject, Header: h, Data: []byte("0")}))
		for _, q := range parts {
			h := conn.Header(nil).Add(payload.TypeField, payload.Part).Add(payload.CallField, box.Subject).Add(payload.PartField, q.number)
			if q.more {
				h = h.Add(payload.MoreField, "true")
			}
			kit.Must(t, p.Room(ctx))
			kit.Must(t, p.Publish(conn.Out{Subject: link + q.subject, Header: h, Data: q.data}))
		}
		for {
			m := kit.Receive(t, "the answer", answers)
			if kind := string(m.Header.Get(payload.TypeField)); kind != payload.Alive && kind != payload.Progress {
				return kind + " " + string(m.Header.Get(payload.ErrorField)) + " " + string(m.Data)
			}
		}
	}
	one, two := part{"com.collect", "1", true, []byte("1")}, part{"com.collect", "2", false, []byte("2")}
	if got := call("com.collect", one, two, two, one); got != `result  {"args":["a",0,1,2]}` {
		t.Error(got)
	}
	foreign, after := part{"com.other", "1", true, []byte("9")}, part{"com.collect", "x", true, []byte("9")}
	if got := call("com.collect", foreign, one, two); got != `result  {"args":["a",0,1,2]}` {
		t.Error(got)
	}
	for name, parts := range map[string][]part{"missing": {two}, "repeated": {one, one}, "without a number": {after}} {
		if got := call("com.collect", parts...); !strings.HasPrefix(got, "error wamp.error.network_failure") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := call("com.collect", part{"com.collect", "1", false, []byte(`{`)}); !strings.Contains(got, `"{"`) {
		t.Errorf("text: %s", got)
	}
	var many []part
	for i := range 100 {
		many = append(many, part{"com.stuck", fmt.Sprint(i + 1), true, bytes.Repeat([]byte("1"), 100_000)})
	}
	if got := call("com.stuck", many...); !strings.HasPrefix(got, "error wamp.error.unavailable") {
		t.Error(got)
	}
	close(stuck)
	a.await("up", isUp)
	if s := a.link.State(); s.Reconnects > 0 {
		t.Errorf("%+v", s)
	}
}
