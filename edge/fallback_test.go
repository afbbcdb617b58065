package edge

import "testing"

// What an uplink offers is called only where the realm's own callees offer nothing, whatever the patterns.
func TestLocalFirst(t *testing.T) {
	tell(t, Options{Node: "gw"}, RealmOptions{}, func(s *story) {
		link, callee, caller := s.link(helloAll), s.join(helloAll), s.join(helloAll)
		link.say(`[64,1,{"_away":true,"match":"prefix"},"com.x."]`)
		link.hear(`[65,1,"$all"]`)
		link.say(`[64,2,{"_away":true},"com.x.same"]`)
		link.hear(`[65,2,"$away"]`)
		caller.say(`[48,1,{},"com.x.same"]`)
		link.hear(`[68,1,"$away",{}]`)
		link.say(`[70,1,{},["there"]]`)
		caller.hear(`[50,1,{},["there"]]`)

		callee.say(`[64,1,{"match":"prefix"},"com."]`) // a shorter prefix, but here
		callee.hear(`[65,1,"$wide"]`)
		callee.say(`[64,2,{},"com.x.same"]`) // the same URI
		callee.hear(`[65,2,"$here"]`)
		caller.say(`[48,2,{},"com.x.other"]`)
		callee.hear(`[68,1,"$wide",{"procedure":"com.x.other"}]`)
		callee.say(`[70,1,{},["here"]]`)
		caller.hear(`[50,2,{},["here"]]`)
		caller.say(`[48,3,{},"wamp.registration.lookup",["com.x.same"]]`)
		caller.hear(`[50,3,{},["$here"]]`)
		caller.say(`[48,4,{},"wamp.registration.count_callees",["$away"]]`)
		caller.hear(`[50,4,{},[1]]`)

		callee.say(`[66,3,"$wide"]`)
		callee.hear(`[67,3]`)
		callee.say(`[66,4,"$here"]`)
		callee.hear(`[67,4]`)
		caller.say(`[48,5,{},"com.x.same"]`)
		link.hear(`[68,2,"$away",{}]`)
		link.say(`[70,2,{}]`)
		caller.hear(`[50,5,{}]`)
		link.say(`[66,3,"$away"]`)
		link.hear(`[67,3]`)
		caller.say(`[48,6,{},"com.x.same"]`)
		link.hear(`[68,3,"$all",{"procedure":"com.x.same"}]`)
		link.say(`[70,3,{}]`)
		caller.hear(`[50,6,{}]`)
	})
}

// A link that is down hands its calls to the next, unless they may have been made already.
func TestLinkThatIsDownHandsItsCallsOn(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		first, second, caller := s.link(hello), s.link(hello), s.join(helloAll)
		for _, link := range []*peer{first, second} {
			link.say(`[64,1,{"_away":true,"invoke":"first"},"com.x"]`)
			link.hear(`[65,1,"$away"]`)
		}
		const down = `{"_unsent":true},"wamp.error.network_failure",["the link is down"]]`
		caller.say(`[48,1,{},"com.x",["a"]]`)
		first.hear(`[68,1,"$away",{},["a"]]`)
		first.say(`[8,68,1,` + down)
		second.hear(`[68,1,"$away",{},["a"]]`)
		second.say(`[70,1,{},["there"]]`)
		caller.hear(`[50,1,{},["there"]]`)

		caller.say(`[48,2,{},"com.x"]`) // all are down
		first.hear(`[68,2,"$away",{}]`)
		first.say(`[8,68,2,` + down)
		second.hear(`[68,2,"$away",{}]`)
		second.say(`[8,68,2,` + down)
		caller.hear(`[8,48,2,{},"wamp.error.network_failure",["*"]]`)

		caller.say(`[48,3,{},"com.x"]`) // it went down with the call
		first.hear(`[68,3,"$away",{}]`)
		first.say(`[8,68,3,{},"wamp.error.network_failure"]`)
		caller.hear(`[8,48,3,{},"wamp.error.network_failure"]`)
		second.silent()

		caller.say(`[48,4,{},"com.x"]`) // what a callee there says is no word of the link
		first.hear(`[68,4,"$away",{}]`)
		first.say(`[8,68,4,{},"wamp.error.unavailable"]`)
		caller.hear(`[8,48,4,{},"wamp.error.unavailable"]`)
	})
}
