package wamp_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	wamplink "runnel/uplink/wamp"
)

func (w *world) crossed(want uint64) {
	w.Helper()
	synctest.Wait()
	if s := w.link.State(); s.EventsUp.Forwarded != want {
		w.Errorf("%d events have crossed, want %d", s.EventsUp.Forwarded, want)
	}
}

func TestEventsCrossWhereSomebodyWantsThem(t *testing.T) {
	tell(t, both, both, func(t *testing.T, w *world) {
		here, there := w.at(w.edge), w.at(w.centre)
		if !w.link.State().Interest {
			t.Error("cannot follow interest")
		}
		own := w.listen(here, "com.example.", wamp.Prefix) // makes the link subscribe there, which does not count as interest
		w.publish(here, "com.example.a", 1)
		w.crossed(0)
		for i, c := range []struct {
			topic string
			match wamp.Match
			want  uint64
		}{
			{"com.example.b", wamp.Exact, 0},
			{"com.example.a", wamp.Exact, 1},
			{"com.example.aa", wamp.Prefix, 0},
			{"com.exam", wamp.Prefix, 1},
			{"com..a", wamp.Wildcard, 1},
			{"com..a.", wamp.Wildcard, 0},
			{"..", wamp.Wildcard, 1},
		} {
			before := w.link.State().EventsUp.Forwarded
			s, err := there.Subscribe(t.Context(), c.topic, client.SubscribeOptions{Match: c.match}, func(*client.Event) {})
			kit.Must(t, err)
			synctest.Wait()
			w.publish(here, "com.example.a", i)
			w.crossed(before + c.want)
			kit.Must(t, s.Unsubscribe(t.Context()))
			synctest.Wait()
			w.publish(here, "com.example.a", i)
			w.crossed(before + c.want)
		}
		own.take()
	})
}

func TestInterestOfOthersInWhatTheLinkWantsItself(t *testing.T) {
	tell(t, both, both, func(t *testing.T, w *world) {
		here := w.at(w.edge)
		w.listen(here, "com.example.a", wamp.Exact)
		other, err := w.at(w.centre).Subscribe(t.Context(), "com.example.a", client.SubscribeOptions{}, func(*client.Event) {})
		kit.Must(t, err)
		synctest.Wait()
		w.publish(here, "com.example.a")
		w.crossed(1)
		kit.Must(t, other.Unsubscribe(t.Context()))
		synctest.Wait()
		w.publish(here, "com.example.a")
		w.crossed(1)

		w.centre.Cut() // and the subscriptions present at the next session are found
		synctest.Wait()
		w.listen(w.at(w.centre), "com.example.a", wamp.Exact)
		w.centre.Mend()
		w.awaitUp()
		w.publish(here, "com.example.a")
		w.crossed(2)
		w.publish(here, "com.example.b")
		w.crossed(2)
	})
}

func TestImportedTopicsAreSubscribedToAsTheyAreHere(t *testing.T) {
	tell(t, nil, both, func(t *testing.T, w *world) {
		here, there := w.at(w.edge), w.at(w.centre)
		w.publish(there, "com.example.a")
		if s := w.link.State(); s.EventsDown.Forwarded != 0 {
			t.Errorf("state %+v", s)
		}
		exact := w.listen(here, "com.example.a", wamp.Exact)
		wide := w.listen(here, "com.", wamp.Prefix)
		some := w.listen(here, "com..a", wamp.Wildcard)
		w.publish(there, "com.example.a", 1)
		wantHeard(t, exact, "com.example.a[1]map[]") // once, whatever number of subscriptions matches
		wantHeard(t, wide, "com.example.a[1]map[]")
		wantHeard(t, some, "com.example.a[1]map[]")
		w.publish(there, "com.other.a", 2)
		wantHeard(t, some, "")
		if s := w.link.State(); s.EventsDown.Forwarded != 1 {
			t.Errorf("state %+v", s)
		}
	})
}

func TestWhereTheCentreDoesNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := build(t, both, both, auth.Permission{URI: "wamp.", Match: wamp.Prefix})
		defer w.tearDown()
		w.awaitUp()
		here, there := w.at(w.edge), w.at(w.centre)
		if w.link.State().Interest {
			t.Error("interest is followed")
		}
		w.publish(here, "com.example.a")
		w.crossed(1)
		w.offer(there, "com.example.there", func(context.Context, *client.Invocation) (client.Payload, error) {
			return client.Args("there"), nil
		})
		r, err := here.Call(t.Context(), "com.example.there", client.CallOptions{}, client.Payload{})
		kit.Must(t, err)
		if r.Args()[0] != "there" {
			t.Errorf("result %v", r.Args())
		}
		if s := w.link.State(); len(s.Refused) != 0 {
			t.Errorf("refused: %q", s.Refused)
		}
	})
}

func TestStaticRules(t *testing.T) {
	static := []uplink.Rule{{Topic: "com.example.", Match: wamp.Prefix, Static: true}, {Procedure: "com.example.", Match: wamp.Prefix, Static: true}}
	tell(t, static, nil, func(t *testing.T, w *world) {
		w.publish(w.at(w.edge), "com.example.a")
		w.crossed(1)
		_, err := w.at(w.centre).Call(t.Context(), "com.example.none", client.CallOptions{}, client.Payload{})
		if !errors.Is(err, wamp.NoSuchProcedure) {
			t.Errorf("call: %v", err)
		}
		if s := w.link.State(); s.CallsDown.Forwarded != 1 || s.Interest { // no rule follows interest
			t.Errorf("state %+v", s)
		}
	})
}

func TestTheBestRuleDecides(t *testing.T) {
	tell(t, []uplink.Rule{{Topic: "com.", Match: wamp.Prefix}, {Topic: "com.example.a"}, {Topic: "com.example.", Match: wamp.Prefix}}, nil, func(t *testing.T, w *world) {
		h := w.listen(w.at(w.centre), "com.", wamp.Prefix)
		w.publish(w.at(w.edge), "com.example.a", 1)
		w.publish(w.at(w.edge), "com.example.b", 2)
		wantHeard(t, h, "com.example.a[1]map[]; com.example.b[2]map[]")
	})
}

// A local callee wins over the centre's, whatever the patterns and the order.
func TestLocalFirst(t *testing.T) {
	tell(t, nil, []uplink.Rule{{Procedure: "com.example.", Match: wamp.Prefix}}, func(t *testing.T, w *world) {
		here, there := w.at(w.edge), w.at(w.centre)
		where := func(place string) client.Handler {
			return func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args(place), nil }
		}
		call := func(want string) {
			t.Helper()
			r, err := here.Call(t.Context(), "com.example.a", client.CallOptions{}, client.Payload{})
			if want == "" {
				if !errors.Is(err, wamp.NoSuchProcedure) {
					t.Errorf("call: %v", err)
				}
				return
			}
			kit.Must(t, err)
			if r.Args()[0] != want {
				t.Errorf("%v answers, not %s", r.Args(), want)
			}
		}
		call("")
		w.offer(there, "com.example.a", where("centre"))
		call("centre")
		wide, err := here.Register(t.Context(), "com.", client.RegisterOptions{Match: wamp.Prefix}, where("edge"))
		kit.Must(t, err)
		call("edge")
		kit.Must(t, wide.Unregister(t.Context()))
		call("centre")
		same, err := here.Register(t.Context(), "com.example.a", client.RegisterOptions{}, where("edge"))
		kit.Must(t, err)
		call("edge")
		kit.Must(t, same.Unregister(t.Context()))

		w.centre.Cut()
		synctest.Wait()
		began := time.Now()
		_, err = here.Call(t.Context(), "com.example.a", client.CallOptions{}, client.Payload{})
		if !errors.Is(err, wamp.NetworkFailure) || time.Since(began) > 0 {
			t.Errorf("a call while the centre is away: %v after %v", err, time.Since(began))
		}
		if _, err = here.Call(t.Context(), "com.example.new", client.CallOptions{}, client.Payload{}); !errors.Is(err, wamp.NetworkFailure) {
			t.Errorf("a call of what may be there by now: %v", err)
		}
		w.centre.Mend()
		w.awaitUp()
		call("centre")
		if _, err = here.Call(t.Context(), "com.example.new", client.CallOptions{}, client.Payload{}); !errors.Is(err, wamp.NoSuchProcedure) {
			t.Errorf("a call of what is not there: %v", err)
		}
	})
}

// Local registrations are registered at the centre, with the same pattern and policy.
func TestExportedProceduresAreThoseThatExist(t *testing.T) {
	tell(t, both, nil, func(t *testing.T, w *world) {
		here, there := w.at(w.edge), w.at(w.centre)
		found := func(uri string, match wamp.Match) any {
			t.Helper()
			synctest.Wait()
			r, err := there.Call(t.Context(), "wamp.registration.lookup", client.CallOptions{}, client.Args(uri, map[string]any{"match": match.String()}))
			kit.Must(t, err)
			if r.Args()[0] == nil {
				return nil
			}
			r, err = there.Call(t.Context(), "wamp.registration.get", client.CallOptions{}, client.Args(r.Args()[0]))
			kit.Must(t, err)
			return r.Args()[0].(map[string]any)["invoke"]
		}
		if got := found("com.example.", wamp.Prefix); got != nil {
			t.Errorf("the pattern stands there: %v", got)
		}
		for _, c := range []struct {
			uri   string
			match wamp.Match
			as    string
			like  wamp.Match
		}{
			{"com.example.a", wamp.Exact, "com.example.a", wamp.Exact},
			{"com.example.b.", wamp.Prefix, "com.example.b.", wamp.Prefix},
			{"com.example..c", wamp.Wildcard, "com.example..c", wamp.Wildcard},
			{"com.", wamp.Prefix, "com.example.", wamp.Prefix}, // as far as it is exported
			{"com..d", wamp.Wildcard, "com.example.", wamp.Prefix},
		} {
			r, err := here.Register(t.Context(), c.uri, client.RegisterOptions{Match: c.match, Invoke: wamp.RoundRobin}, nil)
			kit.Must(t, err)
			if got := found(c.as, c.like); got != "roundrobin" {
				t.Errorf("%s (%s): as %s there stands %v", c.uri, c.match, c.as, got)
			}
			kit.Must(t, r.Unregister(t.Context()))
			if got := found(c.as, c.like); got != nil {
				t.Errorf("%s (%s): %s is still there", c.uri, c.match, c.as)
			}
		}
		_, err := here.Register(t.Context(), "com.other", client.RegisterOptions{}, nil)
		kit.Must(t, err)
		if got := found("com.other", wamp.Exact); got != nil {
			t.Errorf("what is not exported stands there: %v", got)
		}
	})
}

// Two links lead to a procedure, of which the first is down.
func TestTheNextLinkIsCalled(t *testing.T) {
	rules := []uplink.Rule{{Procedure: "com.example.", Match: wamp.Prefix}}
	tell(t, nil, rules, func(t *testing.T, w *world) {
		spare := newSite(t)
		defer spare.close()
		other, err := wamplink.New(wamplink.Options{
			Name: "spare", Realm: "realm1", RemoteRealm: "realm1", Local: w.edge.dial, Import: rules,
			Remote: []wamplink.Remote{{URL: "tcp://spare", Dial: spare.dial}},
		})
		kit.Must(t, err)
		ctx, stop := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- other.Run(ctx) }()
		defer func() { stop(); kit.Must(t, <-ended) }()
		for _, s := range []*site{w.centre, spare} {
			place := map[*site]string{w.centre: "centre", spare: "spare"}[s]
			w.offer(w.at(s), "com.example.a", func(context.Context, *client.Invocation) (client.Payload, error) {
				return client.Args(place), nil
			})
		}
		here := w.at(w.edge)
		call := func() (any, error) {
			r, err := here.Call(t.Context(), "com.example.a", client.CallOptions{}, client.Payload{})
			if err != nil {
				return nil, err
			}
			return r.Args()[0], nil
		}
		if who, err := call(); who != "centre" {
			t.Errorf("with both up: %v, %v", who, err)
		}
		w.centre.Cut()
		synctest.Wait()
		if who, err := call(); who != "spare" {
			t.Errorf("with the first one down: %v, %v", who, err)
		}
		spare.Cut()
		synctest.Wait()
		if who, err := call(); !errors.Is(err, wamp.NetworkFailure) {
			t.Errorf("with both down: %v, %v", who, err)
		}
		w.centre.Mend()
		w.awaitUp()
		if who, err := call(); who != "centre" {
			t.Errorf("with the first one back: %v, %v", who, err)
		}
	})
}
