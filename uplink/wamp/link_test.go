package wamp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/spool"
	wamplink "runnel/uplink/wamp"
)

func TestEventsCrossBothWays(t *testing.T) {
	tell(t, both, both, func(t *testing.T, w *world) {
		here, there := w.at(w.edge), w.at(w.centre)
		atEdge := w.listen(w.at(w.edge), "com.", wamp.Prefix)
		atCentre := w.listen(w.at(w.centre), "com.", wamp.Prefix)
		kit.Must(t, here.Publish(t.Context(), "com.example.a", client.PublishOptions{Acknowledge: true},
			client.Payload{Args: []any{1, "x", []byte{0, 255}}, Kwargs: map[string]any{"k": []any{true, nil}}}))
		wantHeard(t, atCentre, "com.example.a[1 x [0 255]]map[k:[true <nil>]]")
		wantHeard(t, atEdge, "com.example.a[1 x [0 255]]map[k:[true <nil>]]") // once: no event comes back
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
		kit.Must(t, err)
		synctest.Wait()
		for i := range 1000 {
			kit.Must(t, c.Publish(t.Context(), "com.example.a", client.PublishOptions{}, client.Args(i)))
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

// A node's own events cross the link if a rule names them.
func TestTheNodesOwnEventsCrossByName(t *testing.T) {
	tell(t, []uplink.Rule{{Topic: "runnel.serial.", Match: wamp.Prefix}}, nil, func(t *testing.T, w *world) {
		atCentre := w.listen(w.at(w.centre), "runnel.", wamp.Prefix)
		w.publish(w.within(w.edge), "runnel.serial.on_state.x", 1)
		if got := atCentre.take(); !strings.HasSuffix(got, "runnel.serial.on_state.x[1]map[]") {
			t.Errorf("heard %q", got)
		}
	})
}

// A retained event crosses whether it is wanted or not, and is retained there, also if its publisher waits for no
// confirmation.
func TestRetainedEventsCross(t *testing.T) {
	for _, class := range []spool.Class{spool.Memory, spool.Disk} {
		rules := []uplink.Rule{{Topic: "com.", Match: wamp.Prefix, Store: class}}
		tell(t, rules, nil, func(t *testing.T, w *world) {
			c := w.at(w.edge)
			kit.Must(t, c.Publish(t.Context(), "com.a", client.PublishOptions{Retain: true}, client.Args(1)))
			kit.Must(t, c.Publish(t.Context(), "com.b", client.PublishOptions{Acknowledge: true, Retain: true}, client.Args(2)))
			w.publish(c, "com.c", 3)
			heard := ""
			_, err := w.at(w.centre).Subscribe(t.Context(), "com.", client.SubscribeOptions{Match: wamp.Prefix, GetRetained: true}, func(e *client.Event) {
				heard += fmt.Sprint(e.Topic(), e.Args())
			})
			kit.Must(t, err)
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
			kit.Must(t, err)
			if r.Args()[0] != "com.example.who" {
				t.Errorf("result %v", r.Args())
			}
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

		w.centre.Cut()
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
		if s := w.link.State(); s.EventsUp.Dropped != 0 || s.Queue.Events != 5 || s.CallsUp.Dropped != 1 {
			t.Errorf("state %+v", s)
		}
		time.Sleep(10 * time.Minute)
		w.centre.Mend()
		w.awaitUp()
		w.publish(here, "com.example.a", "again")
		wantHeard(t, atCentre, "com.example.a[0]map[]; com.example.a[1]map[]; com.example.a[2]map[]; com.example.a[3]map[]; "+
			"com.example.a[4]map[]; com.example.a[again]map[]")
		w.publish(there, "org.a", "again")
		wantHeard(t, atEdge, "org.a[again]map[]")
		for c, procedure := range map[*client.Client]string{here: "org.echo", there: "com.example.echo"} {
			r, err := c.Call(t.Context(), procedure, client.CallOptions{}, client.Args("again"))
			kit.Must(t, err)
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
		w.centre.Cut()
		if err := <-called; !errors.Is(err, wamp.NetworkFailure) {
			t.Errorf("call ended with %v", err)
		}
		if s := w.link.State().CallsUp; s.Dropped != 1 || s.Forwarded != 0 {
			t.Errorf("calls up: %+v", s)
		}
		w.centre.Mend()
		w.awaitUp()
	})
}

func TestRefusedRuleLeavesTheOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := uplink.Rule{Topic: "com.secret.", Match: wamp.Prefix}
		taken := uplink.Rule{Procedure: "com.example.taken"}
		w := build(t, []uplink.Rule{taken}, append([]uplink.Rule{secret, {Procedure: "com.example.mine"}}, both...),
			auth.Permission{URI: "com.secret.", Match: wamp.Prefix})
		defer w.tearDown()
		w.awaitUp()
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
		w.awaitUp()
		here, there := w.at(w.edge), w.at(w.centre)
		w.offer(here, "com.example.mine", func(context.Context, *client.Invocation) (client.Payload, error) {
			return client.Args("edge"), nil
		})
		w.centre.Cut()
		synctest.Wait()
		var other *client.Registration
		other, err := there.Register(t.Context(), "com.example.mine", client.RegisterOptions{}, nil)
		kit.Must(t, err)
		w.centre.Mend()
		w.awaitUp()
		if s := w.link.State(); len(s.Refused) != 1 || !strings.Contains(s.Refused[0], "procedure_already_exists") {
			t.Errorf("refused: %q", s.Refused)
		}
		kit.Must(t, other.Unregister(t.Context()))
		time.Sleep(2 * time.Minute)
		if s := w.link.State(); len(s.Refused) > 0 {
			t.Errorf("refused: %q", s.Refused)
		}
		r, err := there.Call(t.Context(), "com.example.mine", client.CallOptions{}, client.Payload{})
		kit.Must(t, err)
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
		{wamplink.Options{Name: "x", Remote: []wamplink.Remote{{}}, Import: []uplink.Rule{{Procedure: "a..b"}}},
			`uplink x: import procedure a..b: "a..b" is not a valid URI`},
	} {
		if _, err := wamplink.New(c.o); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
