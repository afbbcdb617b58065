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
