package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
)

// router is a real router with one realm, in which every session may do everything.
type router struct {
	t      *testing.T
	router *edge.Router
	served sync.WaitGroup

	kit.Route // the clients' way to the router
}

func newRouter(t *testing.T, strict bool) *router {
	r := &router{t: t, router: edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})}
	kit.Must(t, r.router.AddRealm(edge.RealmOptions{
		Name: "realm1", Strict: strict, Anonymous: "all",
		Roles: []*auth.Role{auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}})},
	}))
	return r
}

// client joins a client that uses serializer s.
func (r *router) client(s wamp.Serializer, o client.Options) *client.Client {
	r.t.Helper()
	o.Realm, o.Dial = "realm1", func(context.Context) (client.Conn, error) {
		near, far := memory.Pipe(memory.Options{Serializer: s})
		r.served.Go(func() { r.router.Serve(far) })
		return near, r.Enter(far)
	}
	c, err := client.Connect(r.t.Context(), o)
	kit.Must(r.t, err)
	return c
}

func (r *router) close(clients ...*client.Client) {
	r.t.Helper()
	for _, c := range clients {
		if err := c.Close(context.Background()); err != nil {
			r.t.Error(err)
		}
	}
	if err := r.router.Close(context.Background()); err != nil {
		r.t.Error(err)
	}
	r.served.Wait()
}

// story runs a story of two clients in a strict realm, once for each serializer of one of them.
func story(t *testing.T, plot func(t *testing.T, r *router, a, b *client.Client)) {
	for _, s := range wamp.Serializers {
		t.Run(s.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRouter(t, true)
				a, b := r.client(s, client.Options{}), r.client(wamp.CBOR, client.Options{})
				defer r.close(a, b)
				plot(t, r, a, b)
			})
		})
	}
}

func TestStoryPublishSubscribe(t *testing.T) {
	story(t, func(t *testing.T, r *router, a, b *client.Client) {
		got := make(chan string, 9)
		for _, c := range []*client.Client{a, b} {
			_, err := c.Subscribe(t.Context(), "com.", client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) {
				got <- fmt.Sprint(e.Topic(), e.Args(), e.Kwargs())
			})
			kit.Must(t, err)
		}
		p := client.Payload{Args: []any{"x", 1, []byte{0, 1}, int64(1) << 60}, Kwargs: map[string]any{"k": 2.5}}
		for i, c := range []*client.Client{a, b, a, b} {
			kit.Must(t, c.Publish(t.Context(), "com.x", client.PublishOptions{Acknowledge: i > 1}, p))
			if e := <-got; e != "com.x[x 1 [0 1] 1152921504606846976] map[k:2.5]" {
				t.Errorf("event %s", e)
			}
		}
		synctest.Wait()
		if len(got) > 0 {
			t.Errorf("the publisher got its own event: %s", <-got)
		}
	})
}

func TestStoryCall(t *testing.T) {
	story(t, func(t *testing.T, r *router, a, b *client.Client) {
		_, err := a.Register(t.Context(), "com.count", client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			if len(inv.Args()) == 0 {
				return client.Payload{}, client.NewError("com.error.empty", 1, "two")
			}
			for i := range 3 {
				kit.Must(t, inv.Progress(client.Args(i)))
			}
			return client.Raw(inv.Payload), nil
		})
		kit.Must(t, err)
		for _, c := range []*client.Client{a, b} {
			var got []any
			result, err := c.Call(t.Context(), "com.count", client.CallOptions{Progress: func(r *client.Result) {
				got = append(got, r.Args()...)
			}}, client.Args("end"))
			kit.Must(t, err)
			if s := fmt.Sprint(got, result.Args()); s != "[0 1 2] [end]" {
				t.Errorf("results %s", s)
			}
			_, err = c.Call(t.Context(), "com.count", client.CallOptions{}, client.Payload{})
			var e *client.Error
			if !errors.As(err, &e) || e.URI != "com.error.empty" || fmt.Sprint(e.Args()) != "[1 two]" {
				t.Errorf("error %v", err)
			}
			if _, err := c.Call(t.Context(), "com.none", client.CallOptions{}, client.Payload{}); !errors.Is(err, wamp.NoSuchProcedure) {
				t.Errorf("error %v", err)
			}
		}
	})
}

func TestStoryCancel(t *testing.T) {
	story(t, func(t *testing.T, r *router, a, b *client.Client) {
		modes := make(chan string, 9)
		_, err := a.Register(t.Context(), "com.slow", client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			select {
			case <-ctx.Done():
				var i *client.Interrupt
				errors.As(context.Cause(ctx), &i)
				modes <- i.Mode.String()
			case <-time.After(time.Minute):
				modes <- "none"
			}
			return client.Payload{}, ctx.Err()
		})
		kit.Must(t, err)
		for _, c := range []struct {
			mode wamp.CancelMode
			want string
		}{{wamp.KillNoWait, "killnowait"}, {wamp.Kill, "kill"}, {wamp.Skip, "none"}} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := b.Call(ctx, "com.slow", client.CallOptions{CancelMode: c.mode}, client.Payload{})
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, wamp.Canceled) != (c.mode == wamp.Kill) {
				t.Errorf("%s: call ended with %v", c.mode, err)
			}
			if got := <-modes; got != c.want {
				t.Errorf("%s: the handler was interrupted with %s", c.mode, got)
			}
		}
		_, err = b.Call(t.Context(), "com.slow", client.CallOptions{Timeout: time.Second}, client.Payload{})
		if !errors.Is(err, wamp.Timeout) {
			t.Errorf("call ended with %v", err)
		}
		if got := <-modes; got != "killnowait" {
			t.Errorf("timeout: the handler was interrupted with %s", got)
		}
	})
}

func TestStoryReconnect(t *testing.T) {
	story(t, func(t *testing.T, r *router, a, b *client.Client) {
		events := make(chan any, 9)
		_, err := a.Subscribe(t.Context(), "com.topic", client.SubscribeOptions{}, func(e *client.Event) { events <- e.Args()[0] })
		kit.Must(t, err)
		_, err = a.Register(t.Context(), "com.echo", client.RegisterOptions{}, func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			if inv.Args()[0] == "wait" {
				<-ctx.Done()
			}
			return client.Raw(inv.Payload), nil
		})
		kit.Must(t, err)
		called := run(func() error {
			_, err := b.Call(t.Context(), "com.echo", client.CallOptions{}, client.Args("wait"))
			return err
		})
		synctest.Wait()
		for range 3 {
			r.Break() // the caller's connection first: the router would report to it that the callee has left
			synctest.Wait()
			time.Sleep(time.Minute)
			synctest.Wait()
			result, err := b.Call(t.Context(), "com.echo", client.CallOptions{}, client.Args("again"))
			kit.Must(t, err)
			if result.Args()[0] != "again" {
				t.Errorf("result %v", result.Args())
			}
			kit.Must(t, b.Publish(t.Context(), "com.topic", client.PublishOptions{}, client.Args("again")))
			<-events
		}
		synctest.Wait()
		if len(events) > 0 {
			t.Error("events come twice")
		}
		if err := <-called; !errors.Is(err, wamp.NetworkFailure) {
			t.Errorf("the call under way ended with %v", err)
		}
	})
}

func TestStoryRouterShutsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, false)
		c := r.client(wamp.CBOR, client.Options{Reconnect: client.Reconnect{Disabled: true}})
		r.close()
		<-c.Done()
		var e *client.Error
		if err := c.Err(); !errors.As(err, &e) || e.URI != wamp.CloseShutdown.Error() {
			t.Errorf("ended with %v", err)
		}
	})
}
