// Package federation tests links between routers from outside: devices, gateways, sites and a centre, each a running binary,
// over lines of every quality.
package federation

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
)

var binary program.Binary

func TestMain(m *testing.M) { kit.Leakproof(m, program.Built(&binary)) }

// node is a router that can be stopped, killed and restarted. Its URL is that of a line in front of it, and never changes.
type node struct {
	*testing.T
	name, dir string
	line      *line // the way to it
	url       string

	process *program.Process
}

// openRealm is a realm in which every session may do everything; sessions with the role "gateway" may forward.
const openRealm = kit.OpenRealm + kit.Gateway + kit.Everything

const listening = "[[listen]]\nurl = \"tcp://127.0.0.1:0\"\n"

// start starts a router with the realm "realm1" and the extra configuration.
func start(t *testing.T, name, extra string) *node {
	t.Helper()
	return startWith(t, name, openRealm+listening+extra)
}

func startWith(t *testing.T, name, config string) *node {
	t.Helper()
	n := &node{T: t, name: name, dir: t.TempDir(), line: newLine(t)}
	n.url = "tcp://" + n.line.address()
	n.write("runnel.toml", fmt.Sprintf("version = 1\n[node]\nid = %q\ndata = \"data\"\n%s", name, config))
	n.run()
	t.Cleanup(n.stop)
	return n
}

func (n *node) write(file, text string) string {
	n.Helper()
	path := filepath.Join(n.dir, file)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		n.Fatal(err)
	}
	return path
}

// run starts or restarts the router.
func (n *node) run() {
	n.Helper()
	var err error
	if n.process, err = program.Start(binary.Command("run", "-c", filepath.Join(n.dir, "runnel.toml"))); err != nil {
		n.Fatal(err)
	}
	found, err := n.process.Logs(`msg=listening url=\S+?://(127\S+)`)
	if err != nil {
		n.Fatal(err)
	}
	n.line.leadTo(found[1])
}

// kill kills the router.
func (n *node) kill() { n.process.Kill() }

func (n *node) stop() {
	n.process.Signal(syscall.SIGTERM)
	if _, err := n.process.Wait(); err != nil {
		n.Error(err)
	}
	for _, word := range []string{"panic", "DATA RACE", "fatal error"} {
		if log := n.process.Stderr.Text(); strings.Contains(log, word) {
			n.Errorf("%s: %s", n.name, log)
		}
	}
	if n.Failed() {
		n.Logf("%s:\n%s", n.name, n.process.Stderr.Text())
	}
}

// linkTo is the TOML of a link to another node, in the role of a gateway.
func linkTo(name string, to *node, rules string) string {
	return fmt.Sprintf("[[uplink]]\nname = %q\nurl = [%q]\nauthid = \"gateway\"\nticket = \"gateway's\"\n"+
		"reconnect_min = \"50ms\"\nreconnect_max = \"500ms\"\n%s", name, to.url, rules)
}

// shares returns the TOML of rules such as "export topic com.example.", which match by prefix.
func shares(list ...string) (text string) {
	for _, s := range list {
		f := strings.Fields(s)
		text += fmt.Sprintf("[[uplink.%s]]\n%s = %q\nmatch = \"prefix\"\n%s\n", f[0], f[1], f[2], strings.Join(f[3:], "\n"))
	}
	return text
}

// join connects a client directly, not over the line.
func (n *node) join() *client.Client {
	n.Helper()
	return n.joinAs(client.Options{})
}

func (n *node) joinAs(o client.Options) *client.Client {
	n.Helper()
	n.line.mu.Lock()
	to := n.line.to
	n.line.mu.Unlock()
	o.Reconnect.Disabled = true
	return program.Join(n, "tcp://"+to, o)
}

func patience(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), kit.Patience)
}

// link holds the fields of runnel.status for a link.
type link struct {
	Name       string   `json:"name"`
	Up         bool     `json:"up"`
	URL        string   `json:"url"`
	Error      string   `json:"error"`
	Reconnects uint64   `json:"reconnects"`
	Clash      string   `json:"clash"`
	Refused    []string `json:"refused"`
	RoundTrip  float64  `json:"round_trip_ms"`
	Interest   bool     `json:"interest"`
	Looped     uint64   `json:"looped"`
	EventsUp   flow     `json:"events_up"`
	EventsDown flow     `json:"events_down"`
	CallsUp    flow     `json:"calls_up"`
	CallsDown  flow     `json:"calls_down"`
}

type flow struct{ Forwarded, Dropped uint64 }

// link returns the state of a link.
func (n *node) link(c *client.Client, name string) (l link) {
	n.Helper()
	ctx, cancel := patience(n.T)
	defer cancel()
	r, err := c.Call(ctx, "runnel.status", client.CallOptions{}, client.Payload{})
	if err != nil {
		n.Fatalf("%s: status: %v", n.name, err)
	}
	b, err := json.Marshal(map[string]any{"args": r.Args(), "kwargs": r.Kwargs()})
	if err != nil {
		n.Fatal(err)
	}
	var answer struct {
		Args []struct {
			Uplinks []link `json:"uplinks"`
		} `json:"args"`
	}
	if err := json.Unmarshal(b, &answer); err != nil || len(answer.Args) == 0 {
		n.Fatalf("%s: status %s: %v", n.name, b, err)
	}
	for _, l := range answer.Args[0].Uplinks {
		if l.Name == name {
			return l
		}
	}
	n.Fatalf("%s: no uplink %s in %s", n.name, name, b)
	return l
}

// up waits until the link is up and knows the subscriptions at its far side.
func (n *node) up(c *client.Client, name string) {
	n.Helper()
	kit.Eventually(n.T, n.name+": the link "+name+" is up", func() bool {
		l := n.link(c, name)
		return l.Up && l.Interest
	})
}

// heard records the received events of a client.
type heard struct {
	mu   sync.Mutex
	list []string
	ways [][]client.Hop
}

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.list...)
}

func (h *heard) way(i int) []client.Hop {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ways[i]
}

// has waits until an event was received n times.
func (h *heard) has(t *testing.T, text string, n int) {
	t.Helper()
	kit.Eventually(t, fmt.Sprintf("%q is heard", text), func() bool { return h.count(text) >= n })
	if got := h.count(text); got > n {
		t.Errorf("%q is heard %d times, not %d", text, got, n)
	}
}

func (h *heard) count(text string) (n int) {
	for _, one := range h.all() {
		if one == text {
			n++
		}
	}
	return n
}

func (n *node) listen(c *client.Client, topic string, match wamp.Match) *heard {
	n.Helper()
	h := new(heard)
	ctx, cancel := patience(n.T)
	defer cancel()
	_, err := c.Subscribe(ctx, topic, client.SubscribeOptions{Match: match}, func(e *client.Event) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.list = append(h.list, fmt.Sprint(e.Topic(), e.Args()))
		h.ways = append(h.ways, e.ForwardFor())
	})
	if err != nil {
		n.Fatalf("%s: %v", n.name, err)
	}
	return h
}

func (n *node) publish(c *client.Client, topic string, args ...any) {
	n.Helper()
	n.publishWith(c, topic, client.PublishOptions{Acknowledge: true}, args...)
}

func (n *node) publishWith(c *client.Client, topic string, o client.PublishOptions, args ...any) {
	n.Helper()
	ctx, cancel := patience(n.T)
	defer cancel()
	if err := c.Publish(ctx, topic, o, client.Args(args...)); err != nil {
		n.Fatalf("%s: publish: %v", n.name, err)
	}
}

// reaches publishes until the event is received, because interest takes time to propagate.
func (n *node) reaches(c *client.Client, topic string, h *heard) {
	n.Helper()
	for i := 0; ; i++ {
		mark := fmt.Sprintf("probe-%d", i)
		n.publish(c, topic, mark)
		for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if h.count(topic+"["+mark+"]") > 0 {
				return
			}
		}
		if time.Duration(i)*200*time.Millisecond > kit.Patience {
			n.Fatalf("%s: no event on %s arrives", n.name, topic)
		}
	}
}

func (n *node) offer(c *client.Client, procedure string, o client.RegisterOptions, h client.Handler) {
	n.Helper()
	ctx, cancel := patience(n.T)
	defer cancel()
	if _, err := c.Register(ctx, procedure, o, h); err != nil {
		n.Fatalf("%s: %v", n.name, err)
	}
}

// call calls a procedure, and retries until the registration has crossed the link.
func (n *node) call(c *client.Client, procedure string, o client.CallOptions, args ...any) (r *client.Result, err error) {
	n.Helper()
	ctx, cancel := patience(n.T)
	defer cancel()
	kit.Eventually(n.T, procedure+" is there", func() bool {
		r, err = c.Call(ctx, procedure, o, client.Args(args...))
		var e *client.Error
		return !asError(err, &e) || e.URI != wamp.NoSuchProcedure.Error()
	})
	return r, err
}
