package mqtt

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

// ask runs the command line against a gateway.
func (g *gateway) ask(args ...string) string {
	g.t.Helper()
	out, err := exec.Command(executable[0], append(append(executable[1:], args...), "--url", g.url)...).CombinedOutput()
	if err != nil {
		g.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// A broker that rejects large messages gets all others. With MQTT 5 the link knows the limit; with 3.1.1 the broker
// closes the connection. The link holds the rejected events, and they arrive in order at a broker that accepts them.
func TestTooLargeForTheBroker(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		protocol string
		qos      int
		reason   string // in the status
		bytes    string // in the log
	}{
		{"3.1.1", 1, "the broker closed the connection after PUBLISH to com/example/picture (400", "bytes=400"},
		{"3.1.1", 2, "the broker closed the connection after PUBLISH to com/example/picture (400", "bytes=400"},
		{"5", 1, "", "accepts at most 3000"},
		{"5", 2, "", "accepts at most 3000"},
	} {
		t.Run(fmt.Sprint("MQTT ", c.protocol, ", qos ", c.qos), func(t *testing.T) {
			narrow := mosquitto(t, open+"max_packet_size 3000\n")
			way := newGate(t, narrow)
			g := newGateway(t, fmt.Sprintf("url = [%q]\nprotocol = %q\nqos = %d\nclient_id = \"gw\"\n[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\nstore = \"durable\"\n",
				way.url(), c.protocol, c.qos))
			g.up(1)
			program := g.join()
			good := watch(t, narrow, "com/example/good", c.qos)
			large := strings.Repeat("x", 4000)
			for i := range 48 {
				if i%12 == 5 {
					say(t, program, "com.example.picture", client.PublishOptions{}, client.Args(fmt.Sprint(i, large)))
				}
				say(t, program, "com.example.good", client.PublishOptions{}, client.Args(i+1))
			}
			complete(t, upTo(48), good.lines)
			kit.Eventually(t, "the topic is held", func() bool { return strings.Contains(g.ask("queue", "ls"), "held: com.example.picture, 4 events") })
			_, err := g.Logs("topic held.* topic=com.example.picture .*" + c.bytes)
			kit.Must(t, err)
			if n := strings.Count(g.Stderr.Text(), "topic held"); n != 1 {
				t.Errorf("%d lines about one topic", n)
			}
			if !strings.Contains(g.ask("status", "--json"), c.reason) {
				t.Errorf("status does not say %q:\n%s", c.reason, g.ask("status"))
			}
			if joined := strings.Count(g.Stderr.Text(), `msg="link is up"`); c.protocol == "5" && joined != 1 {
				t.Errorf("%d connections", joined)
			}
			way.close()
			wide := mosquitto(t, open)
			pictures := watch(t, wide, "com/example/picture", c.qos)
			way.open(wide)
			kit.Eventually(t, "all pictures", func() bool { return len(pictures.lines()) >= 4 }, func() string { return fmt.Sprint(g.Process, wide.Process) })
			var order []string
			for _, line := range pictures.lines() {
				order = append(order, strings.TrimLeft(line[strings.LastIndexByte(line, '|')+1:], `"`)[:2])
			}
			if !slices.Equal(slices.Compact(order), []string{"5x", "17", "29", "41"}) {
				t.Errorf("%q", order)
			}
			kit.Eventually(t, "nothing is held", func() bool { return !strings.Contains(g.ask("queue", "ls"), "held:") })
		})
	}
}
