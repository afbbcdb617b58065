package nats_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/nats"
	"runnel/uplink/spool"
)

// A bucket keeps retained events for realms that connect later. A realm gets each of them once, marked as retained.
func TestRetainedEvents(t *testing.T) { kit.EachNATS(t, testRetainedEvents) }

func testRetainedEvents(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, withJetStream)
	rules := []nats.Rule{topics("com.example.", spool.Memory)}
	opts := nats.Options{Export: rules, Import: rules, Bucket: "retained"}
	a := newSite(t, "a", opts, server)
	a.await("up", isUp)
	speaker := a.program()
	ctx := context.Background()
	publish := func(topic string, args ...any) {
		t.Helper()
		kit.Must(t, speaker.Publish(ctx, topic, client.PublishOptions{Acknowledge: true, Retain: true}, client.Args(args...)))
	}
	kit.Eventually(t, "the bucket", func() bool {
		publish("com.example.state", "on")
		return newPlain(t, server).stored(t, "KV_retained") > 0
	})
	publish("com.example.state", "off")
	publish("com.example.50*", 7)
	a.await("drained", isDrained)
	b := newSite(t, "b", opts, server)
	kept := func(topic string) (text string) {
		got := make(chan string, 1)
		sub, err := b.program().Subscribe(ctx, topic, client.SubscribeOptions{GetRetained: true}, func(e *client.Event) {
			select {
			case got <- fmt.Sprint(e.Args(), e.Retained()):
			default:
			}
		})
		kit.Must(t, err)
		defer sub.Unsubscribe(ctx)
		select {
		case text = <-got:
		case <-time.After(100 * time.Millisecond):
		}
		return text
	}
	kit.Eventually(t, "the retained events", func() bool {
		return kept("com.example.state") == "[off] true" && kept("com.example.50*") == "[7] true"
	})
	heard := b.received()
	server.Kill()
	b.await("down", func(s uplink.State) bool { return !s.Up })
	server.Start(t)
	b.await("up", isUp)
	publish("com.example.new", "x") // the link has read the bucket once the realm has this value
	kit.Eventually(t, "the next retained event", func() bool { return kept("com.example.new") == "[x] true" })
	expect(t, heard, "com.example.new [x] map[]")
}

// The state shows which rule the server denies, and which subject to allow. Events of other rules cross.
func TestPermissions(t *testing.T) { kit.EachNATS(t, testPermissions) }

func testPermissions(t *testing.T, binary string) {
	server := kit.NewNATS(t, binary, withJetStream+`authorization { users: [
		{ user: gw, password: secret, permissions: {
			publish: ["com.open.>", "com.stored.>", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.*", "_INBOX.>"], subscribe: ["_INBOX.>"] } }
		{ user: all, password: secret }
	] }`)
	server.Start(t)
	a := newSite(t, "a", nats.Options{
		Username: "gw", Password: "secret",
		Export: []nats.Rule{topics("com.open.", spool.Memory), topics("com.closed.", spool.Memory), topics("com.stored.", spool.Durable)},
		Import: []nats.Rule{topics("com.secret.", spool.Memory)},
	}, server)
	speaker := a.program()
	a.await("the import is refused", func(s uplink.State) bool {
		return strings.Contains(fmt.Sprint(s.Refused), "allow the user of this link to subscribe to com.secret.>")
	})
	say(t, speaker, "com.closed.t", 1)
	say(t, speaker, "com.stored.t", 2)
	say(t, speaker, "com.open.t", 3)
	a.await("one event is held, one dropped, one sent", func(s uplink.State) bool {
		return s.Queue.Held.Events == 1 && s.EventsUp.Dropped == 1 && s.EventsUp.Forwarded == 1
	})
	a.await("the stream is refused", func(s uplink.State) bool { return strings.Contains(fmt.Sprint(s.Refused), "create stream RUNNEL: ") })
}

// An event keeps its time and its remaining lifetime. A link does not send an expired event.
func TestTimes(t *testing.T) { kit.EachNATS(t, testTimes) }

func testTimes(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, withJetStream)
	a := newSite(t, "a", nats.Options{Export: []nats.Rule{topics("com.example.", spool.Disk)}}, server)
	b := newSite(t, "b", nats.Options{Import: []nats.Rule{topics("com.example.", spool.Durable)}}, server)
	b.await("up", isUp)
	events := make(chan time.Duration, 1000)
	_, err := b.program().Subscribe(context.Background(), "com.example.", client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) { kit.Send(t, events, e.TTL()) })
	kit.Must(t, err)
	speaker := a.program()
	kit.Eventually(t, "an event", func() bool {
		kit.Must(t, speaker.Publish(context.Background(), "com.example.t", client.PublishOptions{TTL: time.Hour}, client.Args(1)))
		select {
		case left := <-events:
			if left <= time.Hour/2 || left > time.Hour {
				t.Errorf("%v are left", left)
			}
			return true
		default:
			return false
		}
	})
}
