// Package crash kills routers under load and checks for lost, duplicate and reordered events.
//
// RUNNEL_CRASH_ROUNDS is the number of kills in each story. A few are enough to notice a defect, hundreds to trust the
// result:
//
//	RUNNEL_CRASH_ROUNDS=200 go test -v -timeout 1h ./test/crash
package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/program"
)

var executable program.Binary

func TestMain(m *testing.M) { kit.Main(m, program.BuiltPlain(&executable)) }

// rounds returns the number of kills.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("RUNNEL_CRASH_ROUNDS")
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("RUNNEL_CRASH_ROUNDS=%q", text)
	}
	return n
}

// tier is a router that listens on a Unix socket. It exports all topics to the tier above, if there is one.
type tier struct {
	*testing.T
	name, dir, above string
	settings         string // of its uplink
	uplink           string // replaces uplink
	grants           func(configuration string) string
	process          *program.Process
	limit            string // for ulimit -f: largest file it may write; "": none
	hidden           bool   // the tier below cannot connect before show
	durable          bool   // it has a durable subscription
	anonymous        bool   // links do not authenticate: all clients have a role with forward = true
}

func (r *tier) socket() string { return "unix://" + r.path() }
func (r *tier) data() string   { return filepath.Join(r.dir, r.name) }

func (r *tier) path() string {
	if r.hidden {
		return filepath.Join(r.dir, r.name+".hidden.sock")
	}
	return filepath.Join(r.dir, r.name+".sock")
}

// show allows the tier below to connect, once the subscribers are ready.
func (r *tier) show() {
	r.Helper()
	if err := os.Symlink(r.path(), filepath.Join(r.dir, r.name+".sock")); err != nil {
		r.Fatal(err)
	}
}

const realm = kit.OpenRealm + kit.Gateway + kit.Everything + `
[[realm.role.permission]]
uri = "crash.disk.secret"
allow = []
`

// above is the beginning of an uplink to a tier of the same directory.
const above = `
[[uplink]]
name = "above"
url = ["unix://%s/%s.sock"]
authid = "gateway"
ticket = "gateway's"
reconnect_min = "20ms"
reconnect_max = "200ms"
`

const uplink = above + `%s
  [[uplink.export]]
  topic = "crash.durable."
  match = "prefix"
  store = "durable"
  interest = false

  [[uplink.export]]
  topic = "crash.disk."
  match = "prefix"
  store = "disk"
  interest = false

  [[uplink.export]]
  topic = "crash.memory."
  match = "prefix"
  store = "memory"
  interest = false
`

// configure writes the router's configuration and returns the path of the file.
func (r *tier) configure() string {
	r.Helper()
	text := fmt.Sprintf("version = 1\n[node]\nid = %q\ndata = %q\n[[listen]]\nurl = %q\n%s", r.name, r.data(), r.socket(), realm)
	if r.durable {
		text += durable
	}
	if r.above != "" {
		if r.uplink != "" {
			text += fmt.Sprintf(r.uplink, r.dir, r.above)
		} else {
			text += fmt.Sprintf(uplink, r.dir, r.above, r.settings)
		}
	}
	if r.grants != nil {
		text = r.grants(text)
	}
	if r.anonymous {
		text = strings.Replace(text, "name = \"guest\"\n", "name = \"guest\"\nforward = true\n", 1)
		text = strings.Replace(text, "authid = \"gateway\"\nticket = \"gateway's\"\nreconnect", "reconnect", 1)
	}
	file := filepath.Join(r.dir, r.name+".toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
	return file
}

// begin starts the router and waits until it listens.
func (r *tier) begin() {
	r.Helper()
	cmd := executable.Command("run", "-c", r.configure())
	if r.limit != "" {
		cmd.Args = append([]string{"sh", "-c", "ulimit -f " + r.limit + "; exec \"$0\" \"$@\""}, cmd.Args...)
		cmd.Path = "/bin/sh"
	}
	var err error
	if r.process, err = program.Start(cmd); err != nil {
		r.Fatal(err)
	}
	if _, err := r.process.Logs(`msg=listening`); err != nil {
		r.Fatal(err)
	}
}

// kill kills the router, as the OOM killer does.
func (r *tier) kill() { r.process.Kill() }

// stop ends the router regularly, or reports how it ended before.
func (r *tier) stop() {
	r.Helper()
	r.process.Stop(r)
}

// join connects a client that reconnects when its router does.
func (r *tier) join() *client.Client {
	r.Helper()
	return program.Join(r, r.socket(), client.Options{
		Reconnect: client.Reconnect{Min: 10 * time.Millisecond, Max: 100 * time.Millisecond}, EventBuffer: 64 << 20,
	})
}

// queue returns the state of the router's spool.
func (r *tier) queue(c *client.Client) (q struct {
	events, onDisk int64
	dropped        int64
	alarm          string
}) {
	r.Helper()
	result, err := c.Call(r.Context(), "runnel.queue.ls", client.CallOptions{}, client.Payload{})
	if err != nil {
		r.Fatal(err)
	}
	fields := result.Args()[0].([]any)[0].(map[string]any)
	q.events, q.onDisk, q.dropped = fields["events"].(int64), fields["on_disk"].(int64), fields["dropped"].(int64)
	q.alarm, _ = fields["alarm"].(string)
	return q
}

// tiers makes routers, each of which exports to the next one, and starts them from the last to the first.
func tiers(t *testing.T, settings string, names ...string) (list []*tier) {
	t.Helper()
	if strings.Contains(executable[0], "qemu") {
		t.Skip("many restarts take too long on an emulated processor")
	}
	dir := t.TempDir()
	for i, name := range names {
		r := &tier{T: t, name: name, dir: dir, settings: settings}
		if i+1 < len(names) {
			r.above = names[i+1]
		}
		list = append(list, r)
	}
	return list
}
