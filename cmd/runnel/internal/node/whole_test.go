package node

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

// If one part cannot be created, all other parts stay unchanged, and parts that were already created for the reload are
// released. Without the obstacle the same reload applies.
func TestFailingPart(t *testing.T) {
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", kit.FreePort(t))) // it is bound again later
	kit.Must(t, err)
	defer taken.Close()
	centre := site(t, "centre").start("")
	ticket := "authid = \"x\"\nticket = \"file:DIR/ticket\"\n"
	for part, c := range map[string]struct {
		more   string
		remedy func(*live) error
	}{
		"c.sock":    {"[[listen]]\nurl = \"unix://DIR/c.sock\"\n", func(n *live) error { return os.RemoveAll(filepath.Join(n.dir, "c.sock")) }},
		"metrics: ": {"[metrics]\nurl = \"http://" + taken.Addr().String() + "\"\n", func(*live) error { return taken.Close() }},
		"uplink d: ": {strings.NewReplacer(`"c"`, `"d"`, "[[uplink.", ticket+"[[uplink.").Replace(linkTo(centre)),
			func(n *live) error {
				n.brief = ""
				return os.WriteFile(filepath.Join(n.dir, "ticket"), []byte("t"), 0o600)
			}},
	} {
		n := site(t, "x").start("")
		n.brief = "ticket"
		kit.Must(t, os.MkdirAll(filepath.Join(n.dir, "c.sock", "file"), 0o700)) // a socket cannot replace a directory
		n.write(n.listen("b") + linkTo(centre) + strings.ReplaceAll(c.more, "DIR", n.dir))
		if changes, err := n.Reload(); err == nil || !strings.Contains(err.Error(), part) {
			t.Fatalf("%s: %q, %v", part, changes, err)
		}
		if len(n.Listeners()) != 1 || len(n.Uplinks()) != 0 || n.exporter != nil || len(n.config.Listens) != 1 {
			t.Errorf("%s: the failed reload has changed the node: %+v", part, n.Status())
		}
		if conn, err := net.Dial("unix", strings.TrimPrefix(n.socket("b"), "unix://")); err == nil {
			conn.Close()
			t.Errorf("%s: the failed reload has left a socket", part)
		}
		kit.Must(t, c.remedy(n))
		if changes, err := n.Reload(); err != nil || !slices.Contains(changes, "uplink c started") {
			t.Errorf("%s: without the obstacle: %q, %v", part, changes, err)
		}
	}
}

// An uplink that cannot be replaced stays as it is.
func TestFailingReplacement(t *testing.T) {
	centre, n := site(t, "centre").start(""), site(t, "x")
	n.start(linkTo(centre))
	n.brief = "ticket"
	n.write(strings.Replace(linkTo(centre), "[[uplink.", "authid = \"x\"\nticket = \"file:"+filepath.Join(n.dir, "ticket")+"\"\n[[uplink.", 1))
	before := n.linkNamed("c")
	if changes, err := n.Reload(); err == nil || !strings.Contains(err.Error(), "uplink c: ") || n.linkNamed("c") != before {
		t.Errorf("changes %q, %v", changes, err)
	}
}

// A node that may degrade starts without an uplink that fails, and starts it once it can.
func TestDegradedUplink(t *testing.T) {
	centre, n := site(t, "centre").start(""), site(t, "x")
	ticket := filepath.Join(n.dir, "ticket")
	n.brief = "ticket"
	n.start(strings.Replace(linkTo(centre), "[[uplink.", "authid = \"x\"\nticket = \"file:"+ticket+"\"\n[[uplink.", 1), func(o *Options) { o.Degrade = true })
	absent := func() int { // the node retries by itself as well
		n.mu.Lock()
		defer n.mu.Unlock()
		return len(n.config.Absent)
	}
	if f := n.Faults(); len(f) != 1 || f[0].Part != "uplink c" || f[0].Error == "" || f[0].Since.IsZero() || len(n.Uplinks()) != 0 || absent() != 1 {
		t.Fatalf("faults %+v, uplinks %+v", f, n.Uplinks())
	}
	if n.retryParts() || len(n.Faults()) != 1 {
		t.Errorf("a retry in vain: faults %+v", n.Faults())
	}
	kit.Must(t, os.WriteFile(ticket, []byte("t"), 0o600))
	if !n.retryParts() || len(n.Faults()) != 0 || len(n.Uplinks()) != 1 || absent() != 0 {
		t.Errorf("without the obstacle: faults %+v, uplinks %+v", n.Faults(), n.Uplinks())
	}
}

// A reload reports the fate of a removed uplink's queue. Events on disk wait for an uplink of that name.
func TestQueueOfGoneUplink(t *testing.T) {
	for store, want := range map[string]string{
		"durable": "uplink c ended; 2 events of its queue stay on disk for an uplink of this name",
		"memory":  "uplink c ended; 2 events of its queue were in memory only and are dropped",
	} {
		centre, n := site(t, "centre"), site(t, "x")
		uplink := linkTo(centre) + "store = \"" + store + "\"\n"
		n.start(uplink)
		c, err := join(t, n.socket("a"), client.Options{Realm: "realm1"})
		kit.Must(t, err)
		for i := range 2 {
			kit.Must(t, c.Publish(t.Context(), "a.b", client.PublishOptions{Acknowledge: true}, client.Args(i)))
		}
		if s := n.Spools("realm1"); len(s) != 1 || s[0].Uplink != "c" || len(n.Spools("realm2")) != 0 {
			t.Errorf("%s: queues %+v", store, s)
		}
		if got := n.become(""); !slices.Equal(got, []string{want}) {
			t.Errorf("%s: changes %q, want %q", store, got, want)
		}
		if store == "memory" {
			continue
		}
		centre.start("")
		events := make(chan *client.Event, 2)
		there, err := join(t, centre.socket("a"), client.Options{Realm: "realm1"})
		kit.Must(t, err)
		_, err = there.Subscribe(t.Context(), "a.b", client.SubscribeOptions{}, func(e *client.Event) { kit.Send(t, events, e) })
		kit.Must(t, err)
		n.become(uplink)
		for range 2 {
			kit.Receive(t, "an event of the queue", events)
		}
	}
}

// A node that loses a part for good ends with that part's error.
func TestLostPart(t *testing.T) {
	n := site(t, "x")
	n.write("[metrics]\nurl = \"http://127.0.0.1:0\"\n")
	c, err := n.load()
	kit.Must(t, err)
	n.Node, err = New(c, Options{Log: quiet})
	kit.Must(t, err)
	if err := n.Run(t.Context(), func() { n.exporter.socket.Close() }); err == nil || !strings.HasPrefix(err.Error(), "metrics: ") {
		t.Errorf("Run returns %v", err)
	}
	again, err := New(c, Options{Log: quiet})
	kit.Must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	kit.Must(t, again.Run(ctx, stop))
}
