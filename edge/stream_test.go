package edge

import "testing"

func TestProgressiveInvocations(t *testing.T) {
	each(t, func(s *story, caller, callee *peer) {
		callee.say(`[64,1,{"match":"prefix"},"com."]`)
		callee.hear(`[65,1,"$reg"]`)
		other := s.join(hello)
		caller.say(`[48,1,{"progress":true,"receive_progress":true,"disclose_me":true},"com.up",["a"]]`)
		details := `"receive_progress":true,"procedure":"com.up","caller":"*","caller_authid":"*","caller_authrole":"all"`
		callee.hear(`[68,1,"$reg",{"progress":true,` + details + `},["a"]]`)
		other.say(`[48,1,{},"com.other"]`)
		callee.hear(`[68,2,"$reg",{"procedure":"com.other"}]`)
		callee.say(`[70,1,{"progress":true},["so far"]]`)
		caller.hear(`[50,1,{"progress":true},["so far"]]`)
		caller.say(`[48,1,{"progress":true,"disclose_me":false},"com.up",["\u0000AQID"],{"k":1}]`) // the options apply to all chunks
		callee.hear(`[68,1,"$reg",{"progress":true,` + details + `},["\u0000AQID"],{"k":1}]`)
		caller.say(`[48,1,{},"com.up",["end"]]`)
		callee.hear(`[68,1,"$reg",{` + details + `},["end"]]`)
		callee.say(`[70,1,{},["done"]]`)
		caller.hear(`[50,1,{},["done"]]`)
		caller.say(`[48,2,{"progress":true},"com.up"]`)
		callee.hear(`[68,3,"$reg",{"procedure":"com.up","progress":true}]`)
		callee.say(`[70,3,{},["enough"]]`) // before the last chunk
		caller.hear(`[50,2,{},["enough"]]`)
		caller.say(`[48,2,{"progress":true},"com.up",["late"]]`)
		caller.say(`[48,2,{},"com.up",["late"]]`)
		callee.silent()
		caller.silent()
		caller.say(`[48,3,{},"com.up"]`)
		callee.hear(`[68,4,"$reg",{"procedure":"com.up"}]`)
	})
}

func TestBrokenProgressiveInvocations(t *testing.T) {
	start := `[48,1,{"progress":true},"com.x"]`
	for _, c := range []struct{ name, callerHello, calleeHello, first, then, answer string }{
		{"not announced", hello, helloAll, "", start, `[3,{"message":"*"},"wamp.error.protocol_violation"]`},
		{"the callee does not know it", helloAll, hello, "", start, `[8,48,1,{},"wamp.error.feature_not_supported",["*"]]`},
		{"another procedure", helloAll, helloAll, start, `[48,1,{},"com.y"]`, `[3,{"message":"*"},"wamp.error.protocol_violation"]`},
		{"after the last chunk", helloAll, helloAll, `[48,1,{},"com.x"]`, start, `[3,{"message":"*"},"wamp.error.protocol_violation"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				caller, callee := s.join(c.callerHello), s.join(c.calleeHello)
				callee.say(`[64,1,{},"com.x"]`)
				callee.hear(`[65,1,"*"]`)
				if c.first != "" {
					caller.say(c.first)
					callee.hear(`[68,1,"*","*"]`)
				}
				caller.say(c.then)
				caller.hear(c.answer)
			})
		})
	}
}

// In a strict realm request ids count up, except for further chunks of a call.
func TestStrictProgressiveInvocations(t *testing.T) {
	strict := openRealm()
	strict.Strict = true
	tell(t, Options{}, strict, func(s *story) {
		caller, callee := s.join(helloAll), s.join(helloAll)
		callee.say(`[64,1,{},"com.x"]`)
		callee.hear(`[65,1,"*"]`)
		caller.say(`[48,1,{"progress":true},"com.x"]`)
		caller.say(`[48,2,{},"com.x"]`)
		caller.say(`[48,1,{},"com.x"]`)
		callee.hear(`[68,1,"*",{"progress":true}]`, `[68,2,"*",{}]`, `[68,1,"*",{}]`)
		callee.say(`[70,1,{}]`)
		caller.hear(`[50,1,{}]`)
		caller.say(`[48,3,{"progress":true},"com.x"]`)
		callee.hear(`[68,3,"*",{"progress":true}]`)
		callee.say(`[70,3,{}]`)
		caller.hear(`[50,3,{}]`)
		caller.say(`[48,3,{},"com.x"]`)
		caller.silent()
		caller.say(`[48,3,{},"com.x"]`)
		caller.hear(`[3,{"message":"CALL.Request is 3, and 4 was next"},"wamp.error.protocol_violation"]`)
	})
}

func TestCancelProgressiveInvocation(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		caller, callee := s.join(helloAll), s.join(helloAll)
		callee.say(`[64,1,{},"com.x"]`)
		callee.hear(`[65,1,"*"]`)
		caller.say(`[48,1,{"progress":true},"com.x"]`)
		callee.hear(`[68,1,"*",{"progress":true}]`)
		caller.say(`[49,1,{}]`)
		caller.hear(`[8,48,1,{},"wamp.error.canceled"]`)
		callee.hear(`[69,1,{"mode":"killnowait"}]`)
		caller.say(`[48,1,{},"com.x"]`)
		callee.silent()
		caller.silent()
	})
}
