package conformance

import (
	"fmt"
	"slices"
	"testing"

	"runnel/test/stage"
)

// The specification only names the options. docs/protocol.md describes their effect in this router.
func TestShardedSubscription(t *testing.T) {
	house.Every(t, "one node for a resource", func(s *stage.Scene) {
		pub, all := s.Join(stage.Full), s.Join(stage.Full)
		all.Say(`[32,1,{},"~.a"]`)
		all.Hear(`[33,1,"$sub"]`)
		nodes := map[string]*stage.Peer{"n1": s.Join(stage.Full), "n2": s.Join(stage.Full)}
		for key, p := range nodes {
			p.Say(fmt.Sprintf(`[32,1,{"nkey":%q},"~.a"]`, key))
			p.Hear(`[33,1,"$sub"]`)
		}
		home := map[string]string{}
		for range 2 { // the second time, each call reaches the same callee
			for i := range 20 {
				key := fmt.Sprintf("sn%d", i)
				pub.Say(fmt.Sprintf(`[16,1,{"rkey":%q},"~.a",[%d]]`, key, i))
				all.Hear(fmt.Sprintf(`[36,"$sub","*",{},[%d]]`, i))
				pub.Sync()
				got := ""
				for node, p := range nodes {
					p.Sync()
					if p.Heard() {
						p.Hear(fmt.Sprintf(`[36,"$sub","*",{},[%d]]`, i))
						got += node
					}
				}
				if len(got) != 2 || home[key] != "" && home[key] != got {
					s.Fatalf("the event of %s went to %q, before to %q", key, got, home[key])
				}
				home[key] = got
			}
		}
		nodes["n1"].Goodbye()
		pub.Say(`[16,1,{"rkey":"sn1"},"~.a",["left"]]`, `[16,1,{},"~.a",["no key"]]`)
		nodes["n2"].Hear(`[36,"$sub","*",{},["left"]]`, `[36,"$sub","*",{},["no key"]]`)
	})
}

func TestShardedRegistration(t *testing.T) {
	house.Every(t, "one callee for a resource", func(s *stage.Scene) {
		caller := s.Join(stage.Full)
		callees := []*stage.Peer{s.Join(stage.Full), s.Join(stage.Full)}
		for i, p := range callees {
			p.Say(fmt.Sprintf(`[64,1,{"invoke":"roundrobin","nkey":"n%d"},"~.x"]`, i))
			p.Hear(`[65,1,"$reg"]`)
		}
		home := map[string]int{}
		for round := range 2 {
			for i := range 20 {
				key, request := fmt.Sprintf("sn%d", i), 100*round+i+1
				caller.Say(fmt.Sprintf(`[48,%d,{"runmode":"partition","rkey":%q},"~.x"]`, request, key))
				caller.Sync()
				at := -1
				for j, p := range callees {
					p.Sync()
					if p.Heard() {
						p.Hear(`[68,"*","$reg",{}]`)
						at = j
					}
				}
				if before, known := home[key]; at < 0 || known && before != at {
					s.Fatalf("the call for %s went to %d, before to %d", key, at, before)
				}
				home[key] = at
			}
		}
		caller.Say(`[48,1000,{"runmode":"partition"},"~.x"]`, `[48,1001,{"runmode":"all","rkey":"a"},"~.x"]`)
		caller.Hear(`[8,48,1000,{},"wamp.error.invalid_argument",["*"]]`, `[8,48,1001,{},"wamp.error.feature_not_supported",["*"]]`)
	})
}

// The router announces both names of the feature, because the specification misspells it once.
func TestShardingIsAnnouncedTwice(t *testing.T) {
	features := announcedFeatures(t)["broker"]
	for _, name := range []string{"sharded_subscription", "shareded_subscriptions"} {
		if !slices.Contains(features, name) {
			t.Errorf("%s is not announced", name)
		}
	}
}
