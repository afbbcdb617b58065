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

// A broker that closes the connection for what is too large for it gets everything else. What it rejects is held, and
// arrives in order at a broker that accepts it.
func TestTooLargeForTheBroker(t *testing.T) {
	t.Parallel()
	for _, qos := range []int{1, 2} {
		t.Run(fmt.Sprint("qos ", qos), func(t *testing.T) {
			narrow := mosquitto(t, open+"max_packet_size 3000\n")
			way := newGate(t, narrow)
			g := newGateway(t, fmt.Sprintf("url = [%q]\nqos = %d\nclient_id = \"gw\"\n[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\nstore = \"durable\"\n", way.url(), qos))
			g.up(1)
			c := g.join()
			good := watch(t, narrow, "com/example/good", qos)
			large := strings.Repeat("x", 4000)
			for i := range 48 {
				if i%12 == 5 {
					say(t, c, "com.example.picture", client.PublishOptions{}, client.Args(fmt.Sprint(i, large)))
				}
				say(t, c, "com.example.good", client.PublishOptions{}, client.Args(i+1))
			}
			complete(t, upTo(48), good.lines)
			kit.Eventually(t, "the topic is held", func() bool { return strings.Contains(g.ask("queue", "ls"), "held: com.example.picture, 4 events") })
			_, err := g.Logs("topic held.* topic=com.example.picture .*bytes=400")
			kit.Must(t, err)
			if n := strings.Count(g.Stderr.Text(), "topic held"); n != 1 {
				t.Errorf("%d lines about one topic", n)
			}
			if want := "the packet has 40"; !strings.Contains(g.ask("status", "--json"), want) {
				t.Errorf("status does not say %q:\n%s", want, g.ask("status"))
			}
			way.close()
			wide := mosquitto(t, open)
			pictures := watch(t, wide, "com/example/picture", qos)
			way.open(wide)
			kit.Eventually(t, "all pictures", func() bool { return len(pictures.lines()) >= 4 }, func() string { return g.Process.String() + wide.Stderr.Text() })
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
