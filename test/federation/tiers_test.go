package federation

import (
	"context"
	"fmt"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

var everything = shares("export topic com.", "import topic com.", "export procedure com.", "import procedure com.")

// places is the path of an event or a call, by the names of the nodes.
func places(way []client.Hop) (list []string) {
	for _, h := range way {
		list = append(list, h.Node)
	}
	return list
}

// Device, gateway, site and centre are each linked to the next one up, and form one realm.
func TestThreeTiers(t *testing.T) {
	centre := start(t, "centre", "")
	site := start(t, "site", linkTo("up", centre, everything))
	gateway := start(t, "gateway", linkTo("up", site, everything))
	device := start(t, "device", linkTo("up", gateway, everything))
	nodes := []*node{device, gateway, site, centre}
	var programs []*client.Client
	var all []*heard
	for _, n := range nodes {
		c := n.join()
		programs = append(programs, c)
		all = append(all, n.listen(n.join(), "com.", wamp.Prefix))
	}
	for i, n := range nodes[:3] {
		n.up(programs[i], "up")
	}
	device.reaches(programs[0], "com.up", all[3])
	centre.reaches(programs[3], "com.down", all[0])
	device.publishWith(programs[0], "com.a", client.PublishOptions{Acknowledge: true, DiscloseMe: true}, "from the device")
	centre.publish(programs[3], "com.a", "from the centre")
	for i, h := range all {
		h.has(t, "com.a[from the device]", 1)
		h.has(t, "com.a[from the centre]", 1)
		for at, text := range h.all() {
			want := []string{"device/realm1", "gateway/realm1", "site/realm1"}[:min(i, 3)]
			if text == "com.a[from the centre]" {
				want = []string{"centre/realm1", "site/realm1", "gateway/realm1"}[:3-i]
			} else if text != "com.a[from the device]" {
				continue
			}
			if got := places(h.way(at)); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s at the %s has come by %v, not %v", text, nodes[i].name, got, want)
			}
			if text == "com.a[from the device]" && i > 0 {
				w, _ := programs[0].Welcome()
				if who := h.way(at)[0]; who.Session != w.Session || who.Authid != w.Authid() || who.Authrole != "guest" {
					t.Errorf("the publisher is told to be %+v, and is %d %s", who, w.Session, w.Authid())
				}
			}
		}
	}
	for i, n := range nodes {
		n.offer(programs[i], "com.at."+n.name, client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			return client.Args(len(inv.ForwardFor())), nil
		})
	}
	for i, from := range nodes {
		for j, to := range nodes {
			r, err := from.call(programs[i], "com.at."+to.name, client.CallOptions{})
			if err != nil || r.Args()[0] != int64(max(i-j, j-i)) {
				t.Errorf("from the %s to the %s: %v, %v", from.name, to.name, r, err)
			}
		}
	}
}

func TestHopLimit(t *testing.T) {
	centre := start(t, "centre", "")
	site := start(t, "site", linkTo("up", centre, "max_hops = 1\n"+everything))
	gateway := start(t, "gateway", linkTo("up", site, everything))
	here, middle, there := gateway.join(), site.join(), centre.join()
	atSite, atCentre := site.listen(middle, "com.", wamp.Prefix), centre.listen(there, "com.", wamp.Prefix)
	gateway.up(here, "up")
	site.up(middle, "up")
	gateway.reaches(here, "com.a", atSite)
	site.reaches(middle, "com.b", atCentre)
	gateway.publish(here, "com.a", "too far")
	atSite.has(t, "com.a[too far]", 1)
	site.publish(middle, "com.b", "last")
	atCentre.has(t, "com.b[last]", 1)
	if atCentre.count("com.a[too far]") > 0 {
		t.Error("the event has crossed two links, of which one allows for one in all")
	}
	kit.Eventually(t, "what goes too far is counted", func() bool { return site.link(middle, "up").Looped > 0 })
}

// ring starts three routers, each linked to the next. They are started once before, because each needs the URL of another.
func ring(t *testing.T, trusted bool) (nodes []*node, programs []*client.Client) {
	t.Helper()
	for _, name := range []string{"a", "b", "c"} {
		nodes = append(nodes, start(t, name, ""))
	}
	for i, n := range nodes {
		link := linkTo("next", nodes[(i+1)%3], everything)
		if !trusted {
			link = fmt.Sprintf("[[uplink]]\nname = \"next\"\nurl = [%q]\n%s", nodes[(i+1)%3].url, everything)
		}
		n.relink(link)
	}
	for _, n := range nodes {
		c := n.join()
		programs = append(programs, c)
	}
	for i, n := range nodes {
		n.up(programs[i], "next")
	}
	return nodes, programs
}

// relink gives the router other links.
func (n *node) relink(links string) {
	n.Helper()
	n.write("runnel.toml", fmt.Sprintf("version = 1\n[node]\nid = %q\ndata = \"data\"\n%s", n.name, openRealm+listening+links))
	n.kill()
	n.run()
}

// Three routers form a circle: every event arrives, and none loops.
func TestRing(t *testing.T) {
	for name, trusted := range map[string]bool{"trusted": true, "not trusted": false} {
		t.Run(name, func(t *testing.T) {
			nodes, programs := ring(t, trusted)
			var all []*heard
			for _, n := range nodes {
				all = append(all, n.listen(n.join(), "com.", wamp.Prefix))
			}
			for i, n := range nodes {
				for _, h := range all {
					n.reaches(programs[i], "com.from."+n.name, h)
				}
			}
			const events = 20
			for i := range events {
				nodes[0].publish(programs[0], "com.a", i)
			}
			for _, h := range all {
				for i := range events {
					kit.Eventually(t, "the event is heard", func() bool { return h.count(fmt.Sprintf("com.a[%d]", i)) > 0 })
				}
			}
			// Each link carries an event at most once, in either direction, until all routers have it.
			nodes[0].publish(programs[0], "com.a", "end")
			for i, h := range all {
				kit.Eventually(t, "the event is heard", func() bool { return h.count("com.a[end]") > 0 })
				for e := range events {
					if n := h.count(fmt.Sprintf("com.a[%d]", e)); n > 2 {
						t.Errorf("event %d comes to %s %d times; two ways lead there", e, nodes[i].name, n)
					}
				}
			}
			_, err := programs[0].Call(t.Context(), "com.none", client.CallOptions{}, client.Payload{})
			if err == nil {
				t.Error("a procedure that is nowhere has a result")
			}
			nodes[2].offer(programs[2], "com.there", client.RegisterOptions{}, func(context.Context, *client.Invocation) (client.Payload, error) {
				return client.Args("c"), nil
			})
			r, err := nodes[0].call(programs[0], "com.there", client.CallOptions{})
			if err != nil || r.Args()[0] != "c" {
				t.Errorf("call: %v", err)
			}
		})
	}
}

// Two links between the same two routers, and patterns that loop through both.
func TestDoubleLink(t *testing.T) {
	centre := start(t, "centre", "")
	edge := start(t, "edge", linkTo("one", centre, everything)+linkTo("two", centre, everything))
	here, there := edge.join(), centre.join()
	edge.up(here, "one")
	edge.up(here, "two")
	atEdge, atCentre := edge.listen(edge.join(), "com.", wamp.Prefix), centre.listen(centre.join(), "com.", wamp.Prefix)
	edge.reaches(here, "com.up", atCentre)
	centre.reaches(there, "com.down", atEdge)
	for i := range 20 {
		centre.publish(there, "com.a", i)
		edge.publish(here, "com.b", i)
	}
	for i := range 20 {
		for _, h := range []*heard{atEdge, atCentre} {
			for _, topic := range []string{"com.a", "com.b"} {
				text := fmt.Sprintf("%s[%d]", topic, i)
				kit.Eventually(t, text, func() bool { return h.count(text) > 0 })
				if n := h.count(text); n > 2 {
					t.Errorf("%s is heard %d times over two links", text, n)
				}
			}
		}
	}
}

// Two realms are linked to two realms of a centre, and one realm to two centres.
func TestManyLinks(t *testing.T) {
	second := "[[realm]]\nname = \"realm2\"\nanonymous = \"all\"\n[[realm.role]]\nname = \"all\"\n[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\n" +
		"allow = [\"publish\", \"subscribe\", \"call\", \"register\"]\n"
	one, two := start(t, "one", second), start(t, "two", "")
	edge := start(t, "edge", second+
		"[[uplink]]\nname = \"a\"\nrealm = \"realm1\"\nurl = ["+quoted(one.url)+"]\n"+everything+
		"[[uplink]]\nname = \"b\"\nrealm = \"realm1\"\nurl = ["+quoted(two.url)+"]\n"+everything+
		"[[uplink]]\nname = \"c\"\nrealm = \"realm2\"\nurl = ["+quoted(one.url)+"]\n"+everything)
	here := edge.join()
	atOne, atTwo := one.listen(one.join(), "com.", wamp.Prefix), two.listen(two.join(), "com.", wamp.Prefix)
	edge.up(here, "a")
	edge.up(here, "b")
	edge.up(here, "c")
	edge.reaches(here, "com.a", atOne)
	edge.reaches(here, "com.a", atTwo)
	edge.publish(here, "com.a", "x")
	atOne.has(t, "com.a[x]", 1)
	atTwo.has(t, "com.a[x]", 1)
	// Through the edge, the procedures of one centre can be called at the other.
	there := two.join()
	two.offer(there, "com.there", client.RegisterOptions{}, func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		return client.Args(fmt.Sprint(places(inv.ForwardFor()))), nil
	})
	r, err := one.call(one.join(), "com.there", client.CallOptions{})
	if err != nil || r.Args()[0] != "[one/realm1 edge/realm1]" {
		t.Errorf("from one centre to the other: %v, %v", r, err)
	}
}

func quoted(s string) string { return fmt.Sprintf("%q", s) }
