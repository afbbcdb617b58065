package edge

import (
	"fmt"
	"testing"
)

func TestShardedSubscription(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		pub, all := s.join(hello), s.join(hello)
		all.say(`[32,1,{},"com.a"]`)
		all.hear(`[33,1,"$sub"]`)
		nodes := map[string]*peer{}
		for _, key := range []string{"n1", "n2", "n3"} {
			p := s.join(hello)
			p.say(fmt.Sprintf(`[32,1,{"nkey":%q},"com.a"]`, key))
			p.hear(`[33,1,"$sub"]`)
			nodes[key] = p
		}
		home := map[string]string{}
		round := func() (moved int) {
			for i := range 60 {
				key := fmt.Sprintf("sn%d", i)
				pub.say(fmt.Sprintf(`[16,1,{"rkey":%q},"com.a",[%d]]`, key, i))
				all.hear(fmt.Sprintf(`[36,"$sub","*",{},[%d]]`, i))
				all.silent()
				got := ""
				for node, p := range nodes {
					if len(p.heard) > 0 {
						<-p.heard
						got += node
					}
				}
				if len(got) != 2 {
					t.Fatalf("the event of %s went to %q", key, got)
				}
				if home[key] != "" && home[key] != got {
					moved++
				}
				home[key] = got
			}
			return moved
		}
		round()
		count := map[string]int{}
		for _, node := range home {
			count[node]++
		}
		if len(count) != 3 {
			t.Errorf("60 resource keys are spread like this: %v", count)
		}
		if moved := round(); moved > 0 {
			t.Errorf("%d resource keys moved without a reason", moved)
		}
		nodes["n2"].conn.Close()
		<-nodes["n2"].ended
		delete(nodes, "n2")
		if moved := round(); moved != count["n2"] {
			t.Errorf("%d resource keys moved when a node with %d left", moved, count["n2"])
		}
		pub.say(`[16,1,{},"com.a",["no key"]]`) // goes to all subscribers
		for _, p := range nodes {
			p.hear(`[36,"$sub","*",{},["no key"]]`)
		}
	})
}

func TestShardedRegistration(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		caller := s.join(hello)
		var callees []*peer
		for i := range 3 {
			p := s.join(hello)
			p.say(fmt.Sprintf(`[64,1,{"invoke":"roundrobin","nkey":"n%d"},"com.x"]`, i))
			p.hear(`[65,1,"*"]`)
			callees = append(callees, p)
		}
		request, used := 0, map[int]bool{}
		ask := func(key string) int {
			request++
			caller.say(fmt.Sprintf(`[48,%d,{"runmode":"partition","rkey":%q},"com.x"]`, request, key))
			caller.silent()
			for i, p := range callees {
				if len(p.heard) > 0 {
					<-p.heard
					return i
				}
			}
			t.Fatalf("the call for %s went nowhere", key)
			return 0
		}
		for i := range 40 {
			key := fmt.Sprintf("sn%d", i)
			home := ask(key)
			if again := ask(key); again != home {
				t.Errorf("%s went to %d, then to %d", key, home, again)
			}
			used[home] = true
		}
		if len(used) != 3 {
			t.Errorf("40 resource keys use the callees %v", used)
		}
		caller.say(`[48,1000,{"runmode":"partition"},"com.x"]`)
		caller.hear(`[8,48,1000,{},"wamp.error.invalid_argument",["*"]]`)
		caller.say(`[48,1001,{"runmode":"all","rkey":"a"},"com.x"]`)
		caller.hear(`[8,48,1001,{},"wamp.error.feature_not_supported",["*"]]`)
	})
}

// Of several callees of one node, the one that registered first gets the calls.
func TestShardOfSeveralCallees(t *testing.T) {
	first, second, other := &calleeSeat{node: "n1"}, &calleeSeat{node: "n1"}, &calleeSeat{node: "n2"}
	alone, both := &registration{callees: []*calleeSeat{first, other}}, &registration{callees: []*calleeSeat{first, second, other}}
	for i := range 20 {
		if key := fmt.Sprint(i); alone.chooseFor(key) != both.chooseFor(key) {
			t.Errorf("%s: another callee than before", key)
		}
	}
}

// A node that a link reaches at another router gets the calls whose resource keys have the highest weight there. The
// link gets the key. Calls that the link itself makes stay here, and so do other calls.
func TestShardsBeyondALink(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		link, callee, caller := s.internal(helloAll), s.join(helloAll), s.join(helloAll)
		link.say(`[64,1,{"_away":true,"match":"prefix"},"com."]`)
		link.hear(`[65,1,"$wide"]`)
		link.say(`[64,2,{"_away":true},"com.x"]`)
		link.hear(`[65,2,"$away"]`)
		callee.say(`[64,1,{"invoke":"roundrobin","nkey":"n1"},"com.x"]`)
		callee.hear(`[65,1,"$here"]`)
		request, counts := 0, map[string]int{}
		home := func(from *peer, key string) string {
			request++
			from.say(fmt.Sprintf(`[48,%d,{"runmode":"partition","rkey":%q},"com.x"]`, 100+request, key))
			from.silent()
			for name, p := range map[string]*peer{"here": callee, "away": link} {
				if len(p.heard) > 0 {
					counts[name]++
					if name == "away" {
						p.hear(fmt.Sprintf(`[68,%d,"$away",{"rkey":%q}]`, counts[name], key))
					} else {
						p.hear(fmt.Sprintf(`[68,%d,"$here",{}]`, counts[name]))
					}
					return name
				}
			}
			t.Fatalf("the call for %s went nowhere", key)
			return ""
		}
		round := func() (used map[string]int) {
			used = map[string]int{}
			for i := range 40 {
				used[home(caller, fmt.Sprint("sn", i))]++
			}
			return used
		}
		if used := round(); used["away"] > 0 {
			t.Errorf("before the link has named nodes: %v", used)
		}
		link.say(`[48,1,{},"wamp.registration._reach",["com.x",{},"n2\u0000n3"]]`)
		link.hear(`[50,1,{}]`)
		used := round()
		if used["away"] < used["here"] || used["here"] == 0 {
			t.Errorf("two nodes there and one here share the calls as %v", used)
		}
		for i := range 40 {
			if home(link, fmt.Sprint("sn", i)) == "away" {
				t.Errorf("a call of the link goes back to it")
			}
		}
		caller.say(`[48,1,{},"com.x"]`)
		callee.hear(`[68,"*","$here",{}]`)
		counts["here"]++
		for wrong, answer := range map[string]string{
			`["com.y",{},"n2"]`: `"wamp.error.no_such_registration"`, `["com.x",{}]`: `"wamp.error.invalid_argument",["*"]`, `[]`: `"wamp.error.invalid_argument",["*"]`,
		} {
			link.say(`[48,2,{},"wamp.registration._reach",` + wrong + `]`)
			link.hear(`[8,48,2,{},` + answer + `]`)
		}
		caller.say(`[48,2,{},"wamp.registration._reach",["com.x",{},"n9"]]`) // it has no such registration
		caller.hear(`[50,2,{}]`)
		if again := round(); again["away"] != used["away"] {
			t.Errorf("calls are shared as %v; before as %v", again, used)
		}
		link.say(`[48,3,{},"wamp.registration._reach",["com.x",{},""]]`)
		link.hear(`[50,3,{}]`)
		if used := round(); used["away"] > 0 {
			t.Errorf("when the link reaches no node: %v", used)
		}
	})
}

// The first call with a resource key notifies the links of a registration for which no callee has named a node.
func TestRegistrationBecomesSharded(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		link, callee, caller := s.internal(helloAll), s.join(helloAll), s.join(helloAll)
		link.say(`[32,1,{},"wamp.registration._on_shard"]`)
		link.hear(`[33,1,"$sub"]`)
		callee.say(`[64,1,{},"com.x"]`)
		callee.hear(`[65,1,"$x"]`)
		listed := func(request int, sharded bool) {
			t.Helper()
			link.say(fmt.Sprintf(`[48,%d,{},"wamp.registration.list",[],{"_overlaps":[["com.","prefix"]],"_members":true}]`, request))
			link.hear(fmt.Sprintf(`[50,%d,{},["*",[{"id":"$x","created":"*","uri":"com.x","match":"exact","invoke":"single","members":["*"],"nodes":["*"],"sharded":%v}]]]`, request, sharded))
		}
		listed(1, false)
		for i := range 2 {
			caller.say(fmt.Sprintf(`[48,%d,{"runmode":"partition","rkey":"a"},"com.x"]`, i+1))
			callee.hear(fmt.Sprintf(`[68,%d,"$x",{}]`, i+1))
			if i == 0 {
				link.hear(`[36,"$sub","*",{},["*","$x"]]`)
			}
		}
		link.silent()
		listed(2, true)
	})
}
