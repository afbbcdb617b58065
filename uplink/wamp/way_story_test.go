package wamp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	wamplink "runnel/uplink/wamp"
)

// Events and calls cross at most MaxHops links.
func TestMaxHops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := buildWith(t, func(_ *world, o *wamplink.Options) { o.MaxHops = 3 }, both, both)
		defer w.tearDown()
		w.awaitUp()
		w.offer(w.at(w.edge), "com.example.call", func(context.Context, *client.Invocation) (client.Payload, error) {
			return client.Args("done"), nil
		})
		there, atEdge := w.within(w.centre), w.listen(w.at(w.edge), "com.example.a", wamp.Exact)
		for n, want := range []bool{true, true, true, false, false} {
			var way []client.Hop
			for i := range n {
				way = append(way, client.Hop{Node: fmt.Sprint("node", i)})
			}
			looped := w.link.State().Looped
			kit.Must(t, there.Publish(t.Context(), "com.example.a", client.PublishOptions{ForwardFor: way}, client.Args(n)))
			if got := atEdge.take(); (got == fmt.Sprintf("com.example.a[%d]map[]", n)) != want {
				t.Errorf("after %d links: heard %q", n, got)
			}
			_, err := there.Call(t.Context(), "com.example.call", client.CallOptions{ForwardFor: way}, client.Payload{})
			if (err == nil) != want || !want && !errors.Is(err, wamp.NoSuchProcedure) {
				t.Errorf("after %d links: call: %v", n, err)
			}
			if crossed := w.link.State().Looped == looped; crossed != want {
				t.Errorf("after %d links: %d messages are counted as loops", n, w.link.State().Looped-looped)
			}
		}
	})
}

// The link recognizes events that have passed the centre, even while the centre is unreachable, and after another
// router has replaced it.
func TestPlaceOfTheCentre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newNamedSite(t, "first"), newNamedSite(t, "second")
		defer first.close()
		defer second.close()
		w := buildWith(t, func(_ *world, o *wamplink.Options) {
			o.Remote = []wamplink.Remote{{URL: "tcp://first", Dial: first.dial}, {URL: "tcp://second", Dial: second.dial}}
		}, []uplink.Rule{{Topic: "com.example.", Match: wamp.Prefix, Static: true}}, nil)
		defer w.tearDown()
		here := w.within(w.edge)
		check := func(what string, loops map[string]bool) {
			t.Helper()
			for node, want := range loops {
				before := w.link.State().Looped
				o := client.PublishOptions{Acknowledge: true, ForwardFor: []client.Hop{{Node: node + "/realm1"}}}
				kit.Must(t, here.Publish(t.Context(), "com.example.a", o, client.Payload{}))
				synctest.Wait()
				if got := w.link.State().Looped > before; got != want {
					t.Errorf("%s: an event by way of %s is a loop: %v", what, node, got)
				}
			}
		}
		w.awaitUp()
		check("first", map[string]bool{"first": true, "second": false})
		second.Cut()
		first.Cut()
		synctest.Wait()
		check("away", map[string]bool{"first": true, "second": false})
		second.Mend()
		w.awaitUp()
		check("second", map[string]bool{"first": false, "second": true})
	})
}

// Details that only the end peers understand cross with the payload, in both directions.
func TestPayloadPassthruCrosses(t *testing.T) {
	tell(t, both, both, func(t *testing.T, w *world) {
		ends := map[string]any{"ppt_scheme": "x_own", "ppt_serializer": "cbor", "ppt_cipher": "xsalsa20poly1305", "ppt_keyid": "k1"}
		of := func(b *client.Body) string {
			text := ""
			for _, key := range []string{"ppt_scheme", "ppt_serializer", "ppt_cipher", "ppt_keyid"} {
				value, _ := b.Detail(key).Text()
				text += string(value) + " "
			}
			return text
		}
		const want = "x_own cbor xsalsa20poly1305 k1 "
		here, there := w.at(w.edge), w.at(w.centre)
		w.offer(here, "com.example.call", func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			if got := of(&inv.Body); got != want {
				t.Errorf("the call comes with %q", got)
			}
			return client.Payload{Args: []any{[]byte("result")}, Extra: ends}, nil
		})
		r, err := there.Call(t.Context(), "com.example.call", client.CallOptions{Extra: ends}, client.Args([]byte("call")))
		kit.Must(t, err)
		if got := of(&r.Body); got != want {
			t.Errorf("the result comes with %q", got)
		}
		for _, c := range []struct{ from, to *client.Client }{{here, there}, {there, here}} {
			heard := ""
			s, err := c.to.Subscribe(t.Context(), "com.example.a", client.SubscribeOptions{}, func(e *client.Event) { heard += of(&e.Body) })
			kit.Must(t, err)
			synctest.Wait()
			kit.Must(t, c.from.Publish(t.Context(), "com.example.a", client.PublishOptions{Acknowledge: true, Extra: ends}, client.Args([]byte("event"))))
			synctest.Wait()
			if heard != want {
				t.Errorf("the event comes with %q", heard)
			}
			kit.Must(t, s.Unsubscribe(t.Context()))
		}
	})
}

// Imported events that arrive while the local realm is unreachable are counted as dropped. They are logged twice: the
// first event, and the total.
func TestTheLocalRealmGoesAway(t *testing.T) {
	tell(t, nil, both, func(t *testing.T, w *world) {
		there := w.at(w.centre)
		w.listen(w.at(w.edge), "com.example.a", wamp.Exact)
		w.publish(there, "com.example.a", 0)
		w.edge.Cut()
		synctest.Wait()
		for i := range 3 {
			w.publish(there, "com.example.a", i)
		}
		if s := w.link.State(); !s.Up || s.EventsDown.Dropped != 3 || s.EventsDown.Forwarded != 1 {
			t.Errorf("state %+v", s)
		}
		w.edge.Mend()
		time.Sleep(time.Minute)
		w.publish(there, "com.example.a", 4)
		if s := w.link.State(); s.EventsDown.Dropped != 3 || s.EventsDown.Forwarded != 2 {
			t.Errorf("state %+v", s)
		}
		text := w.log.String()
		if strings.Count(text, "not connected; dropping events") != 1 || !strings.Contains(text, `msg="events dropped while not connected" uplink=central router=local events=3`) {
			t.Errorf("log: %s", text)
		}
	})
}

// Calls with one resource key reach one callee at the other side, in both directions.
func TestResourceKeyCrosses(t *testing.T) {
	tell(t, both, both, func(t *testing.T, w *world) {
		for procedure, side := range map[string]struct{ to, from *site }{
			"com.example.here": {w.edge, w.centre}, "com.example.there": {w.centre, w.edge},
		} {
			caller := w.at(side.from)
			for _, node := range []string{"n1", "n2", "n3"} {
				o := client.RegisterOptions{Invoke: wamp.RoundRobin, Extra: map[string]any{"nkey": node}}
				_, err := w.at(side.to).Register(t.Context(), procedure, o, func(context.Context, *client.Invocation) (client.Payload, error) {
					return client.Args(node), nil
				})
				kit.Must(t, err)
			}
			synctest.Wait()
			used := map[any]bool{}
			for i := range 20 {
				home := ""
				for range 4 {
					r, err := caller.Call(t.Context(), procedure, client.CallOptions{Extra: wamp.Sharding(fmt.Sprint("sn", i))}, client.Payload{})
					kit.Must(t, err)
					if got := fmt.Sprint(r.Args()...); home != "" && got != home {
						t.Fatalf("%s: sn%d reached %s, then %s", procedure, i, home, got)
					} else {
						home = got
					}
				}
				used[home] = true
			}
			if len(used) != 3 {
				t.Errorf("%s: 20 keys use the callees %v", procedure, used)
			}
		}
	})
}
