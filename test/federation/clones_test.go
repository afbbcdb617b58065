package federation

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
)

var durable = shares("export topic com. store=\"durable\"")

// refused waits until a link is rejected because of its node's id, and returns the reason.
func (n *node) refused(c *client.Client, name string) (why string) {
	n.Helper()
	kit.Eventually(n.T, n.name+": the link is refused", func() bool {
		l := n.link(c, name)
		why = l.Clash
		return !l.Up && why != ""
	})
	if _, err := n.process.Logs("another node has the id of this one"); err != nil {
		n.Error(err)
	}
	kit.Eventually(n.T, n.name+": the last error tells", func() bool { return strings.Contains(n.link(c, name).Error, "is used twice") })
	return why
}

// fill publishes acknowledged events.
func (n *node) fill(c *client.Client, topic string, count int) (texts []string) {
	n.Helper()
	for i := range count {
		n.publish(c, topic, i)
		texts = append(texts, fmt.Sprintf("%s[%d]", topic, i))
	}
	return texts
}

// arrive waits until all events have arrived, once and in order.
func (h *heard) arrive(t *testing.T, texts []string) {
	t.Helper()
	for _, text := range texts {
		h.has(t, text, 1)
	}
	var got []string
	for _, text := range h.all() {
		if slices.Contains(texts, text) {
			got = append(got, text)
		}
	}
	if !slices.Equal(got, texts) {
		t.Errorf("%v came, not %v", got, texts)
	}
}

// Two gateways have the same id. The centre rejects the second one by name. The second one keeps its events, and
// connects once the first has disconnected.
func TestTwoGatewaysOfOneID(t *testing.T) {
	centre := start(t, "centre", "")
	first := start(t, "gw", linkTo("up", centre, durable))
	atCentre := centre.listen(centre.join(), "com.", wamp.Prefix)
	here := first.join()
	first.up(here, "up")
	second := start(t, "gw", linkTo("up", centre, durable))
	there := second.join()
	why := second.refused(there, "up")
	if strings.Count(why, "127.0.0.1:") < 2 {
		t.Errorf("%q does not name both addresses", why)
	}
	kept := second.fill(there, "com.second", 20)
	crossed := first.fill(here, "com.first", 20)
	atCentre.arrive(t, crossed)
	if atCentre.count("com.second[0]") > 0 {
		t.Error("events of the second gateway have crossed")
	}
	_, err := centre.process.Logs("node id is used twice")
	kit.Must(t, err)
	told := centre.awaitRetained("runnel.node.on_clash")
	if !strings.Contains(told, "node:gw") || strings.Count(told, "127.0.0.1:") < 2 {
		t.Errorf("the centre tells %q", told)
	}
	if told := second.awaitRetained("runnel.uplink.on_state.up"); !strings.Contains(told, "is used twice") {
		t.Errorf("the second gateway tells %q", told)
	}
	first.kill()
	second.up(there, "up")
	atCentre.arrive(t, kept)
	if l := second.link(there, "up"); l.Clash != "" {
		t.Errorf("the alarm stands: %q", l.Clash)
	}
	first.run()
}

// awaitRetained waits for a retained event.
func (n *node) awaitRetained(topic string) string {
	n.Helper()
	got := make(chan string, 10)
	ctx, cancel := patience(n.T)
	defer cancel()
	_, err := n.join().Subscribe(ctx, topic, client.SubscribeOptions{GetRetained: true}, func(e *client.Event) { kit.Send(n, got, fmt.Sprint(e.Args()...)) })
	if err != nil {
		n.Fatal(err)
	}
	select {
	case text := <-got:
		return text
	case <-ctx.Done():
		n.Fatalf("%s: nothing on %s", n.name, topic)
		return ""
	}
}

// A copied SD card: ids are host names, and the sequence numbers are copied with the data. Once the copy has its own id, all
// events arrive.
func TestCopiedCard(t *testing.T) {
	centre := start(t, "centre", "")
	atCentre := centre.listen(centre.join(), "com.", wamp.Prefix)
	config := "version = 1\n[node]\ndata = \"data\"\n" + openRealm + listening + linkTo("up", centre, durable)
	first := startNamed(t, "first", config, nil)
	here := first.join()
	first.up(here, "up")
	atCentre.arrive(t, first.fill(here, "com.first", 5))
	second := startNamed(t, "second", config, func(dir string) {
		if err := os.CopyFS(filepath.Join(dir, "data"), os.DirFS(filepath.Join(first.dir, "data"))); err != nil {
			t.Fatal(err)
		}
	})
	there := second.join()
	second.refused(there, "up")
	kept := second.fill(there, "com.second", 5)
	second.kill()
	second.write("runnel.toml", strings.Replace(config, "[node]\n", "[node]\nid = \"second\"\n", 1))
	second.run()
	atCentre.arrive(t, kept)
	more := first.fill(here, "com.more", 5)
	atCentre.arrive(t, more)
}

func startNamed(t *testing.T, name, config string, prepare func(dir string)) *node {
	t.Helper()
	n := &node{T: t, name: name, dir: t.TempDir(), line: newLine(t)}
	n.url = "tcp://" + n.line.address()
	n.write("runnel.toml", config)
	if prepare != nil {
		prepare(n.dir)
	}
	n.run()
	t.Cleanup(n.stop)
	return n
}

// Both ends of a chain have the same id. Either link may connect first.
func TestOneIDTwiceInAChain(t *testing.T) {
	for _, edgeFirst := range []bool{false, true} {
		t.Run(fmt.Sprint("edge first ", edgeFirst), func(t *testing.T) {
			centre := start(t, "same", "")
			atCentre := centre.listen(centre.join(), "com.", wamp.Prefix)
			site := start(t, "site", "")
			edge := start(t, "same", "")
			up := func(n, to *node) { n.relink(linkTo("up", to, durable)) }
			if edgeFirst {
				up(edge, site)
				edge.up(edge.join(), "up")
				up(site, centre)
			} else {
				up(site, centre)
				site.up(site.join(), "up")
				up(edge, site)
			}
			here := edge.join()
			edge.refused(here, "up")
			kept := edge.fill(here, "com.kept", 50)
			if n := edge.link(here, "up").EventsUp; n.Forwarded != 0 || n.Dropped != 0 {
				t.Errorf("%+v while the link is refused", n)
			}
			edge.kill()
			edge.write("runnel.toml", fmt.Sprintf("version = 1\n[node]\nid = %q\ndata = \"data\"\n%s", "other", openRealm+listening+linkTo("up", site, durable)))
			edge.run()
			atCentre.arrive(t, kept)
		})
	}
}

// A router has the same id as its neighbour.
func TestNeighbourOfTheSameID(t *testing.T) {
	centre := start(t, "same", "")
	edge := start(t, "same", linkTo("up", centre, durable))
	here := edge.join()
	if why := edge.refused(here, "up"); !strings.Contains(why, "this router itself") {
		t.Error(why)
	}
}

// A killed gateway reconnects while the centre still has its old connection. The centre does not take it for a second one.
func TestHalfOpenIsNoSecondGateway(t *testing.T) {
	centre := start(t, "centre", "")
	line := newLine(t)
	line.leadTo(centre.line.to)
	ctx, cancel := patience(t)
	defer cancel()
	before, err := client.Connect(ctx, client.Options{
		Realm: "realm1", Authid: "gateway", Auth: []client.Auth{client.Ticket("gateway's")}, Reconnect: client.Reconnect{Disabled: true},
		Node: wamp.Node{ID: "gw", Name: "gw", Boot: "before"},
		Dial: func(ctx context.Context) (client.Conn, error) {
			return transport.Dial(ctx, "tcp://"+line.address(), transport.DialOptions{})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close(ctx)
	line.silence(true)
	gateway := start(t, "gw", linkTo("up", centre, durable))
	here := gateway.join()
	gateway.up(here, "up")
	if l := gateway.link(here, "up"); l.Clash != "" {
		t.Error(l.Clash)
	}
	_, err = centre.process.Logs("does not respond; closing it")
	kit.Must(t, err)
	if strings.Contains(centre.process.Stderr.Text(), "used twice") {
		t.Error("the centre took the old session for another node")
	}
	line.silence(false)
	line.cut()
}

// Two nodes in different branches have the same id and can't detect that when they join. Events between them are not taken
// for looped ones, and an alarm is raised.
func TestOneIDInTwoBranches(t *testing.T) {
	centre := start(t, "centre", "")
	rules := shares("export topic com.", "import topic com.")
	var edges []*node
	var all []*heard
	var programs []*client.Client
	for _, site := range []string{"site-a", "site-b"} {
		s := start(t, site, linkTo("up", centre, rules))
		e := start(t, "same", linkTo("up", s, rules))
		edges = append(edges, e)
		c := e.join()
		programs = append(programs, c)
		all = append(all, e.listen(e.join(), "com.", wamp.Prefix))
		s.up(s.join(), "up")
		e.up(c, "up")
	}
	edges[0].reaches(programs[0], "com.a", all[1])
	edges[1].reaches(programs[1], "com.b", all[0])
	kit.Eventually(t, "the alarm", func() bool { return strings.Contains(edges[1].link(programs[1], "up").Clash, "same/realm1") })
}
