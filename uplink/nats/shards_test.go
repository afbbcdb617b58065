package nats_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/uplink"
	"runnel/uplink/nats"
	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/payload"
)

// shard registers a callee that answers with its name.
func shard(t *testing.T, s *site, procedure, node, name string) *client.Registration {
	t.Helper()
	o := client.RegisterOptions{Invoke: wamp.RoundRobin}
	if node != "" {
		o.Extra = map[string]any{"nkey": node}
	}
	r, err := s.program().Register(context.Background(), procedure, o, func(context.Context, *client.Invocation) (client.Payload, error) {
		return client.Args(name), nil
	})
	kit.Must(t, err)
	return r
}

// homes calls a procedure with 40 resource keys and returns the answering callee by key; an error counts as an answer.
func homes(t *testing.T, c *client.Client, procedure string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for i := range 40 {
		key := fmt.Sprintf("sn %d/%%", i)
		r, err := c.Call(t.Context(), procedure, client.CallOptions{Extra: wamp.Sharding(key)}, client.Payload{})
		if found[key] = fmt.Sprint(err); err == nil {
			found[key] = fmt.Sprint(r.Args()...)
		}
	}
	return found
}

// agreed waits until all callers reach the same callees, exactly these, and returns them by resource key. It then
// checks that the callees stay the same.
func agreed(t *testing.T, procedure string, callers []*client.Client, callees ...string) map[string]string {
	t.Helper()
	var last []map[string]string
	same := func() bool {
		last = nil
		for _, c := range callers {
			last = append(last, homes(t, c, procedure))
		}
		used := map[string]bool{}
		for key, callee := range last[0] {
			for _, other := range last[1:] {
				if other[key] != callee {
					return false
				}
			}
			used[callee] = true
		}
		for _, c := range callees {
			if !used[c] {
				return false
			}
		}
		return len(used) == len(callees)
	}
	kit.Eventually(t, "all callers reach the same callees", same, func() string { return fmt.Sprint(last) })
	first := last[0]
	for range 3 {
		if !same() {
			t.Fatalf("callees have changed: %v", last)
		}
		if fmt.Sprint(last[0]) != fmt.Sprint(first) {
			t.Fatalf("callees have changed from %v to %v", first, last[0])
		}
	}
	return first
}

// Calls with one resource key reach one callee, from whichever router. Few keys move when callees come and go.
func TestShardedCalls(t *testing.T) { kit.EachNATS(t, testShardedCalls) }

func testShardedCalls(t *testing.T, binary string) {
	servers := kit.NATSCluster(t, binary, 2)
	for _, s := range servers {
		s.Start(t)
	}
	a, b, c := newSite(t, "a", bothWays(), servers[0]), newSite(t, "b", bothWays(), servers[1]), newSite(t, "c", bothWays(), servers[1])
	shard(t, a, "com.store", "n1", "a1")
	shard(t, a, "com.store", "n2", "a2")
	third := shard(t, b, "com.store", "n3", "b3")
	callers := []*client.Client{a.program(), b.program(), c.program()}
	before := agreed(t, "com.store", callers, "a1", "a2", "b3")

	// A program that speaks only NATS sets the key in the header. Without a key any callee answers.
	p := alone(t, servers[1])
	p.offered(t, "com.store", true)
	for key, home := range before {
		m, err := p.Request(t.Context(), conn.Out{Subject: "com.store", Header: conn.Header(nil).Add(payload.KeyField, url.PathEscape(key))})
		kit.Must(t, err)
		if string(m.Data) != `"`+home+`"` {
			t.Errorf("%s: a plain program reaches %s; others reach %s", key, m.Data, home)
		}
	}
	if m := p.request(t, "com.store", ""); len(m.Data) == 0 {
		t.Errorf("%s", m.Header)
	}

	kit.Must(t, third.Unregister(t.Context()))
	after := agreed(t, "com.store", callers, "a1", "a2")
	for key, home := range before {
		if home != "b3" && after[key] != home {
			t.Errorf("%s has moved from %s to %s", key, home, after[key])
		}
	}
	shard(t, c, "com.store", "n3", "c3")
	again := agreed(t, "com.store", callers, "a1", "a2", "c3")
	for key, home := range before {
		if (home == "b3") != (again[key] == "c3") {
			t.Errorf("%s was at %s, and is at %s with a callee of the same name", key, home, again[key])
		}
	}
	// The callees of a link disappear when the link or its server ends.
	shard(t, b, "com.store", "n4", "b4")
	agreed(t, "com.store", callers, "a1", "a2", "c3", "b4")
	c.stop()
	kit.Receive(t, "the end of the link", c.ended)
	agreed(t, "com.store", callers[:2], "a1", "a2", "b4")
	servers[0].Kill()
	agreed(t, "com.store", callers[1:2], "b4")
	agreed(t, "com.store", callers[:1], "a1", "a2")
}

// Callees without a node key are identified by their authid, which is the same for all here. One of them gets all calls
// with a key.
func TestShardsOfOneName(t *testing.T) { kit.EachNATS(t, testShardsOfOneName) }

func testShardsOfOneName(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a, b := newSite(t, "a", bothWays(), server), newSite(t, "b", bothWays(), server)
	shard(t, b, "com.store", "", "b")
	shard(t, a, "com.store", "", "a")
	agreed(t, "com.store", []*client.Client{b.program(), a.program()}, "a")
	// Without a key the callee of the caller's own realm answers.
	for _, s := range []*site{a, b} {
		r, err := s.program().Call(t.Context(), "com.store", client.CallOptions{}, client.Payload{})
		kit.Must(t, err)
		if got := fmt.Sprint(r.Args()...); got != s.name {
			t.Errorf("%s answers a call at %s", got, s.name)
		}
	}
}

// A link that disappears silently gets no more calls. The call that detects this reaches another callee.
func TestShardIsGone(t *testing.T) { kit.EachNATS(t, testShardIsGone) }

func testShardIsGone(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	a := newSite(t, "a", bothWays(), server)
	shard(t, a, "com.store", "n1", "a1")
	p := alone(t, server)
	tell := func(link, router, nodes string) {
		h := conn.Header(nil).Add(payload.TypeField, payload.Nodes).Add(payload.LinkField, link).Add(payload.HopsField, payload.Hops([]client.Hop{{Node: router}}))
		kit.Must(t, p.Publish(conn.Out{Subject: "_RUNNEL.calls", Header: h, Data: []byte(nodes)}))
	}
	liar, err := p.Subscribe("_RUNNEL.link.LIAR.>", "", func(m *conn.Msg) { p.Publish(conn.Out{Subject: string(m.Reply), Data: []byte(`"liar"`)}) })
	kit.Must(t, err)
	kit.Must(t, p.Flush(t.Context()))
	a.await("up", isUp)
	callers := []*client.Client{a.program()}
	kit.Eventually(t, "the link has heard of the other", func() bool {
		tell("LIAR", "z/realm1", `[["com.store","exact","n2"]]`)
		for _, home := range homes(t, callers[0], "com.store") {
			if home == "liar" {
				return true
			}
		}
		return false
	})
	liar.Unsubscribe()
	kit.Must(t, p.Flush(t.Context()))
	for key, home := range homes(t, callers[0], "com.store") {
		if home != "a1" {
			t.Errorf("%s reaches %s", key, home)
		}
	}
	// Damaged messages, and messages in the name of the router itself, change nothing.
	for _, nodes := range []string{
		`[["com.store","exact","n2"]`, `{"a":1}`, `[["com.store","exact",2]]`, `[["com.store"]]`, `[["com..store","exact","n2"]]`, `[["com.store","near","n2"]]`,
		`[["com.store","exact",""]]`, `[["com.store","exact","a\u0000b"]]`, `[["wamp.session.count","exact","n2"]]`, `[["runnel.status","exact","n2"]]`, "\xff",
	} {
		tell("LIAR", "z/realm1", nodes)
	}
	for _, link := range []string{"", "a.b", "*", ">", "LIAR.x"} {
		tell(link, "z/realm1", `[["com.store","exact","n2"]]`)
	}
	tell("LIAR", "a/realm1", `[["com.store","exact","n2"]]`)
	kit.Must(t, p.Flush(t.Context()))
	agreed(t, "com.store", callers, "a1")
	if _, err := callers[0].Call(t.Context(), "wamp.session.count", client.CallOptions{Extra: wamp.Sharding("x")}, client.Payload{}); err != nil {
		t.Error(err)
	}
}

// The best registration of all routers gets the calls with a key: an exact one before a prefix.
func TestShardsOfPatterns(t *testing.T) { kit.EachNATS(t, testShardsOfPatterns) }

func testShardsOfPatterns(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	exported := nats.Options{Export: []nats.Rule{renamed("com.here.")}, Import: []nats.Rule{renamed("com.")}}
	exported.Import[0].Procedure = "com."
	a, b := newSite(t, "a", bothWays(), server), newSite(t, "b", exported, server)
	r, err := a.program().Register(t.Context(), "com.store.", client.RegisterOptions{Match: wamp.Prefix, Invoke: wamp.RoundRobin, Extra: map[string]any{"nkey": "n1"}},
		func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args("a"), nil })
	kit.Must(t, err)
	exact := shard(t, b, "com.here.store.one", "n2", "b")
	agreed(t, "com.store.one", []*client.Client{a.program()}, "b")
	agreed(t, "com.here.store.one", []*client.Client{b.program()}, "b")
	agreed(t, "com.here.store.two", []*client.Client{b.program()}, "a")
	kit.Must(t, exact.Unregister(t.Context()))
	agreed(t, "com.store.one", []*client.Client{a.program()}, "a")
	agreed(t, "com.here.store.one", []*client.Client{b.program()}, "a")
	kit.Must(t, r.Unregister(t.Context()))
	kit.Eventually(t, "no callee", func() bool {
		_, err := b.program().Call(t.Context(), "com.here.store.one", client.CallOptions{Extra: wamp.Sharding("x")}, client.Payload{})
		return errors.Is(err, wamp.NoSuchProcedure)
	})
}

// Rules of a single procedure work like prefixes. When the other callee has gone, the local one gets all calls.
func TestShardsOfOneRule(t *testing.T) { kit.EachNATS(t, testShardsOfOneRule) }

func testShardsOfOneRule(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	rule := nats.Rule{Rule: uplink.Rule{Procedure: "com.store"}}
	only := nats.Options{Export: []nats.Rule{rule}, Import: []nats.Rule{rule}}
	a, b := newSite(t, "a", only, server), newSite(t, "b", only, server)
	first, second := shard(t, a, "com.store", "n1", "a"), shard(t, b, "com.store", "n2", "b")
	callers := []*client.Client{a.program(), b.program()}
	agreed(t, "com.store", callers, "a", "b")
	kit.Must(t, second.Unregister(t.Context()))
	agreed(t, "com.store", callers, "a")
	shard(t, b, "com.store", "n2", "b")
	agreed(t, "com.store", callers, "a", "b")
	kit.Must(t, first.Unregister(t.Context()))
	agreed(t, "com.store", callers, "b")
}

// renamed is a rule that maps com.here. to com. at the cluster.
func renamed(procedure string) nats.Rule {
	r := procedures(procedure)
	r.LocalPrefix, r.RemotePrefix = "com.here.", "com."
	return r
}

// A link announces its nodes at intervals, and forgets the nodes of a link that does not.
func TestNodesAreToldAgain(t *testing.T) {
	defer nats.ShortenAnnouncements()()
	kit.EachNATS(t, testNodesAreToldAgain)
}

func testNodesAreToldAgain(t *testing.T, binary string) {
	server := kit.StartNATS(t, binary, "")
	p := alone(t, server)
	told := make(chan string, 1000)
	_, err := p.Subscribe("_RUNNEL.calls", "", func(m *conn.Msg) {
		if string(m.Header.Get(payload.TypeField)) == payload.Nodes {
			kit.Send(t, told, string(m.Data))
		}
	})
	kit.Must(t, err)
	_, err = p.Subscribe("_RUNNEL.link.OTHER.>", "", func(m *conn.Msg) { p.Publish(conn.Out{Subject: string(m.Reply), Data: []byte(`"other"`)}) })
	kit.Must(t, err)
	kit.Must(t, p.Flush(t.Context()))
	a := newSite(t, "a", bothWays(), server)
	shard(t, a, "com.store", "n1", "a1")
	const nodes = `[["com.store","exact","n1"]]`
	for range 5 {
		if got := kit.Receive(t, "the nodes", told); got != nodes {
			t.Errorf("told %s; want %s", got, nodes)
		}
	}
	callers := []*client.Client{a.program()}
	kit.Eventually(t, "the link has heard of the other", func() bool {
		h := conn.Header(nil).Add(payload.TypeField, payload.Nodes).Add(payload.LinkField, "OTHER").Add(payload.HopsField, payload.Hops([]client.Hop{{Node: "z/realm1"}}))
		kit.Must(t, p.Publish(conn.Out{Subject: "_RUNNEL.calls", Header: h, Data: []byte(`[["com.store","exact","n2"]]`)}))
		for _, home := range homes(t, callers[0], "com.store") {
			if home == "other" {
				return true
			}
		}
		return false
	})
	agreed(t, "com.store", callers, "a1")
}
