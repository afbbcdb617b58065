package mqtt

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"runnel/edge/client"
)

// A command that the broker retains is executed once, although the broker sends retained messages again for each
// SUBSCRIBE. This also holds after reconnects and clean restarts of the gateway.
func TestRetainedCommandRunsOnce(t *testing.T) {
	for qos := range 2 {
		t.Run(fmt.Sprintf("qos %d", qos), func(t *testing.T) {
			t.Parallel()
			b := mosquitto(t, open)
			way := newGate(t, b)
			g := newGateway(t, fmt.Sprintf("url = [%q]\nqos = %d\n[[uplink.import]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\n", way.url(), qos))
			g.up(1)
			here := listen(t, g.join(), "com.example.", client.SubscribeOptions{})
			b.subscribed(t, "runnel-gw-broker", 1)
			tell(t, b, "com/example/pump", "\"on\"\n", "-r")
			here.receives(t, "com.example.pump [on] map[] false")
			for i := range 2 {
				way.close()
				way.open(b)
				g.up(i + 2)
				if qos == 0 { // the broker keeps no session
					b.subscribed(t, "runnel-gw-broker", i+2)
				}
				tell(t, b, "com/example/end", fmt.Sprintf("%d\n", i))
				here.receives(t, fmt.Sprintf("com.example.end [%d] map[] false", i))
			}
			if n := strings.Count(strings.Join(here.lines(), "\n"), "com.example.pump"); n != 1 {
				t.Errorf("the command ran %d times: %v", n, here.lines())
			}
			if qos == 0 {
				return
			}
			g.Signal(syscall.SIGTERM)
			g.Wait()
			g.restart()
			g.up(1)
			again := listen(t, g.join(), "com.example.", client.SubscribeOptions{})
			tell(t, b, "com/example/end", "\"restarted\"\n")
			again.receives(t, "com.example.end [restarted] map[] false")
			if n := strings.Count(b.Stderr.Text(), "Received SUBSCRIBE from runnel-gw-broker"); n != 1 {
				t.Errorf("the gateway subscribed %d times\n%v", n, b.Process)
			}
		})
	}
}
