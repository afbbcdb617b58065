package crash

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// gateway is the uplink of one gateway of a fleet. Several of them share a process.
const gateway = `
[[uplink]]
name = "NAME"
url = ["unix://%[1]s/%[2]s.sock"]
authid = "gateway"
ticket = "gateway's"
reconnect_min = "20ms"
reconnect_max = "500ms"
sync = "5ms"
min_free = 0
  [[uplink.export]]
  topic = "crash.durable.NAME"
  store = "durable"
  interest = false
`

// 150 gateways publish while their centre is killed and restarted, and the consumer lags by varying amounts. All
// acknowledged events of all gateways reach the consumer, in order.
func TestDurableFleet(t *testing.T) {
	const processes, each, events = 3, 50, 4
	names := make([]string, processes, processes+1)
	for i := range names {
		names[i] = fmt.Sprint("edge", i)
	}
	list := tiers(t, "", append(names, "centre")...)
	edges, centre := list[:processes], list[processes]
	centre.durable = true
	centre.begin()
	defer func() { centre.stop() }()
	var topics []string
	var clients []*client.Client // of the gateway with the same index
	for _, r := range edges {
		r.above = "centre"
		for range each {
			name := fmt.Sprint("g", len(topics))
			r.uplink += strings.ReplaceAll(gateway, "NAME", name)
			topics = append(topics, "crash.durable."+name)
		}
		r.begin()
		defer r.stop()
		clients = append(clients, slices.Repeat([]*client.Client{r.join()}, each)...)
	}
	l := newLedger()
	reader := &consumer{T: t, ledger: l, at: centre, below: edges[0], had: make(map[wamp.ID]bool)}
	total := 0
	for round := range rounds(t) {
		var work sync.WaitGroup
		first := int64(events*round + 1)
		for i, c := range clients {
			work.Go(func() {
				for n := first; n < first+events; n++ {
					if err := edges[0].publish(c, topics[i], n); err != nil {
						t.Errorf("%s: event %d: %v", topics[i], n, err)
						return
					}
					l.acknowledge(topics[i], n)
				}
			})
		}
		now := total
		total += events * len(clients)
		for _, happens := range []func(){centre.kill, centre.begin, reader.begin} {
			now += rand.IntN(total - now + 1)
			l.awaitTotal(t, now)
			happens()
		}
		work.Wait()
		if t.Failed() {
			return
		}
		reader.kill()
	}
	reader.begin()
	defer reader.kill()
	reader.arrives(topics)
}
