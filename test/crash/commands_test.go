package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// imported is the uplink of a gateway whose commands wait at the centre.
const imported = above + `
  [[uplink.import]]
  topic = "crash.command."
  match = "prefix"
  store = "durable"
  max_age = "1h"
`

// mayKeep lets the gateway's role create durable subscriptions.
func mayKeep(text string) string {
	return strings.Replace(text, "name = \"gateway\"\n", "name = \"gateway\"\ndurable = true\n", 1)
}

// commanded creates and starts a gateway and a centre. The gateway's realm keeps the commands for its program.
func commanded(t *testing.T) (gateway, centre *tier) {
	t.Helper()
	list := tiers(t, "", "edge", "centre")
	gateway, centre = list[0], list[1]
	gateway.uplink, gateway.durable, centre.grants = imported, true, mayKeep
	centre.begin()
	gateway.begin()
	awaitKept(t, gateway)
	return gateway, centre
}

// awaitKept waits until the link is up and the centre keeps its commands.
func awaitKept(t *testing.T, gateway *tier) {
	t.Helper()
	c := gateway.join()
	kit.Eventually(t, "the link is up", func() bool {
		result, err := c.Call(t.Context(), "runnel.status", client.CallOptions{}, client.Payload{})
		if err != nil {
			return false
		}
		status, _ := result.Args()[0].(map[string]any)
		links, _ := status["uplinks"].([]any)
		if len(links) == 0 {
			return false
		}
		link, _ := links[0].(map[string]any)
		if refused, _ := link["refused"].([]any); len(refused) > 0 {
			t.Fatalf("the centre keeps nothing: %v", refused)
		}
		return link["up"] == true
	})
}

// publishCommands publishes events at the centre while happens runs, and returns their topics.
func publishCommands(t *testing.T, centre *tier, l *ledger, happens func()) (topics []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	for i := range 4 {
		topic := fmt.Sprint("crash.command.", i)
		topics = append(topics, topic)
		c := centre.join()
		work.Go(func() { l.publish(ctx, c, topic) })
	}
	happens()
	return topics
}

// kills is the number of kills in a story of commands: as many as usual, or RUNNEL_CRASH_ROUNDS.
func kills(t *testing.T, usual int) int {
	t.Helper()
	if os.Getenv("RUNNEL_CRASH_ROUNDS") == "" {
		return usual
	}
	return rounds(t)
}

// Commands that were acknowledged at the centre reach the program at the gateway, each once and in order by publisher, whatever is
// killed on the way: the gateway, the centre, or their connection.
func TestCommandsSurviveKills(t *testing.T) {
	for _, c := range []struct {
		name                  string
		gateway, centre, link bool
		kills                 int
	}{{"the gateway", true, false, false, 40}, {"the centre", false, true, false, 40}, {"the link", false, false, true, 40}, {"all", true, true, true, 10}} {
		t.Run(c.name, func(t *testing.T) {
			gateway, centre := commanded(t)
			defer func() { centre.stop() }()
			defer func() { gateway.stop() }()
			operator := centre.join()
			l := newLedger()
			reader := &consumer{T: t, ledger: l, at: gateway, below: gateway, had: make(map[wamp.ID]bool)}
			reader.begin()
			defer func() { reader.kill() }()
			topics := publishCommands(t, centre, l, func() {
				for range kills(t, c.kills) {
					l.awaitAcks(t, 1+rand.IntN(60))
					if c.link {
						operator.Call(t.Context(), "wamp.session.kill_by_authid", client.CallOptions{}, client.Args("gateway"))
					}
					if c.gateway {
						gateway.kill()
					}
					if c.centre {
						centre.kill()
						centre.begin()
					}
					if c.gateway {
						l.awaitAcks(t, rand.IntN(20)) // they wait at the centre
						gateway.begin()
					}
				}
				l.awaitAcks(t, 10)
			})
			reader.arrives(topics)
		})
	}
}

// A command with a limit is not delivered late, and one without is: the gateway is off when both are published.
func TestCommandsExpire(t *testing.T) {
	gateway, centre := commanded(t)
	defer func() { centre.stop() }()
	gateway.kill()
	publisher := centre.join()
	publish := func(n int64, ttl time.Duration) {
		t.Helper()
		kit.Must(t, publisher.Publish(t.Context(), "crash.command.valve", client.PublishOptions{Acknowledge: true, TTL: ttl}, client.Args(n)))
	}
	publish(1, time.Millisecond)
	publish(2, 0)
	publish(3, time.Hour)
	publish(4, 10*time.Millisecond)
	expired := time.Now().Add(20 * time.Millisecond)
	kit.Eventually(t, "the limits are over", func() bool { return time.Now().After(expired) })
	gateway.begin()
	defer func() { gateway.stop() }()
	var mu sync.Mutex
	var got []int64
	var left []time.Duration
	_, err := gateway.join().SubscribeDurable(t.Context(), "crash.", client.SubscribeOptions{Match: wamp.Prefix}, client.Durable{Name: "archive"}, func(e *client.Event) error {
		mu.Lock()
		defer mu.Unlock()
		got, left = append(got, e.Args()[0].(int64)), append(left, e.TTL())
		return nil
	})
	kit.Must(t, err)
	publish(5, 0)
	kit.Eventually(t, "the last command arrives", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(got, 5)
	})
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, []int64{2, 3, 5}) {
		t.Errorf("%v came; 1 and 4 have expired", got)
	}
	for i, ttl := range left {
		if ttl <= 0 || ttl > time.Hour {
			t.Errorf("%v are left of command %d: max_age is an hour", ttl, got[i])
		}
	}
}
