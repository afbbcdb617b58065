package mqtt

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
)

const meterLine = `
[[serial]]
name = "meter"
device = "/dev/ttyNotHere"
profile = "sdm120"
topic = "com.example.meter.{name}"
`

// A line with a profile appears at the broker as sensors. A reload without the line removes them.
func TestHomeAssistantDiscovery(t *testing.T) {
	t.Parallel()
	b := mosquitto(t, open)
	w := watch(t, b, "homeassistant/#", 1)
	g := newGateway(t, fmt.Sprintf("url = [%q]\nstate_topic = \"gw/state\"\ndiscovery = \"homeassistant\"\n[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\nformat = \"flat\"\n%s", b.url(), meterLine))
	config := func() (topics map[string]string) {
		topics = map[string]string{}
		for _, line := range w.lines() {
			if fields := strings.SplitN(line, "|", 4); strings.HasSuffix(fields[0], "/config") {
				topics[fields[0]] = fields[3]
			}
		}
		return topics
	}
	kit.Eventually(t, "the sensors", func() bool {
		return strings.Contains(config()["homeassistant/sensor/gw_meter/voltage/config"], `"device_class":"voltage"`)
	})
	if got := config()["homeassistant/sensor/gw_meter/voltage/config"]; !strings.Contains(got, `"state_topic":"com/example/meter/voltage"`) || !strings.Contains(got, `"availability_topic":"gw/state"`) ||
		!strings.Contains(got, `"value_template":"{{ value_json['value'] }}"`) {
		t.Error(got)
	}
	text, err := os.ReadFile(g.file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, g.file, strings.Replace(string(text), meterLine, "", 1))
	g.Signal(syscall.SIGHUP)
	kit.Eventually(t, "the sensors are removed", func() bool {
		for _, payload := range config() {
			if payload != "" {
				return false
			}
		}
		return true
	})
}
