package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
)

// answer registers a procedure at a gateway, which the others call.
func (w *world) answer(g *router) {
	w.Helper()
	_, err := g.client.Register(w.Context(), "cluster.call."+g.name, client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		return client.Raw(inv.Payload), nil
	})
	kit.Must(w, err)
}

// callTime bounds one attempt. A request that was sent when a server was killed is lost.
const callTime = 2 * time.Second

// calls waits until each gateway can call the other.
func (w *world) calls(when string) {
	w.Helper()
	for i, g := range w.gateways {
		other := w.gateways[1-i]
		var last error
		kit.Eventually(w.T, fmt.Sprintf("%s: %s calls %s", when, g.name, other.name), func() bool {
			ctx, cancel := context.WithTimeout(w.Context(), callTime)
			defer cancel()
			result, err := g.client.Call(ctx, "cluster.call."+other.name, client.CallOptions{}, client.Args(7))
			last = err
			return err == nil && fmt.Sprint(result.Args()) == "[7]"
		}, func() string { return fmt.Sprint(last, w.state()) })
	}
}

// receives waits until each gateway has received an event of class memory from the other.
func (w *world) receives(when string) {
	w.Helper()
	for i, g := range w.gateways {
		topic := "cluster.memory." + g.name
		came := make(chan struct{}, 1)
		sub, err := w.gateways[1-i].client.Subscribe(w.Context(), topic, client.SubscribeOptions{}, func(*client.Event) {
			select {
			case came <- struct{}{}:
			default:
			}
		})
		kit.Must(w, err)
		kit.Eventually(w.T, fmt.Sprintf("%s: an event of %s", when, g.name), func() bool {
			kit.Must(w, g.client.Publish(w.Context(), topic, client.PublishOptions{Acknowledge: true}, client.Args(1)))
			select {
			case <-came:
				return true
			case <-time.After(100 * time.Millisecond):
				return false
			}
		}, w.state)
		kit.Must(w, sub.Unsubscribe(w.Context()))
	}
}

// complete waits until all centres have all acknowledged events.
func (w *world) complete(when string) {
	w.Helper()
	sent := w.ledger.sent()
	kit.Eventually(w.T, when+": all events have come to all centres", func() bool { return w.ledger.missing(sent) == "" },
		func() string { return w.ledger.missing(sent) + w.stream() + w.state() })
}

// state describes the links.
func (w *world) state() (text string) {
	for _, r := range append(append([]*router{}, w.centres...), w.gateways...) {
		ctx, cancel := context.WithTimeout(w.Context(), callTime)
		if r.client.WaitUp(ctx) == nil {
			text += fmt.Sprintf("\n%s: %v%s", r.name, r.link(), warnings(r))
		}
		cancel()
	}
	return text
}

// warnings returns the last warnings of a router.
func warnings(r *router) string {
	var list []string
	for line := range strings.Lines(r.process.Stderr.Text()) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			list = append(list, line)
		}
	}
	return "\n" + strings.Join(list[max(0, len(list)-12):], "")
}

// publishing publishes durable events at the gateways until the returned function is called.
func (w *world) publishing() (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	var work sync.WaitGroup
	for _, g := range w.gateways {
		work.Go(func() { w.ledger.publish(ctx, w.T, g.client, "cluster.durable."+g.name) })
	}
	return func() {
		cancel()
		work.Wait()
	}
}

// part is a nats-server or a centre.
type part struct {
	name        string
	kill, begin func()
	router      *router // nil: a nats-server
}

func (w *world) parts() (list []part) {
	for i, s := range w.servers {
		list = append(list, part{fmt.Sprint("nats-server ", i), s.Kill, func() { s.Start(w) }, nil})
	}
	for _, c := range w.centres {
		list = append(list, part{c.name, c.kill, c.begin, c})
	}
	return list
}

// round kills two parts, checks that the others continue, and restarts the two.
func (w *world) round(number int, killed ...part) {
	w.Helper()
	when := fmt.Sprintf("round %d, without %s and %s", number, killed[0].name, killed[1].name)
	downs := map[*router]int64{}
	for _, r := range append(append([]*router{}, w.centres...), w.gateways...) {
		if r != killed[0].router && r != killed[1].router {
			downs[r] = r.downs.Load()
		}
	}
	w.ledger.await(w.T, 1+rand.IntN(50))
	for _, p := range killed {
		p.kill()
	}
	w.calls(when)
	w.receives(when)
	w.ledger.await(w.T, 10)
	for _, p := range killed {
		p.begin()
	}
	w.complete(when)
	w.calls(when + ", which are back")
	for r, n := range downs {
		if now := r.downs.Load(); now != n {
			w.Errorf("%s: the session at %s has ended", when, r.name)
		}
	}
}

// rounds returns the number of rounds of random kills.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("RUNNEL_CLUSTER_ROUNDS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("RUNNEL_CLUSTER_ROUNDS=%q", text)
	}
	return n
}

// Two centres are killed. Both gateways use the third, and each centre gets each acknowledged event once.
func TestTwoCentresFail(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		w := build(t, binary)
		w.calls("in the beginning")
		stop := w.publishing()
		parts := w.parts()
		w.round(0, parts[3], parts[4])
		stop()
		w.complete("in the end")
		w.ledger.check(t)
	})
}

// Any two of the six are killed and restarted while gateways publish. Each centre gets each acknowledged event once.
// The sessions at the other centres and at the gateways stay, and calls and events still cross between the gateways.
func TestRandomKills(t *testing.T) {
	number := rounds(t)
	kit.EachNATS(t, func(t *testing.T, binary string) {
		w := build(t, binary)
		w.calls("in the beginning")
		stop := w.publishing()
		for n := range number {
			parts := w.parts()
			i := rand.IntN(len(parts))
			j := (i + 1 + rand.IntN(len(parts)-1)) % len(parts)
			began := time.Now()
			w.round(n, parts[i], parts[j])
			t.Logf("round %d: %s, %s: %v", n, parts[i].name, parts[j].name, time.Since(began).Round(time.Millisecond))
			if t.Failed() {
				break
			}
		}
		stop()
		w.complete("in the end")
		late := w.ledger.check(t)
		t.Logf("%d events, %d came after newer ones", w.ledger.acks, late)
	})
}

// Without two nats-servers there is no JetStream. Durable events wait in the queues, which the status shows. Calls and
// other events still cross. When one of the servers is back, the waiting events arrive.
func TestNoQuorum(t *testing.T) {
	kit.EachNATS(t, func(t *testing.T, binary string) {
		w := build(t, binary)
		w.calls("in the beginning")
		stop := w.publishing()
		w.ledger.await(t, 20)
		w.servers[0].Kill()
		w.servers[1].Kill()
		w.ledger.await(t, 20)
		c := w.centres[0]
		kit.Eventually(t, "events wait, and the status shows why", func() bool {
			result, err := c.client.Call(t.Context(), "runnel.queue.ls", client.CallOptions{}, client.Payload{})
			text := fmt.Sprint(result, err)
			if err == nil {
				text = fmt.Sprint(result.Args())
			}
			return strings.Contains(text, "JetStream")
		}, w.state)
		w.calls("without two nats-servers")
		w.receives("without two nats-servers")
		w.servers[0].Start(t)
		w.complete("with one of them back")
		w.servers[1].Start(t)
		stop()
		w.complete("in the end")
		w.ledger.check(t)
	})
}
