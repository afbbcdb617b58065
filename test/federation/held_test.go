package federation

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// typo is a centre whose gateways may publish to com.exmple. and nowhere else, but for what the tests call good.
const typo = `
[[realm]]
name = "realm1"
anonymous = "all"
[[realm.role]]
name = "all"
[[realm.role.permission]]
uri = ""
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
[[realm.role]]
name = "gateway"
forward = true
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
[[realm.principal]]
authid = "gateway"
role = "gateway"
ticket = "gateway's"
`

// command runs the command line against a node, and returns what it prints.
func (n *node) command(args ...string) string {
	n.Helper()
	out, err := binary.Command(append(args, "--url", n.url)...).CombinedOutput()
	if exit, ok := err.(*exec.ExitError); err != nil && !ok {
		n.Fatal(exit, err)
	}
	return string(out)
}

// mend corrects the typo and has the router read its configuration again.
func (n *node) mend(t *testing.T) {
	t.Helper()
	n.write("runnel.toml", fmt.Sprintf("version = 1\n[node]\nid = %q\ndata = \"data\"\n%s", n.name,
		strings.Replace(typo, "com.exmple.", "com.", 1)+listening))
	n.process.Signal(syscall.SIGHUP)
	if _, err := n.process.Logs("configuration applied"); err != nil {
		t.Fatal(err)
	}
}

// Events that the centre rejects are held on disk, topic by topic, while others cross. They survive a crash, and arrive in
// order when the centre's permissions have been mended.
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
	await(t, "15 events are held", func() bool { return strings.Contains(gateway.command("queue", "ls"), "com.example.weather, 12 events") })
	for _, want := range []string{"com.example.other, 3 events", "wamp.error.not_authorized"} {
		if text := gateway.command("status"); !strings.Contains(text, want) {
			t.Errorf("status does not tell of %q:\n%s", want, text)
		}
	}
	if text := gateway.command("queue", "peek", "central", "-n", "1"); !strings.Contains(text, "held com.example.weather 0") {
		t.Errorf("peek: %s", text)
	}
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
	centre.mend(t)
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
	await(t, "nothing is held any more", func() bool { return !strings.Contains(gateway.command("queue", "ls"), "held:") })
}
