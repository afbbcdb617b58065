package edge

import (
	"fmt"
	"strings"
	"testing"
)

const busy = `,{},"wamp.error.unavailable"]`

func TestReroute(t *testing.T) {
	for policy, order := range map[string][3][]int{ // callees in the order in which they are tried, for the first, second and third call
		"first":      {{0, 1, 2}, {0, 1}, {0, 1}},
		"last":       {{2, 1, 0}, {2, 1}, {2, 1}},
		"roundrobin": {{0, 1, 2}, {1, 2}, {2, 0}},
	} {
		t.Run(policy, func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				caller := s.join(helloAll)
				var callees []*peer
				for range 3 {
					p := s.join(helloAll)
					p.say(`[64,1,{"invoke":"` + policy + `"},"com.x"]`)
					p.hear(`[65,1,"$reg"]`)
					callees = append(callees, p)
				}
				caller.say(`[48,1,{"disclose_me":true},"com.x",["a"]]`)
				for _, i := range order[0] {
					callees[i].hear(`[68,1,"$reg",{"caller":"*","caller_authid":"*","caller_authrole":"all"},["a"]]`)
					caller.silent()
					callees[i].say(`[8,68,1` + busy)
				}
				caller.hear(`[8,48,1,{},"wamp.error.no_available_callee"]`)

				one, other := callees[order[1][0]], callees[order[1][1]]
				caller.say(`[48,2,{},"com.x"]`)
				one.hear(`[68,"$second","$reg",{}]`)
				one.say(`[8,68,"$second"` + busy)
				other.hear(`[68,"$again","$reg",{}]`)
				one.say(`[70,"$second",{},["late"]]`) // the call was passed on
				caller.silent()
				other.say(`[70,"$again",{},["done"]]`)
				caller.hear(`[50,2,{},["done"]]`)

				one, other = callees[order[2][0]], callees[order[2][1]]
				caller.say(`[48,3,{},"com.x"]`)
				one.hear(`[68,"$third","$reg",{}]`)
				one.say(`[8,68,"$third"` + busy)
				other.hear(`[68,"$last","$reg",{}]`)
				caller.say(`[49,3,{}]`) // finds the call at its present callee
				other.hear(`[69,"$last",{"mode":"killnowait"}]`)
				caller.hear(`[8,48,3,{},"wamp.error.canceled"]`)
			})
		})
	}
	tell(t, Options{}, RealmOptions{}, func(s *story) { // single, and a callee without the feature
		caller, knows, not := s.join(helloAll), s.join(helloAll), s.join(hello)
		knows.say(`[64,1,{},"com.x"]`)
		not.say(`[64,1,{},"com.y"]`)
		knows.hear(`[65,1,"*"]`)
		not.hear(`[65,1,"*"]`)
		caller.say(`[48,1,{},"com.x"]`)
		knows.hear(`[68,1,"*",{}]`)
		knows.say(`[8,68,1` + busy)
		caller.hear(`[8,48,1,{},"wamp.error.no_available_callee"]`)
		caller.say(`[48,2,{},"com.y"]`)
		not.hear(`[68,1,"*",{}]`)
		not.say(`[8,68,1` + busy)
		caller.hear(`[8,48,2,{},"wamp.error.unavailable"]`)
	})
}

// The memory for calls is bounded. Beyond it, the callee's answer is final.
func TestRerouteKeepsNoMoreThanItMay(t *testing.T) {
	tell(t, Options{OutboxBytes: 16 << 20}, RealmOptions{}, func(s *story) {
		caller, callee := s.join(helloAll), s.join(helloAll)
		callee.say(`[64,1,{},"com.x"]`)
		callee.hear(`[65,1,"*"]`)
		long := strings.Repeat("x", maxKept/2-100)
		answers := []string{"no_available_callee", "no_available_callee", "unavailable"}
		for i := range answers {
			caller.say(fmt.Sprintf(`[48,%d,{},"com.x",[%q]]`, i+1, long))
			callee.hear(fmt.Sprintf(`[68,%d,"*",{},"*"]`, i+1))
		}
		for i, want := range answers {
			callee.say(fmt.Sprintf(`[8,68,%d`, i+1) + busy)
			caller.hear(fmt.Sprintf(`[8,48,%d,{},"wamp.error.%s"]`, i+1, want))
		}
		// There is room again.
		caller.say(fmt.Sprintf(`[48,4,{},"com.x",[%q]]`, long))
		callee.hear(`[68,4,"*",{},"*"]`)
		callee.say(`[8,68,4` + busy)
		caller.hear(`[8,48,4,{},"wamp.error.no_available_callee"]`)
		// Chunks of arguments have options, which are kept.
		key := strings.Repeat("k", maxKept/2+100)
		caller.say(fmt.Sprintf(`[48,5,{"progress":true,"ppt_scheme":"x_own","ppt_keyid":%q},"com.x",["\u0000AA=="]]`, key))
		callee.hear(`[68,5,"*","*","*"]`)
		caller.say(fmt.Sprintf(`[48,6,{"progress":true,"ppt_scheme":"x_own","ppt_keyid":%q},"com.x",["\u0000AA=="]]`, key))
		caller.hear(`[8,48,6,{},"wamp.error.unavailable","*"]`)
	})
}

// A call is not passed on to a callee at its limit of calls.
func TestRerouteToABusyCallee(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		caller, one, other := s.join(helloAll), s.join(helloAll), s.join(helloAll)
		for _, callee := range []*peer{one, other} {
			callee.say(`[64,1,{"invoke":"roundrobin","concurrency":1},"com.x"]`)
			callee.hear(`[65,1,"*"]`)
		}
		caller.sayAll(`[48,1,{},"com.x"]`, `[48,2,{},"com.x"]`)
		one.hear(`[68,1,"*",{}]`)
		other.hear(`[68,1,"*",{}]`)
		one.say(`[8,68,1` + busy)
		caller.hear(`[8,48,1,{},"wamp.error.no_available_callee"]`)
		other.silent()
	})
}
