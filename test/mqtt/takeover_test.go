package mqtt

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Two gateways of one id throw each other out. Both say so.
func TestTwoGatewaysOfOneID(t *testing.T) {
	t.Parallel()
	b := mosquitto(t, open)
	config := fmt.Sprintf("url = [%q]\n[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\n", b.url())
	for _, g := range []*gateway{newGateway(t, config), newGateway(t, config)} {
		if _, err := g.Logs(`another client has the client id of this link`); err != nil {
			t.Fatal(err)
		}
		status := exec.Command(executable[0], append(executable[1:], "status", "--url", g.url)...)
		if out, err := status.CombinedOutput(); err != nil || !strings.Contains(string(out), "runnel-gw-broker") || !strings.Contains(string(out), "ALARM") {
			t.Errorf("status: %s, %v", out, err)
		}
	}
}
