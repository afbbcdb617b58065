package stories

import (
	"strings"
	"testing"

	"runnel/test/kit"
)

// keepers are roles that read durable subscriptions, each with a socket of its own.
const keepers = `
[node]
data = "data"
[[realm.durable]]
name = "shared"
uri = "story."
match = "prefix"
[[realm.role]]
name = "strong"
durable = true
[[realm.role.permission]]
uri = ""
match = "prefix"
allow = ["publish", "subscribe", "call"]
[[realm.role]]
name = "weak"
[[realm.role.permission]]
uri = "story."
match = "prefix"
allow = ["subscribe"]
[[realm.role.permission]]
uri = "story.secret"
allow = []
[[listen]]
url = "unix://strong.sock"
realm = "realm1"
role = "strong"
authid = "strong"
[[listen]]
url = "unix://weak.sock"
realm = "realm1"
role = "weak"
authid = "weak"
`

// An operator who drops a durable subscription ends its consumers, and they do not create it again. The errors of the commands are
// plain text.
func TestDurableDrop(t *testing.T) {
	r := serve(t, keepers)
	strong := strings.Replace(r.unix, "runnel.sock", "strong.sock", 1)
	durables := func() string {
		out := runnel(t, "durable", "ls", "--json", "--url", strong)
		out.expect(t, 0, "[", "")
		return out.stdout
	}
	p := start(t, "sub", "story.a", "--durable", "mine", "--url", strong)
	kit.Eventually(t, "the durable subscription", func() bool { return strings.Contains(durables(), `"mine"`) })
	runnel(t, "pub", "story.a", "1", "--ack", "--url", strong).expect(t, 0, "", "")
	p.sees("story.a 1")
	if text := durables(); !strings.Contains(text, `"bytes":`) || strings.Contains(text, "octets") {
		t.Errorf("%s", text)
	}
	runnel(t, "durable", "drop", "mine", "--url", strong).expect(t, 0, "removed", "")
	if status := p.wait(); status != 1 || !strings.Contains(p.Stderr.Text(), "subscribe to story.a: the durable subscription was dropped at the router") {
		t.Errorf("status %d, %v", status, p)
	}
	if text := durables(); strings.Contains(text, `"mine"`) {
		t.Errorf("%s", text)
	}
	for _, args := range [][]string{{"drop", "mine"}, {"peek", "mine"}, {"reset", "mine", "--from", "now"}} {
		r := runnel(t, append(append([]string{"durable"}, args...), "--url", strong)...)
		r.expect(t, 1, "", `the realm has no durable subscription "mine"`)
	}
	r.stopSharing(t, strong)
}

// stopSharing checks that a declared subscription cannot be dropped.
func (r *router) stopSharing(t *testing.T, url string) {
	t.Helper()
	runnel(t, "durable", "drop", "shared", "--url", url).expect(t, 1, "", ": the configuration declares this durable subscription; ")
}

// A declared subscription is open to all identities. A consumer with few permissions gets the events that it may read,
// and leaves the others for a consumer with more.
func TestDurableWeakerRole(t *testing.T) {
	r := serve(t, keepers)
	at := func(name string) string { return strings.Replace(r.unix, "runnel.sock", name+".sock", 1) }
	for _, event := range [][]string{{"story.secret", "1"}, {"story.open", "2"}, {"story.secret", "3"}, {"story.open", "4"}} {
		runnel(t, "pub", event[0], event[1], "--ack", "--url", at("strong")).expect(t, 0, "", "")
	}
	weak := runnel(t, "sub", "story.", "--match", "prefix", "--durable", "shared", "-n", "2", "--url", at("weak"))
	weak.expect(t, 0, "story.open 2\nstory.open 4\n", "")
	strong := runnel(t, "sub", "story.", "--match", "prefix", "--durable", "shared", "-n", "2", "--url", at("strong"))
	if strong.expect(t, 0, "story.secret 1\nstory.", ""); !strings.Contains(strong.stdout, "story.secret 3\n") && !strings.Contains(strong.stdout, "story.open") {
		t.Errorf("%s", strong.stdout)
	}
}

// A number out of range is reported with its range.
func TestDurableRanges(t *testing.T) {
	for key, want := range map[string]string{
		"window = 5000":      "realm.durable.window: 5000 is out of range; write 1 to 4096",
		"window = -1":        "realm.durable.window: -1 is out of range; write 0 or more",
		"max_events = -1":    "realm.durable.max_events: -1 is out of range; write 0 or more",
		`ack_wait = "1ms"`:   "realm.durable.ack_wait: 1ms is out of range; write 100ms to 24h",
		`ack_wait = "1000h"`: "write 100ms to 24h",
		`max_size = "-1"`:    "realm.durable.max_size",
		`max_age = "-1s"`:    "realm.durable.max_age",
	} {
		file := write(t, t.TempDir(), "runnel.toml", realm+"[node]\ndata = \"data\"\n[[realm.durable]]\nname = \"d\"\nuri = \"a.b\"\n"+key+"\n")
		runnel(t, "check", "-c", file).expect(t, 3, "", want)
	}
}
