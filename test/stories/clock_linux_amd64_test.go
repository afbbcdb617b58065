package stories

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/test/program"
)

// A gateway whose clock shows 1970 routes between its own programs and keeps durable events. Its link to the centre
// fails with a reason that names the time, and so do status and doctor. When the clock is set, the link connects and
// the events arrive in order, without a restart. program.Clock describes the simulation.
func TestClockAt1970(t *testing.T) {
	dir := t.TempDir()
	selfSigned(t, dir, "centre", 60*24*time.Hour)
	centre := serve(t, fmt.Sprintf("[[listen]]\nurl = \"tls://127.0.0.1:0\"\nanonymous = \"guest\"\ncertificate = %q\nkey = %q\n",
		filepath.Join(dir, "centre.pem"), filepath.Join(dir, "centre.key")))
	tls := centre.logs(`msg=listening url=(tls://127\.0\.0\.1:\d+)`)[1]
	events := centre.subscribe(t, centre.unix, "story.reading")

	clock := program.NewClock(t, executable, time.Unix(7, 0))
	file := write(t, dir, "gateway.toml", fmt.Sprintf(`%s
[node]
id = "gw-1"
data = %q
[[listen]]
url = "unix://gateway.sock"
[[uplink]]
name = "central"
url = [%q]
ca = "centre.pem"
reconnect_max = "1s"
  [[uplink.export]]
  topic = "story."
  match = "prefix"
  store = "durable"
`, realm, filepath.Join(dir, "data"), tls))
	gateway := launch(t, clock.Command(t, "run", "-c", file))
	url := gateway.logs(`msg=listening url=(unix://\S+)`)[1]
	at := func(args ...string) result {
		t.Helper()
		return finish(t, clock.Command(t, append(args, "--url", url)...))
	}

	if _, err := gateway.Logs(`time=1970-01-01T00:0\S+`); err != nil {
		t.Fatal("the gateway does not see the clock:", err)
	}
	local := launch(t, clock.Command(t, "sub", "story.reading", "--url", url))
	here := &router{process: gateway, unix: url, dir: dir}
	kit.Eventually(t, "the local subscription", func() bool { return here.isThere(t, "subscription", "story.reading", "exact") }, local.String)
	for i := range 3 {
		at("pub", "story.reading", fmt.Sprint(i), "--ack").expect(t, 0, "", "")
		local.sees(fmt.Sprintf("story.reading %d\n", i))
	}
	const reason = "certificate has expired or is not yet valid: current time 1970-01-01T"
	kit.Eventually(t, "the reason in the status", func() bool { return strings.Contains(at("status").stdout, reason) })
	at("queue", "ls").expect(t, 0, "central  3 ", "")
	if spool, _ := filepath.Glob(filepath.Join(dir, "data/uplink/central/*")); len(spool) == 0 {
		t.Error("the durable events are not on disk")
	}
	doctor := func() string { return finish(t, clock.Command(t, "doctor", "-c", file)).stdout }
	kit.Eventually(t, "the findings of the doctor", func() bool { // which waits for the centre for some seconds only
		text := doctor()
		return strings.Contains(text, "error: clock: the clock shows 1970-01-01T00:") &&
			strings.Contains(text, "the centre's certificate is not valid now") && strings.Contains(text, "date shows the clock")
	})

	clock.Set(time.Now())
	for i := range 3 {
		events.sees(fmt.Sprintf("story.reading %d", i))
	}
	if got := events.Stdout.Text(); strings.Index(got, "reading 0") > strings.Index(got, "reading 1") || strings.Index(got, "reading 1") > strings.Index(got, "reading 2") {
		t.Errorf("out of order:\n%s", got)
	}
	kit.Eventually(t, "an empty queue", func() bool { return strings.Contains(at("queue", "ls").stdout, "central  0 ") })
	if text := doctor(); strings.Contains(text, "error: clock") || strings.Contains(text, "not valid now") {
		t.Errorf("the clock is right, but the doctor says\n%s", text)
	}
}
