package federation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
)

// foreign starts another WAMP router, whose program is below centres. If its module is not available, the case is skipped;
// with RUNNEL_CENTRES set, as in CI, it fails.
func foreign(t *testing.T, name string) *node {
	t.Helper()
	get := exec.Command("go", "mod", "download")
	get.Dir = "centres"
	if out, err := get.CombinedOutput(); err != nil {
		refuse := t.Skipf
		if os.Getenv("RUNNEL_CENTRES") != "" {
			refuse = t.Fatalf
		}
		refuse("the modules of other routers are not to be had: %v\n%s", err, out)
	}
	file := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", file, "./"+name)
	build.Dir = "centres"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	n := &node{T: t, name: name, line: newLine(t)}
	n.url = "tcp://" + n.line.address()
	cmd := exec.Command(file)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if n.process, err = program.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); n.stop() })
	if err := n.process.Sees("listening "); err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(n.process.Stdout.Text(), "listening ")
	n.line.leadTo(strings.Fields(address)[0])
	return n
}

// Other WAMP routers as centres: the features that they support work over the link.
func TestOtherCentres(t *testing.T) {
	for _, c := range []struct {
		name               string
		interest, patterns bool
	}{{"nexus", true, true}, {"xconn", false, false}} {
		t.Run(c.name, func(t *testing.T) {
			centre := foreign(t, c.name)
			edge := start(t, "edge", fmt.Sprintf("[[uplink]]\nname = \"central\"\nurl = [%q]\nreconnect_min = \"50ms\"\nreconnect_max = \"500ms\"\nping_interval = \"200ms\"\n%s",
				centre.url, everything))
			here, there := edge.join(), centre.join()
			kit.Eventually(t, "the link is up", func() bool { l := edge.link(here, "central"); return l.Up && l.Interest == c.interest })
			centre.meets(edge, there, here, c.patterns, "one")

			centre.line.become(quality{cut: true})
			kit.Eventually(t, "the link is down", func() bool { return !edge.link(here, "central").Up })
			centre.line.become(quality{})
			kit.Eventually(t, "the link is up", func() bool { l := edge.link(here, "central"); return l.Up && l.Interest == c.interest })
			centre.meets(edge, centre.join(), here, c.patterns, "two")
			kit.Eventually(t, "the round trip is measured", func() bool { return edge.link(here, "central").RoundTrip > 0 })
			if l := edge.link(here, "central"); l.Looped > 0 || l.EventsUp.Dropped > 0 {
				t.Errorf("state %+v", l)
			}
		})
	}
}

// meets checks that events and calls cross a link between a foreign centre and an edge in both directions.
func (n *node) meets(edge *node, there, here *client.Client, patterns bool, round string) {
	n.Helper()
	t := n.T
	atEdge, numbers := edge.listen(edge.join(), "com.t.down", wamp.Exact), n.listen(n.join(), "com.t.n", wamp.Exact)
	n.reaches(there, "com.t.down", atEdge)
	edge.reaches(here, "com.t.n", numbers)
	if patterns {
		edge.reaches(here, "com.t.up", n.listen(n.join(), "com.t.", wamp.Prefix))
		n.reaches(there, "com.t.any", edge.listen(edge.join(), "com..", wamp.Wildcard))
	}
	for i := range 20 { // one at a time, because these routers drop events of a burst
		edge.publish(here, "com.t.n", i)
		numbers.has(t, fmt.Sprintf("com.t.n[%d]", i), 1)
	}
	callee := func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
		switch args := inv.Args(); {
		case len(args) > 0 && args[0] == "fail":
			return client.Payload{}, client.NewError("com.error.own", "text")
		case len(args) > 0 && args[0] == "wait":
			<-ctx.Done()
			return client.Payload{}, ctx.Err()
		}
		for i := range 3 {
			if err := inv.Progress(client.Args(i)); err != nil {
				return client.Payload{}, err
			}
		}
		return client.Args("end"), nil
	}
	n.offer(n.join(), "com.p.there."+round, client.RegisterOptions{}, callee)
	edge.offer(edge.join(), "com.p.here."+round, client.RegisterOptions{}, callee)
	for _, way := range []struct {
		from      *node
		c         *client.Client
		procedure string
	}{{edge, here, "com.p.there." + round}, {n, there, "com.p.here." + round}} {
		var progress []any
		r, err := way.from.call(way.c, way.procedure, client.CallOptions{Progress: func(r *client.Result) { progress = append(progress, r.Args()...) }})
		if err != nil || fmt.Sprint(progress, r.Args()) != "[0 1 2] [end]" {
			t.Errorf("%s: %v, %v", way.procedure, progress, err)
		}
		_, err = way.from.call(way.c, way.procedure, client.CallOptions{}, "fail")
		var e *client.Error
		if !errors.As(err, &e) || e.URI != "com.error.own" || fmt.Sprint(e.Args()) != "[text]" {
			t.Errorf("%s: %v", way.procedure, err)
		}
	}
}
