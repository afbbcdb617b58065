package federation

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// typo is a centre whose gateways may publish only to com.exmple. and to the topics that the tests call good.
const typo = kit.OpenRealm + kit.Gateway + `
[[realm.role.permission]]
uri = "com.exmple."
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
[[realm.role.permission]]
uri = "com.good."
match = "prefix"
allow = ["publish"]
[[realm.role.permission]]
uri = "wamp."
match = "prefix"
allow = ["call", "subscribe"]
`

// command runs a command against a node, and returns its output.
func (n *node) command(args ...string) string {
	n.Helper()
	out, err := binary.Command(append(args, "--url", n.url)...).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); err != nil && !ok {
		n.Fatal(exit, err)
	}
	return string(out)
}

// correct corrects the typo and reloads the router's configuration.
func (n *node) correct(t *testing.T) {
	t.Helper()
	n.configure(strings.Replace(typo, "com.exmple.", "com.", 1) + listening)
	n.process.Signal(syscall.SIGHUP)
	if _, err := n.process.Logs("configuration applied"); err != nil {
		t.Fatal(err)
	}
}

// configure writes another configuration.
func (n *node) configure(text string) {
	n.Helper()
	n.write("runnel.toml", fmt.Sprintf("version = 1\n[node]\nid = %q\ndata = \"data\"\n%s", n.name, text))
}

// Events that the centre rejects are held on disk, topic by topic, while others cross. They survive a crash, and arrive
// in order once the centre's permissions are corrected.
func TestRejectedEventsAreHeld(t *testing.T) {
	centre := startWith(t, "centre", typo+listening)
	gateway := start(t, "gateway", linkTo("central", centre, shares(`export topic com. store="durable"`)))
	up, here := centre.join(), gateway.join()
	weather, good := centre.listen(up, "com.example.", wamp.Prefix), centre.listen(up, "com.good.", wamp.Prefix)
	publish := func(topic string, from, to int) {
		for i := from; i < to; i++ {
			gateway.publishWith(here, topic, client.PublishOptions{Acknowledge: true}, i)
		}
	}
	publish("com.example.weather", 0, 12)
	publish("com.example.other", 100, 103)
	publish("com.good.one", 0, 5)
	good.has(t, "com.good.one[4]", 1)
	kit.Eventually(t, "15 events are held", func() bool {
		text := gateway.command("queue", "ls")
		return strings.Contains(text, "com.example.weather, 12 events") && strings.Contains(text, "com.example.other, 3 events")
	})
	for _, want := range []string{"com.example.other, 3 events", "wamp.error.not_authorized"} {
		if text := gateway.command("status"); !strings.Contains(text, want) {
			t.Errorf("status does not tell of %q:\n%s", want, text)
		}
	}
	if text := gateway.command("queue", "peek", "central", "-n", "1"); !strings.Contains(text, "held com.example.weather 0") {
		t.Errorf("peek: %s", text)
	}
	kit.Eventually(t, "the log tells of two topics", func() bool { return strings.Count(gateway.process.Stderr.Text(), "topic held") >= 2 })
	if n := strings.Count(gateway.process.Stderr.Text(), "topic held"); n != 2 {
		t.Errorf("%d lines in the log about two topics", n)
	}
	gateway.kill()
	gateway.run()
	here = gateway.join()
	publish("com.example.weather", 12, 37)
	publish("com.good.one", 5, 7)
	good.has(t, "com.good.one[6]", 1)
	if n := len(weather.all()); n > 0 {
		t.Errorf("%d events have crossed that may not", n)
	}
	centre.correct(t)
	if text := gateway.command("queue", "retry", "central"); !strings.Contains(text, "held, trying again") {
		t.Errorf("retry: %s", text)
	}
	weather.has(t, "com.example.weather[36]", 1)
	weather.has(t, "com.example.other[102]", 1)
	last := map[bool]int{}
	for _, text := range weather.all() {
		n := 0
		fmt.Sscanf(text[strings.Index(text, "[")+1:], "%d", &n)
		if other := n >= 100; n < last[other] {
			t.Errorf("%s came late: %q", text, weather.all())
		} else {
			last[other] = n
		}
	}
	kit.Eventually(t, "nothing is held any more", func() bool { return !strings.Contains(gateway.command("queue", "ls"), "held:") })
}

// A WebSocket has no answer to a message that is too large, so the centre closes the connection. The link finds the events and
// holds their topics, while all others cross. When the centre's limit is raised, the held events arrive in order.
func TestTooLargeForTheCentre(t *testing.T) {
	for _, scheme := range []string{"tcp", "ws"} {
		t.Run(scheme, func(t *testing.T) {
			limit := "[limits]\nmax_message = \"64KiB\"\n"
			centre := start(t, "centre", limit)
			url := scheme + strings.TrimPrefix(centre.url, "tcp")
			if scheme == "ws" {
				url += "/ws"
			}
			gateway := start(t, "gateway", strings.Replace(linkTo("central", centre, shares(`export topic com. store="durable"`, `export topic org.`)), centre.url, url, 1))
			up := centre.join()
			good := centre.listen(up, "com.good.", wamp.Prefix)
			late := centre.listen(up, "org.", wamp.Prefix)
			here := gateway.join()
			picture := strings.Repeat("x", 100_000)
			for i := range 20 {
				switch i % 5 {
				case 0:
					gateway.publish(here, "com.example.picture", i, picture)
				case 2:
					gateway.publish(here, "com.example.film", i, picture)
				case 4:
					gateway.publish(here, "org.picture", i, picture)
				}
				gateway.publish(here, "com.good.one", i)
			}
			for i := range 20 {
				good.has(t, fmt.Sprintf("com.good.one[%d]", i), 1)
			}
			gateway.publish(here, "org.last", 1)
			late.has(t, "org.last[1]", 1) // an event that is not kept on disk does not block others either
			kit.Eventually(t, "the topics are held", func() bool {
				text := gateway.command("queue", "ls")
				return strings.Contains(text, "held: com.example.picture, 4 events") && strings.Contains(text, "held: com.example.film, 4 events")
			})
			for _, want := range []string{`topic held.* topic=com.example.picture bytes=1000\d\d`, `topic held.* topic=com.example.film bytes=1000\d\d`} {
				_, err := gateway.process.Logs(want)
				kit.Must(t, err)
				if n := len(regexp.MustCompile(want).FindAllString(gateway.process.Stderr.Text(), -1)); n != 1 {
					t.Errorf("%d lines of %s", n, want)
				}
			}
			if dropped := gateway.link(here, "central").EventsUp.Dropped; dropped != 0 && dropped != 4 {
				t.Errorf("%d events were dropped", dropped)
			}
			centre.line.become(quality{cut: true})
			centre.kill()
			centre.configure(openRealm + listening + strings.Replace(limit, "64", "256", 1))
			centre.run()
			large := centre.listen(centre.join(), "com.example.", wamp.Prefix)
			centre.line.become(quality{})
			for i := range 20 {
				switch i % 5 {
				case 0:
					large.has(t, fmt.Sprintf("com.example.picture[%d %s]", i, picture), 1)
				case 2:
					large.has(t, fmt.Sprintf("com.example.film[%d %s]", i, picture), 1)
				}
			}
			kit.Eventually(t, "nothing is held any more", func() bool { return !strings.Contains(gateway.command("queue", "ls"), "held:") })
		})
	}
}
