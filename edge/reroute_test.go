package edge

import "testing"

func TestReroute(t *testing.T) {
	busy := `,{},"wamp.error.unavailable"]`
	for policy, order := range map[string][3][]int{ // who is asked for the first call, the second, the third
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
				one.say(`[70,"$second",{},["late"]]`) // it has given the call away
				caller.silent()
				other.say(`[70,"$again",{},["done"]]`)
				caller.hear(`[50,2,{},["done"]]`)

				one, other = callees[order[2][0]], callees[order[2][1]]
				caller.say(`[48,3,{},"com.x"]`)
				one.hear(`[68,"$third","$reg",{}]`)
				one.say(`[8,68,"$third"` + busy)
				other.hear(`[68,"$last","$reg",{}]`)
				caller.say(`[49,3,{}]`) // finds the call wherever it is
				other.hear(`[69,"$last",{"mode":"killnowait"}]`)
				caller.hear(`[8,48,3,{},"wamp.error.canceled"]`)
			})
		})
	}
	tell(t, Options{}, RealmOptions{}, func(s *story) { // single, and a callee that does not know it
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
