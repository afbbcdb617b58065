package edge

import "testing"

// A fallback registration is called only if no other registration matches, whatever the patterns.
func TestLocalFirst(t *testing.T) {
	tell(t, Options{Node: "gw"}, RealmOptions{}, func(s *story) {
		part, callee, caller := s.internal(helloAll), s.join(helloAll), s.join(helloAll)
		part.say(`[64,1,{"_away":true,"match":"prefix"},"com.x."]`)
		part.hear(`[65,1,"$all"]`)
		part.say(`[64,2,{"_away":true},"com.x.same"]`)
		part.hear(`[65,2,"$away"]`)
		caller.say(`[48,1,{},"com.x.same"]`)
		part.hear(`[68,1,"$away",{}]`)
		part.say(`[70,1,{},["there"]]`)
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
		part.hear(`[68,2,"$away",{}]`)
		part.say(`[70,2,{}]`)
		caller.hear(`[50,5,{}]`)
		part.say(`[66,3,"$away"]`)
		part.hear(`[67,3]`)
		caller.say(`[48,6,{},"com.x.same"]`)
		part.hear(`[68,3,"$all",{"procedure":"com.x.same"}]`)
		part.say(`[70,3,{}]`)
		caller.hear(`[50,6,{}]`)
	})
}

// A call that a fallback could not send goes to the next one. A call that may have run already does not.
func TestUnreachableFallbackIsRerouted(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		first, second, caller := s.internal(hello), s.internal(hello), s.join(helloAll)
		for _, part := range []*peer{first, second} {
			part.say(`[64,1,{"_away":true,"invoke":"first"},"com.x"]`)
			part.hear(`[65,1,"$away"]`)
		}
		const down = `{"_unsent":true},"wamp.error.network_failure",["the part is down"]]`
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

		caller.say(`[48,4,{},"com.x"]`) // an error of the remote callee is not the fallback's own
		first.hear(`[68,4,"$away",{}]`)
		first.say(`[8,68,4,{},"wamp.error.unavailable"]`)
		caller.hear(`[8,48,4,{},"wamp.error.unavailable"]`)

		second.say(`[66,2,"$away"]`)
		second.hear(`[67,2]`)
		caller.say(`[48,5,{},"com.x"]`) // the answer of the only callee is final
		first.hear(`[68,5,"$away",{}]`)
		first.say(`[8,68,5,` + down)
		caller.hear(`[8,48,5,"*","wamp.error.network_failure",["the part is down"]]`)
	})
}
