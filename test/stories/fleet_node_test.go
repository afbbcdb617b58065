package stories

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
)

// fleetNode is an enrolled gateway with its link in a file of conf.d.
type fleetNode struct {
	*process
	id, dir, file, link string
}

// gateway enrols and starts a gateway. more is added to its uplink.
func (c *fleetCentre) gateway(t *testing.T, id, more string) *fleetNode {
	t.Helper()
	got, file := c.enrol(t, id, c.token(t))
	got.expect(t, 0, "enrolled", "")
	g := &fleetNode{id: id, dir: filepath.Dir(file), file: file}
	text, err := os.ReadFile(file)
	kit.Must(t, err)
	main, link, _ := strings.Cut(string(text), "[[uplink]]\n")
	link, _, _ = strings.Cut(link, "\n# ")
	g.link = "[[uplink]]\nreconnect_max = \"1s\"\n" + more + strings.Replace(link, `key = "`, `key = "../`, 1)
	kit.Must(t, os.WriteFile(file, []byte(main), 0o600))
	kit.Must(t, os.MkdirAll(filepath.Join(g.dir, "conf.d"), 0o700))
	write(t, g.dir, "conf.d/link.toml", g.link)
	g.begin(t)
	return g
}

func (g *fleetNode) begin(t *testing.T) {
	t.Helper()
	g.process = start(t, "run", "-c", g.file)
	g.logs("link is up")
}

// node returns the centre's description of a node.
func (c *fleetCentre) node(t *testing.T, id string) (n nodeState) {
	t.Helper()
	got := runnel(t, "fleet", "show", id, "--json", "--url", c.unix)
	got.expect(t, 0, "", "")
	kit.Must(t, json.Unmarshal([]byte(got.stdout), &n))
	return n
}

type nodeState struct {
	Up           bool
	Version      string
	Board        string
	OfflineSince string `json:"offline_since"`
	Alarms       []string
	Queues       []struct{ Uplink string }
	Applied      *struct{ State string }
}

func (c *fleetCentre) await(t *testing.T, id, what string, is func(nodeState) bool) {
	t.Helper()
	kit.Within(t, kit.Patience, 100*time.Millisecond, id+" "+what, func() bool { return is(c.node(t, id)) }, func() string { return fmt.Sprintf("%+v", c.node(t, id)) })
}

func online(n nodeState) bool { return n.Up && n.Board != "" && len(n.Queues) == 1 && n.Applied == nil }

// A node that is killed is offline in the list, the retained states and the metrics. No state is stale after a crash of the
// centre, and a node that is forgotten leaves none.
func TestFleetShowsTheDead(t *testing.T) {
	t.Parallel()
	c := startCentre(t)
	g1, _ := c.gateway(t, "gw-1", ""), c.gateway(t, "gw-2", "")
	c.await(t, "gw-1", "online", online)
	c.await(t, "gw-2", "online", online)
	states := start(t, "sub", "runnel.fleet.on_state.", "--match", "prefix", "--retained", "--json", "--url", c.unix)
	kit.Eventually(t, "the states", func() bool {
		return strings.Contains(states.Stdout.Text(), "runnel.fleet.on_state.gw-1") && strings.Contains(states.Stdout.Text(), "runnel.fleet.on_state.gw-2")
	}, states.String)
	g1.Signal(syscall.SIGKILL)
	c.await(t, "gw-1", "offline", func(n nodeState) bool { return !n.Up && n.OfflineSince != "" })
	c.await(t, "gw-2", "online", online)
	runnel(t, "fleet", "ls", "--url", c.unix).expect(t, 0, "down", "")
	kit.Eventually(t, "the state of gw-1", func() bool {
		for line := range strings.Lines(states.Stdout.Text()) {
			if strings.Contains(line, `"up":false`) && strings.Contains(line, "runnel.fleet.on_state.gw-1") {
				return true
			}
		}
		return false
	}, states.String)
	runnel(t, "--node", "gw-1", "status", "--url", c.unix).expect(t, 1, "", "node gw-1 is offline since")

	c.Signal(syscall.SIGKILL)
	c.wait()
	c.begin(t)
	if n := c.node(t, "gw-1"); n.Up {
		t.Errorf("after a crash of the centre: %+v", n)
	}
	runnel(t, "fleet", "forget", "gw-1", "--url", c.unix).expect(t, 0, "forgotten", "")
	kit.Eventually(t, "no retained state of gw-1", func() bool {
		return runnel(t, "sub", "runnel.fleet.on_state.gw-1", "--retained", "--timeout", "200ms", "--url", c.unix).stdout == ""
	})
}

// The centre's operators ask a node through its link, where its configuration allows that. Other roles may not.
func TestNodeAnswers(t *testing.T) {
	t.Parallel()
	c := startCentre(t)
	c.gateway(t, "gw-1", "remote = true\n")
	c.gateway(t, "gw-2", "")
	c.await(t, "gw-1", "online", online)
	c.await(t, "gw-2", "online", online)
	for _, x := range []struct{ args, want string }{
		{"status", " on gw-1, up"}, {"status --json", `"node":"gw-1"`}, {"queue ls", "central"}, {"queue retry", "0 held"}, {"reload", "nothing has changed"},
		{"queue drop central --all", "0 dropped"}, {"doctor", "runnel.toml: healthy"},
	} {
		runnel(t, append([]string{"--node", "gw-1", "--url", c.unix}, strings.Fields(x.args)...)...).expect(t, 0, x.want, "")
	}
	runnel(t, "queue", "peek", "nothing", "--node", "gw-1", "--url", c.unix).expect(t, 1, "", `has no uplink "nothing"`)
	runnel(t, "status", "--node", "gw-2", "--url", c.unix).expect(t, 1, "", "write remote = true in its [[uplink]]")
	runnel(t, "status", "--node", "gw-3", "--url", c.unix).expect(t, 1, "", `there is no node "gw-3"`)
	runnel(t, "status", "--node", "gw-1", "--url", c.tcp).expect(t, 1, "", "not_authorized")
	runnel(t, "--node", "gw-1", "version").expect(t, 2, "", "--node is for")
	runnel(t, "call", "runnel.node.gw-1.shutdown", "--url", c.unix).expect(t, 1, "", "nodes do not answer")
}

const gpsLine = `[[serial]]
name = "gps"
device = "/dev/runnel-none"
baud = 9600
mode = "lines"
format = "nmea"
topic = "com.example.gps"
role = "sensor"
`

// A file reaches all nodes that match. A node at which it is invalid keeps its configuration, and says where the problem is.
func TestFleetApply(t *testing.T) {
	t.Parallel()
	c := startCentre(t)
	g1, g2, g3 := c.gateway(t, "gw-1", "remote = true\n"), c.gateway(t, "gw-2", "remote = true\n"), c.gateway(t, "other", "remote = true\n")
	for _, id := range []string{"gw-1", "gw-2", "other"} {
		c.await(t, id, "online", online)
	}
	write(t, g2.dir, "conf.d/own.toml", gpsLine)
	file := write(t, t.TempDir(), "gps.toml", gpsLine)
	apply := func(args ...string) result {
		return runnel(t, append([]string{"fleet", "apply", file, "--node", "gw-*", "--url", c.unix}, args...)...)
	}
	dry := apply("--dry-run")
	dry.expect(t, 1, "gw-1: valid\n", "not applied at 1 of 2 nodes")
	got := apply()
	got.expect(t, 1, "gw-1: applied: serial line gps started\n", "not applied at 1 of 2 nodes")
	for _, r := range []result{dry, got} {
		r.expect(t, 1, "gw-2: failed: ", "")
		r.expect(t, 1, `own.toml:2: serial.name: serial line "gps" is already defined at `, "")
	}
	for _, g := range []*fleetNode{g1, g2, g3} {
		text, _ := os.ReadFile(filepath.Join(g.dir, "conf.d/gps.toml"))
		if want := map[bool]string{true: gpsLine}[g == g1]; string(text) != want {
			t.Errorf("%s: conf.d/gps.toml: %q", g.id, text)
		}
		if left, _ := filepath.Glob(filepath.Join(g.dir, "conf.d/*.rollback")); len(left) > 0 {
			t.Errorf("%s: %v", g.id, left)
		}
	}
	c.await(t, "gw-1", "with the file", func(n nodeState) bool { return n.Up && n.Applied != nil && n.Applied.State == "applied" })
	apply("--as", "../runnel.toml").expect(t, 1, "is not a name for a file of conf.d", "")
	runnel(t, "fleet", "apply", file, "--node", "x*", "--url", c.unix).expect(t, 1, "", `no node matches "x*"`)
	runnel(t, "fleet", "apply", file, "--url", c.unix).expect(t, 2, "", "--node")
	runnel(t, "fleet", "apply", file, "--node", "gw-1", "--url", c.tcp).expect(t, 1, "", "not_authorized")
}

// A file that breaks the link is rolled back by the node itself.
func TestApplyIsRolledBack(t *testing.T) {
	t.Parallel()
	c := startCentre(t)
	g := c.gateway(t, "gw-1", "remote = true\n")
	c.await(t, "gw-1", "online", online)
	broken := write(t, t.TempDir(), "link.toml", strings.Replace(g.link, c.tls, "tls://127.0.0.1:1", 1))
	got := runnel(t, "fleet", "apply", broken, "--node", "gw-1", "--rollback-after", "2s", "--url", c.unix)
	got.expect(t, 1, "gw-1: failed: rolled back: the link was not back after 2s", "not applied at 1 of 1 node")
	g.holds(t)
	c.await(t, "gw-1", "online", func(n nodeState) bool { return n.Up && n.Applied.State == "rolled back" })
	runnel(t, "--node", "gw-1", "status", "--url", c.unix).expect(t, 0, "gw-1", "")
}

// holds checks that the gateway has the link's previous file, and no marker.
func (g *fleetNode) holds(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.dir, "conf.d/link.toml"))
	if err != nil || string(text) != g.link {
		t.Errorf("%v: conf.d/link.toml: %s", err, text)
	}
	if left, _ := filepath.Glob(filepath.Join(g.dir, "conf.d/*.rollback")); len(left) > 0 {
		t.Errorf("%v", left)
	}
}

// A node that dies before the link is back restores the file at its next start.
func TestRollBackSurvivesAKill(t *testing.T) {
	t.Parallel()
	c := startCentre(t)
	g := c.gateway(t, "gw-1", "remote = true\n")
	c.await(t, "gw-1", "online", online)
	broken := write(t, t.TempDir(), "link.toml", strings.Replace(g.link, c.tls, "tls://127.0.0.1:1", 1))
	applying := start(t, "fleet", "apply", broken, "--node", "gw-1", "--rollback-after", "1h", "--url", c.unix)
	g.logs("configuration applied")
	c.await(t, "gw-1", "offline", func(n nodeState) bool { return !n.Up })
	g.Signal(syscall.SIGKILL)
	g.wait()
	g.begin(t)
	g.holds(t)
	g.logs("the previous file is restored")
	applying.sees("gw-1: failed: rolled back: the router ended before the link was back")
	if status := applying.wait(); status != 1 {
		t.Errorf("status %d", status)
	}
}
