package wamp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
)

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
			kit.Must(t, err)
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

// The link discloses a caller to the centre only if the caller discloses itself. If the centre does not allow that, the
// link retries without disclosure, and discloses no more callers in this session.
func TestDisclosedCaller(t *testing.T) {
	tell(t, both, []uplink.Rule{{Procedure: "org.", Match: wamp.Prefix}}, func(t *testing.T, w *world) {
		here, there := w.at(w.edge), w.at(w.centre)
		var disclosed []bool
		var err error
		w.offer(there, "org.who", func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			if disclosed = append(disclosed, inv.Caller() != 0); inv.Caller() != 0 {
				return client.Payload{}, err
			}
			return client.Payload{}, nil
		})
		for _, step := range []struct {
			name     string
			disclose bool
			err      error
			want     []bool
		}{
			{"not disclosed", false, nil, []bool{false}},
			{"disclosed", true, nil, []bool{true}},
			{"an error", true, client.NewError("com.example.error"), []bool{true}},
			{"not allowed", true, client.NewError(wamp.DiscloseMeNotAllowed.Error()), []bool{true, false}},
			{"not allowed before", true, nil, []bool{false}},
		} {
			disclosed, err = nil, step.err
			here.Call(t.Context(), "org.who", client.CallOptions{DiscloseMe: step.disclose}, client.Payload{})
			if !slices.Equal(disclosed, step.want) {
				t.Errorf("%s: the callee is called with a caller: %v, want %v", step.name, disclosed, step.want)
			}
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
		kit.Must(t, err)
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
			kit.Must(t, err)
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
					kit.Must(t, err)
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
