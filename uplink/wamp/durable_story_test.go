package wamp_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/spool"
	wamplink "runnel/uplink/wamp"
)

// keeping makes the site a router with a data directory, where links may, or may not, create durable subscriptions.
func (s *site) keeping(dir string, may bool) {
	s.t.Helper()
	s.dir = dir
	s.router = edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})
	kit.Must(s.t, s.router.AddRealm(keepingRealm(dir, may)))
}

func keepingRealm(dir string, may bool) edge.RealmOptions {
	link := auth.NewRole("link", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}).WithForward()
	if may {
		link = link.WithDurable()
	}
	return edge.RealmOptions{Name: "realm1", State: dir, Anonymous: "all", Roles: []*auth.Role{fullRole, link}}
}

func keptRule(uri string, age time.Duration) uplink.Rule {
	return uplink.Rule{Topic: uri, Match: wamp.Prefix, Store: spool.Durable, MaxAge: age}
}

// tellKept runs a story at a centre that keeps events for the link.
func tellKept(t *testing.T, may bool, change func(*world, *wamplink.Options), plot func(t *testing.T, w *world)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := buildWith(t, func(w *world, o *wamplink.Options) {
			w.centre.keeping(dir, may)
			o.Node = "gw/central"
			change(w, o)
		}, nil, []uplink.Rule{keptRule("com.example.", time.Hour)})
		defer w.tearDown()
		w.awaitUp()
		plot(t, w)
	})
}

func unchanged(*world, *wamplink.Options) {}

// keptThere lists the durable subscriptions at the centre: name and events.
func (w *world) keptThere() (list []string) {
	w.Helper()
	for _, m := range w.centre.router.Status().Realms {
		for _, d := range m.Durable {
			list = append(list, fmt.Sprintf("%s %s %d", d.Name, d.URI, d.Events))
		}
	}
	return list
}

// up waits until the link is up again and idle.
func (w *world) up() {
	w.centre.Mend()
	w.awaitUp()
	time.Sleep(5 * time.Second)
	synctest.Wait()
}

// Events published at the centre while the link is down arrive later, in order and once, unless their time is over.
func TestKeptImport(t *testing.T) {
	tellKept(t, true, unchanged, func(t *testing.T, w *world) {
		h := w.listen(w.at(w.edge), "com.example.", wamp.Prefix)
		there := w.at(w.centre)
		w.publish(there, "com.example.a", 1)
		wantHeard(t, h, "com.example.a[1]map[]")
		w.centre.Cut()
		synctest.Wait()
		for i := range 3 {
			w.publish(there, "com.example.a", 2+i)
		}
		kit.Must(t, there.Publish(t.Context(), "com.example.valve", client.PublishOptions{Acknowledge: true, TTL: time.Minute}, client.Args("late")))
		time.Sleep(10 * time.Minute)
		w.publish(there, "com.example.a", 5)
		w.up()
		wantHeard(t, h, "com.example.a[2]map[]; com.example.a[3]map[]; com.example.a[4]map[]; com.example.a[5]map[]")
		w.publish(there, "com.example.a", 6)
		wantHeard(t, h, "com.example.a[6]map[]")
		w.centre.Cut()
		synctest.Wait()
		w.publish(there, "com.example.a", "older than max_age")
		time.Sleep(2 * time.Hour)
		w.publish(there, "com.example.a", 7)
		w.up()
		wantHeard(t, h, "com.example.a[7]map[]")
		if s := w.link.State(); len(s.Refused) != 0 || s.EventsDown.Forwarded != 7 {
			t.Errorf("%+v", s)
		}
	})
}

// A subscriber gets the remaining lifetime of the event: the rest of the publisher's limit or of max_age.
func TestKeptImportPassesTimeOn(t *testing.T) {
	tellKept(t, true, unchanged, func(t *testing.T, w *world) {
		var left []time.Duration
		var when []time.Time
		_, err := w.at(w.edge).Subscribe(t.Context(), "com.example.a", client.SubscribeOptions{}, func(e *client.Event) {
			left, when = append(left, e.TTL()), append(when, e.Time())
		})
		kit.Must(t, err)
		w.centre.Cut()
		synctest.Wait()
		there, began := w.at(w.centre), time.Now()
		for _, ttl := range []time.Duration{30 * time.Minute, 0, 3 * time.Hour} {
			kit.Must(t, there.Publish(t.Context(), "com.example.a", client.PublishOptions{Acknowledge: true, TTL: ttl}, client.Args(1)))
		}
		time.Sleep(10 * time.Minute)
		w.up()
		if len(left) != 3 {
			t.Fatalf("%d events came", len(left))
		}
		passed := time.Since(began)
		for i, most := range []time.Duration{20 * time.Minute, 50 * time.Minute, 50 * time.Minute} {
			if left[i] > most || left[i] < most-passed+10*time.Minute || when[i].Sub(began).Abs() > time.Second {
				t.Errorf("event %d: %v are left of %v, published %v", i, left[i], most, when[i])
			}
		}
	})
}

// Without the permission, the rule is an ordinary import, and the state has the remedy. With the permission, no event
// arrives twice.
func TestKeptImportRefused(t *testing.T) {
	tellKept(t, false, unchanged, func(t *testing.T, w *world) {
		h := w.listen(w.at(w.edge), "com.example.", wamp.Prefix)
		there := w.at(w.centre)
		w.publish(there, "com.example.a", 1)
		wantHeard(t, h, "com.example.a[1]map[]")
		if s := w.link.State(); len(s.Refused) != 1 || !strings.Contains(s.Refused[0], "set durable = true in the role of this link") {
			t.Errorf("refused: %v", s.Refused)
		}
		kit.Must(t, w.centre.router.UpdateRealm(keepingRealm(w.centre.dir, true)))
		for i := 0; len(w.link.State().Refused) > 0; i++ {
			if i == 100 {
				t.Fatalf("still refused: %v", w.link.State().Refused)
			}
			time.Sleep(time.Second)
			w.publish(there, "com.example.b", i)
			wantHeard(t, h, fmt.Sprintf("com.example.b[%d]map[]", i))
		}
		w.publish(there, "com.example.a", 2)
		wantHeard(t, h, "com.example.a[2]map[]")
	})
}

// A centre that has no durable subscriptions is reported, and the rule is an ordinary import.
func TestKeptImportWithoutData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := build(t, nil, []uplink.Rule{keptRule("com.example.", 0)})
		defer w.tearDown()
		w.awaitUp()
		h := w.listen(w.at(w.edge), "com.example.", wamp.Prefix)
		w.publish(w.at(w.centre), "com.example.a", 1)
		wantHeard(t, h, "com.example.a[1]map[]")
		if s := w.link.State(); len(s.Refused) != 1 || !strings.Contains(s.Refused[0], "data directory") {
			t.Errorf("refused: %v", s.Refused)
		}
	})
}

// The centre forgets the subscription of a rule that was removed, and those of no other link.
func TestKeptImportRemoved(t *testing.T) {
	tellKept(t, true, func(_ *world, o *wamplink.Options) { o.Import = append(o.Import, keptRule("com.other.", 0)) }, func(t *testing.T, w *world) {
		if list := w.keptThere(); len(list) != 2 {
			t.Fatalf("%v", list)
		}
		w.stop()
		time.Sleep(5 * time.Second)
		for _, c := range []struct {
			node string
			left int
		}{{"gx/central", 3}, {"gw/central", 2}} {
			link, err := wamplink.New(wamplink.Options{
				Name: "next", Node: c.node, Realm: "realm1", RemoteRealm: "realm1", Local: w.edge.dial,
				Remote: []wamplink.Remote{{URL: "tcp://centre", Dial: w.centre.dial}},
				Import: []uplink.Rule{keptRule("com.example.", time.Hour)},
			})
			kit.Must(t, err)
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error)
			go func() { ended <- link.Run(ctx) }()
			time.Sleep(time.Second)
			synctest.Wait()
			stop()
			kit.Must(t, <-ended)
			if list := w.keptThere(); len(list) != c.left {
				t.Errorf("%s: %v", c.node, list)
			}
		}
	})
}

// While the local realm cannot take an event, the centre keeps it and the later ones, in order.
func TestKeptImportWaitsForRealm(t *testing.T) {
	tellKept(t, true, unchanged, func(t *testing.T, w *world) {
		var refusing atomic.Bool
		refusing.Store(true)
		h := new(heard)
		inner := w.within(w.edge)
		_, err := inner.Subscribe(t.Context(), "com.example.", client.SubscribeOptions{Match: wamp.Prefix, Confirm: true}, func(e *client.Event) {
			if refusing.Load() {
				e.Confirm(client.NewError(wamp.Unavailable.Error(), "full"))
				return
			}
			h.add(fmt.Sprint(e.Args()...))
			e.Confirm(nil)
		})
		kit.Must(t, err)
		there := w.at(w.centre)
		want := ""
		for i := range 20 {
			w.publish(there, "com.example.a", i)
			want += fmt.Sprintf("; %d", i)
			if i%5 == 0 {
				time.Sleep(700 * time.Millisecond)
			}
		}
		if s := w.link.State(); s.EventsDown.Forwarded != 0 {
			t.Errorf("%+v", s.EventsDown)
		}
		refusing.Store(false)
		time.Sleep(20 * time.Second)
		wantHeard(t, h, want[2:])
		if list := w.keptThere(); len(list) != 1 || !strings.HasSuffix(list[0], " 0") {
			t.Errorf("the centre keeps %v", list)
		}
	})
}

// An expired exported event is counted and not sent. The centre gets the remaining lifetime of other events.
func TestExportExpires(t *testing.T) {
	tell(t, both, nil, func(t *testing.T, w *world) {
		var left []time.Duration
		h := new(heard)
		_, err := w.at(w.centre).Subscribe(t.Context(), "com.example.", client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) {
			h.add(fmt.Sprint(e.Args()...))
			left = append(left, e.TTL())
		})
		kit.Must(t, err)
		synctest.Wait()
		w.centre.Cut()
		synctest.Wait()
		here := w.at(w.edge)
		for i, ttl := range []time.Duration{time.Minute, time.Hour, 0} {
			kit.Must(t, here.Publish(t.Context(), "com.example.a", client.PublishOptions{Acknowledge: true, TTL: ttl}, client.Args(i)))
		}
		time.Sleep(10 * time.Minute)
		w.up()
		wantHeard(t, h, "1; 2")
		if len(left) == 2 && (left[0] > 50*time.Minute || left[0] < 40*time.Minute || left[1] != 0) {
			t.Errorf("%v are left", left)
		}
		if q := w.link.State().Queue; q.Expired != 1 || q.Events != 0 || q.Dropped.Events != 0 {
			t.Errorf("%+v", q)
		}
	})
}
