package mqtt

import (
	"fmt"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

// The nats-server of Debian 12 speaks MQTT 3.1.1 with QoS 0 and 1. It delivers retained messages only to new
// subscribers.
func TestNATS(t *testing.T) {
	for qos := range 2 {
		t.Run(fmt.Sprintf("qos %d", qos), func(t *testing.T) {
			t.Parallel()
			crossing(t, nats(t, 1)[0], qos, false, "")
		})
	}
}

// In a cluster of three, the node of the gateway is killed under load. All messages arrive at another node, and
// messages from there arrive at the gateway.
func TestNATSClusterLosesANode(t *testing.T) {
	t.Parallel()
	const events = 1000
	nodes := nats(t, 3)
	w := watch(t, nodes[2], "com/example/count", 1, "-c", "-i", "watcher")
	g := newGateway(t, fmt.Sprintf("url = [%q, %q]\n[[uplink.export]]\ntopic = \"com.example.count\"\n[[uplink.import]]\ntopic = \"com.example.command\"\n",
		nodes[0].url(), nodes[1].url()))
	g.up(1)
	c := g.join()
	here := listen(t, c, "com.example.command", client.SubscribeOptions{})
	s := &stream{c: c, topic: "com.example.count"}
	go s.publish(1, events)
	kit.Eventually(t, "events", func() bool { return len(w.lines()) > events/10 })
	nodes[0].Kill()
	complete(t, upTo(events), w.lines)
	kit.Eventually(t, "PUBLISHED", func() bool { return s.count() == events })
	tell(t, nodes[2], "com/example/command", "\"close\"\n")
	here.receives(t, "com.example.command [close] map[] false")
	if !strings.Contains(g.Stderr.Text(), nodes[1].url()) {
		t.Errorf("the gateway has not gone to another node\n%v", g.Process)
	}
}
