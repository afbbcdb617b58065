package mqtt

import (
	"fmt"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

// The nats-server of Debian 12 speaks MQTT 3.1.1 with QoS 0 and 1, and tells of retained messages only who subscribes.
func TestNATS(t *testing.T) {
	for qos := range 2 {
		t.Run(fmt.Sprintf("qos %d", qos), func(t *testing.T) {
			t.Parallel()
			crossing(t, nats(t, 1)[0], qos, false, "")
		})
	}
}

// A node of a cluster of three is killed under load, the one that the gateway is connected to. Everything arrives at
// another one, and what comes from there is heard here.
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
