package wamp_test

import (
	"errors"
	"fmt"
	"log/slog"
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

// The centre rejects one topic: its events are held in the spool, others cross.
func TestRejectedTopicIsHeld(t *testing.T) {
	export := []uplink.Rule{{Topic: "com.", Match: wamp.Prefix, Store: spool.Durable, Static: true}}
	tellWith(t, export, func(t *testing.T, w *world) {
		good := w.listen(w.at(w.centre), "com.good.", wamp.Prefix)
		here := w.at(w.edge)
		for i := range 5 {
			kit.Must(t, here.Publish(t.Context(), "com.bad.a", client.PublishOptions{Acknowledge: true}, client.Args(i)))
			kit.Must(t, here.Publish(t.Context(), fmt.Sprint("com.good.", i), client.PublishOptions{Acknowledge: true}, client.Args(i)))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if h := w.link.State().Queue.Held; h.Topics != 1 || h.Events != 5 || h.Topic != "com.bad.a" || !strings.Contains(h.Reason, "not_authorized") {
			t.Errorf("%+v\n%s", w.link.State().Queue, w.log)
		}
		if text := good.take(); strings.Count(text, "com.good.") != 5 {
			t.Errorf("heard: %s", text)
		}
	}, auth.Permission{URI: "com.bad.", Match: wamp.Prefix})
}

func tellWith(t *testing.T, export []uplink.Rule, plot func(t *testing.T, w *world), denied ...auth.Permission) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := buildWith(t, func(w *world, o *wamplink.Options) {
			var err error
			o.Spool, err = spool.Open(spool.Options{Dir: dir, MinFree: -1, Log: o.Log})
			kit.Must(t, err)
		}, export, nil, denied...)
		defer w.tearDown()
		w.awaitUp()
		plot(t, w)
	})
}

// The publisher of a durable event that finds no room in the spool gets an error, and the log gets a line at level
// debug. An event of another class is dropped.
func TestDurableEventThatIsNotStored(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		rules := []uplink.Rule{
			{Topic: "com.durable.", Match: wamp.Prefix, Store: spool.Durable, Static: true}, {Topic: "com.", Match: wamp.Prefix, Static: true},
		}
		w := buildWith(t, func(w *world, o *wamplink.Options) {
			o.Log = slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			var err error
			o.Spool, err = spool.Open(spool.Options{Dir: dir, MinFree: -1, MaxOctets: 5000, Drop: spool.Newest, Log: o.Log})
			kit.Must(t, err)
		}, rules, nil)
		defer w.tearDown()
		w.awaitUp()
		w.centre.Cut()
		synctest.Wait()
		publish := func(topic string, size int) error {
			return w.at(w.edge).Publish(t.Context(), topic, client.PublishOptions{Acknowledge: true}, client.Args(make([]byte, size)))
		}
		kit.Must(t, publish("com.durable.a", 3000))
		if text := w.log.String(); strings.Contains(text, "cannot store the event") {
			t.Errorf("a stored event is logged: %s", text)
		}
		if err := publish("com.durable.a", 3000); !errors.Is(err, wamp.Unavailable) {
			t.Errorf("without room: %v", err)
		}
		if n := strings.Count(w.log.String(), "cannot store the event"); n != 1 {
			t.Errorf("%d lines about one event: %s", n, w.log)
		}
		publish("com.other", 3000)
		if n := strings.Count(w.log.String(), "cannot store the event"); n != 1 {
			t.Errorf("a line about an event of class memory: %s", w.log)
		}
	})
}
