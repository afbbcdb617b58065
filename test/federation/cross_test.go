package federation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// pair is an edge and a centre, with a client at each.
type pair struct {
	edge, centre *node
	here, there  *client.Client
}

func newPair(t *testing.T, extra, rules string) *pair {
	t.Helper()
	p := &pair{centre: start(t, "centre", "")}
	p.edge = start(t, "edge", linkTo("central", p.centre, extra+rules))
	p.here, p.there = p.edge.join(), p.centre.join()
	p.edge.up(p.here, "central")
	return p
}

func TestTopicsCrossAsTheyAre(t *testing.T) {
	p := newPair(t, "", shares("export topic com.example.", "import topic com.example.", "export topic org.a. local_prefix=\"org.\" remote_prefix=\"site7.\"",
		"import topic site8. local_prefix=\"net.\" remote_prefix=\"site8.\""))
	for _, way := range []struct {
		name     string
		from, to *node
		by, at   *client.Client
	}{{"up", p.edge, p.centre, p.here, p.there}, {"down", p.centre, p.edge, p.there, p.here}} {
		exact := way.to.listen(way.at, "com.example.a.b", wamp.Exact)
		prefix := way.to.listen(way.at, "com.example.", wamp.Prefix)
		wildcard := way.to.listen(way.at, "com..a.", wamp.Wildcard)
		for _, h := range []*heard{exact, prefix, wildcard} {
			way.from.reaches(way.by, "com.example.a.b", h)
		}
		way.from.publish(way.by, "com.example.a.b", 1, []any{true, nil}, map[string]any{"k": []byte{0, 255}})
		text := "com.example.a.b" + fmt.Sprint([]any{1, []any{true, nil}, map[string]any{"k": []byte{0, 255}}})
		for _, h := range []*heard{exact, prefix, wildcard} {
			h.has(t, text, 1)
		}
		way.from.publish(way.by, "com.other", way.name)
		way.from.publish(way.by, "com.example.end", way.name)
		prefix.has(t, "com.example.end["+way.name+"]", 1)
	}
	renamed := p.centre.listen(p.there, "site7.", wamp.Prefix)
	kit.Eventually(t, "the interest has travelled", func() bool {
		p.edge.publish(p.here, "org.a.y", "z")
		return renamed.count("site7.a.y[z]") > 0
	})
	brought := p.edge.listen(p.here, "net.", wamp.Prefix)
	kit.Eventually(t, "the interest has travelled", func() bool {
		p.centre.publish(p.there, "site8.y", "z")
		return brought.count("net.y[z]") > 0
	})
}

func TestEventsCrossOnlyWhereTheyAreWanted(t *testing.T) {
	p := newPair(t, "", shares("export topic com.example. store=\"memory\"", "import topic com.example."))
	for i := range 10 {
		p.edge.publish(p.here, "com.example.a", i)
	}
	h := p.centre.listen(p.there, "com.example.b", wamp.Exact)
	p.edge.reaches(p.here, "com.example.b", h)
	for i := range 10 {
		p.edge.publish(p.here, "com.example.a", i)
	}
	p.edge.publish(p.here, "com.example.b", "last")
	h.has(t, "com.example.b[last]", 1)
	wanted := uint64(len(h.all()))
	kit.Eventually(t, "what crosses is counted", func() bool { return p.edge.link(p.here, "central").EventsUp.Forwarded >= wanted })
	if got := p.edge.link(p.here, "central").EventsUp.Forwarded; got != wanted {
		t.Errorf("%d events have crossed, %d were wanted", got, wanted)
	}
}

// All features of calls, in both directions.
func TestCallsKeepTheirMeaning(t *testing.T) {
	p := newPair(t, "", shares("export procedure com.example.", "import procedure org.example."))
	for _, way := range []struct {
		name   string
		callee *node
		here   *client.Client
		prefix string
		caller *node
		there  *client.Client
	}{{"up", p.centre, p.there, "org.example.", p.edge, p.here}, {"down", p.edge, p.here, "com.example.", p.centre, p.there}} {
		t.Run(way.name, func(t *testing.T) {
			interrupted := make(chan wamp.CancelMode, 100)
			left := make(chan time.Duration, 100) // a call that has timed out may reach the callee after the next one
			way.callee.offer(way.here, way.prefix+"echo", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
				return client.Payload{Args: inv.Args(), Kwargs: inv.Kwargs()}, nil
			})
			way.callee.offer(way.here, way.prefix+"fail", client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
				return client.Payload{}, client.NewError("com.example.error.own", "text", 5)
			})
			way.callee.offer(way.here, way.prefix+"who", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
				return client.Args(fmt.Sprint(inv.ForwardFor())), nil
			})
			way.callee.offer(way.here, way.prefix+"slow", client.RegisterOptions{ForwardTimeout: true}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
				left <- inv.Timeout()
				<-ctx.Done()
				var i *client.Interrupt
				if errors.As(context.Cause(ctx), &i) {
					interrupted <- i.Mode
				}
				return client.Args("what there was"), nil
			})
			way.callee.offer(way.here, way.prefix+"stream", client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
				n := 0
				for more := inv.More(); more; n++ {
					var err error
					if _, more, err = inv.Input(ctx); err != nil {
						return client.Payload{}, err
					}
					if err := inv.Progress(client.Args(n)); err != nil {
						return client.Payload{}, err
					}
				}
				return client.Args("end"), nil
			})
			way.callee.offer(way.here, way.prefix+"all.", client.RegisterOptions{Match: wamp.Prefix}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
				return client.Args(inv.Procedure()), nil
			})

			r, err := way.caller.call(way.there, way.prefix+"echo", client.CallOptions{}, 1, []byte{7}, "x")
			if err != nil || fmt.Sprint(r.Args()) != "[1 [7] x]" {
				t.Fatalf("echo: %v", err)
			}
			_, err = way.caller.call(way.there, way.prefix+"fail", client.CallOptions{})
			var e *client.Error
			if !errors.As(err, &e) || e.URI != "com.example.error.own" || fmt.Sprint(e.Args()) != "[text 5]" {
				t.Errorf("fail: %v", err)
			}
			r, err = way.caller.call(way.there, way.prefix+"all.of.them", client.CallOptions{})
			if err != nil || r.Args()[0] != way.prefix+"all.of.them" {
				t.Errorf("a pattern: %v", err)
			}

			r, err = way.caller.call(way.there, way.prefix+"who", client.CallOptions{DiscloseMe: true})
			w, _ := way.there.Welcome()
			if err != nil || !strings.HasPrefix(r.Args()[0].(string), fmt.Sprintf("[{%d %s guest %s/realm1}", w.Session, w.Authid(), way.caller.name)) {
				t.Errorf("who: %v %v, the caller is %d %s", r, err, w.Session, w.Authid())
			}

			var progress []any
			sent := 0
			r, err = way.caller.call(way.there, way.prefix+"stream", client.CallOptions{
				Input:    func(context.Context) (client.Payload, bool, error) { sent++; return client.Args(sent), sent < 3, nil },
				Progress: func(r *client.Result) { progress = append(progress, r.Args()...) },
			}, 0)
			if err != nil || fmt.Sprint(progress, r.Args()) != "[0 1 2] [end]" {
				t.Errorf("stream: %v %v", progress, err)
			}

			for _, mode := range []wamp.CancelMode{wamp.Kill, wamp.KillNoWait} {
				ctx, cancel := context.WithCancel(t.Context())
				go func() { <-left; cancel() }() // the callee has it
				kit.Eventually(t, "slow is there", func() bool {
					r, err = way.there.Call(ctx, way.prefix+"slow", client.CallOptions{CancelMode: mode}, client.Payload{})
					return !errors.Is(err, wamp.NoSuchProcedure)
				})
				if got := <-interrupted; got != mode {
					t.Errorf("%s: the callee was interrupted with %s", mode, got)
				}
				if mode == wamp.Kill && (err != nil || r.Args()[0] != "what there was") {
					t.Errorf("%s: %v", mode, err)
				}
				if mode == wamp.KillNoWait && !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", mode, err)
				}
			}
			for limit := time.Second; ; limit *= 2 { // on a slow machine the first may be over before the callee has it
				_, err = way.caller.call(way.there, way.prefix+"slow", client.CallOptions{Timeout: limit})
				if !errors.Is(err, wamp.Timeout) {
					t.Errorf("timeout: %v", err)
				}
				select {
				case got := <-left:
					if got <= 0 || got > limit {
						t.Errorf("the callee has %v of %v", got, limit)
					}
				default:
					if limit < kit.Patience {
						continue
					}
					t.Error("no call reaches the callee in time")
				}
				break
			}
		})
	}
}

// While a link is down, calls fail at once, and pending ones end. After it reconnects, all works as before.
func TestLinkDown(t *testing.T) {
	p := newPair(t, "", shares("export procedure com.example.", "import procedure org.example.", "export topic com.example.", "import topic org.example."))
	started := make(chan struct{}, 2)
	wait := func(ctx context.Context, _ *client.Invocation) (client.Payload, error) {
		started <- struct{}{}
		<-ctx.Done()
		return client.Payload{}, ctx.Err()
	}
	answer := func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args("here"), nil }
	p.centre.offer(p.there, "org.example.slow", client.RegisterOptions{}, wait)
	p.centre.offer(p.there, "org.example.fast", client.RegisterOptions{}, answer)
	p.edge.offer(p.here, "com.example.slow", client.RegisterOptions{}, wait)
	p.edge.offer(p.here, "com.example.fast", client.RegisterOptions{}, answer)
	for _, name := range []string{"org.example.fast"} {
		if _, err := p.edge.call(p.here, name, client.CallOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.centre.call(p.there, "com.example.fast", client.CallOptions{}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	for c, name := range map[*client.Client]string{p.here: "org.example.slow", p.there: "com.example.slow"} {
		go func() {
			for {
				_, err := c.Call(t.Context(), name, client.CallOptions{}, client.Payload{})
				if !errors.Is(err, wamp.NoSuchProcedure) {
					ended <- err
					return
				}
			}
		}()
	}
	<-started
	<-started
	p.centre.line.become(quality{cut: true})
	for range 2 {
		if err := <-ended; err == nil {
			t.Error("a call under way has a result")
		}
	}
	kit.Eventually(t, "the link is down", func() bool { return !p.edge.link(p.here, "central").Up })
	_, err := p.here.Call(t.Context(), "org.example.fast", client.CallOptions{}, client.Payload{})
	if !errors.Is(err, wamp.NetworkFailure) {
		t.Errorf("a call while the link is down: %v", err)
	}
	p.centre.line.become(quality{})
	p.edge.up(p.here, "central")
	kit.Eventually(t, "the call comes through again", func() bool {
		_, err := p.here.Call(t.Context(), "org.example.fast", client.CallOptions{}, client.Payload{})
		return err == nil
	})
	if _, err := p.centre.call(p.there, "com.example.fast", client.CallOptions{}); err != nil {
		t.Error(err)
	}
}

func TestLocalFirst(t *testing.T) {
	p := newPair(t, "", shares("import procedure com.example.", "export procedure com.example."))
	where := func(name string) client.Handler {
		return func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args(name), nil }
	}
	p.centre.offer(p.there, "com.example.a", client.RegisterOptions{}, where("centre"))
	calls := func(want string) {
		t.Helper()
		kit.Eventually(t, want+" answers", func() bool {
			r, err := p.edge.call(p.here, "com.example.a", client.CallOptions{})
			return err == nil && r.Args()[0] == want
		})
	}
	calls("centre")
	local := p.edge.join()
	p.edge.offer(local, "com.example.a", client.RegisterOptions{}, where("edge"))
	calls("edge")
	local.Close(t.Context())
	calls("centre")
}
