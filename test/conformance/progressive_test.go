package conformance

import (
	"fmt"
	"testing"

	"runnel/test/stage"
)

func TestProgressiveCallResults(t *testing.T) {
	house.Every(t, "results", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"receive_progress":true}`)
		for _, payload := range []string{`,[1]`, ``, `,[],{"k":"\u0000AQID"}`} {
			callee.Say(`[70,1,{"progress":true}` + payload + `]`)
			caller.Hear(`[50,7,{"progress":true}` + payload + `]`)
		}
		callee.Say(`[70,1,{"progress":false},[3]]`, `[70,1,{"progress":true},["late"]]`, `[70,1,{},["late"]]`)
		caller.Hear(`[50,7,{},[3]]`)
		caller.Silent()
		callee.Silent()
	})
	house.Every(t, "asked for", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Full), s.Join(stage.Full)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		caller.Say(`[48,1,{"receive_progress":true},"~.x"]`, `[48,2,{},"~.x"]`, `[48,3,{"receive_progress":false},"~.x"]`)
		callee.Hear(`[68,1,"*",{"receive_progress":true}]`, `[68,2,"*",{}]`, `[68,3,"*",{}]`)
		callee.Say(`[70,2,{"progress":true},["not asked for"]]`, `[70,2,{},["end"]]`)
		caller.Hear(`[50,2,{},["end"]]`)
		callee.Say(`[70,1,{},["just one"]]`) // it need not make any
		caller.Hear(`[50,1,{},["just one"]]`)
	})
	house.Every(t, "ended by ERROR", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"receive_progress":true}`)
		callee.Say(`[70,1,{"progress":true},[1]]`, `[8,68,1,{},"com.enough",["why"]]`)
		caller.Hear(`[50,7,{"progress":true},[1]]`, `[8,48,7,{},"com.enough",["why"]]`)
	})
	house.Every(t, "a callee that can't", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Full), s.Join(stage.Simple)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		caller.Say(`[48,1,{"receive_progress":true},"~.x"]`)
		callee.Hear(`[68,1,"*",{}]`)
		callee.Say(`[70,1,{}]`)
		caller.Hear(`[50,1,{}]`)
	})
	// The specification requires a callee with progressive results to announce call canceling as well.
	uncancelable := `[1,"@",{"roles":{"callee":{"features":{"progressive_call_results":true}},"publisher":{}}}]`
	house.Every(t, "a callee that can't be canceled", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Full), s.Join(uncancelable)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		caller.Say(`[48,1,{"receive_progress":true},"~.x"]`)
		callee.Hear(`[68,1,"*",{"receive_progress":true}]`)
	})
	house.EveryStrict(t, "a callee that can't be canceled, strictly", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Full), s.Join(uncancelable)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		caller.Say(`[48,1,{"receive_progress":true},"~.x"]`)
		callee.Hear(`[68,1,"*",{}]`)
	})
	house.Every(t, "canceled", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"receive_progress":true}`)
		callee.Say(`[70,1,{"progress":true},[1]]`)
		caller.Hear(`[50,7,{"progress":true},[1]]`)
		caller.Say(`[49,7,{"mode":"kill"}]`)
		callee.Hear(`[69,1,{"mode":"kill"}]`)
		callee.Say(`[70,1,{"progress":true},[2]]`) // it may take its time
		caller.Hear(`[50,7,{"progress":true},[2]]`)
		callee.Say(`[8,68,1,{},"wamp.error.canceled"]`)
		caller.Hear(`[8,48,7,{},"wamp.error.canceled"]`)
	})
	house.Every(t, "many, in order", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"receive_progress":true}`)
		var yields []string
		for i := range 200 {
			yields = append(yields, fmt.Sprintf(`[70,1,{"progress":true},[%d]]`, i))
		}
		callee.Say(append(yields, `[70,1,{}]`)...)
		for i := range 200 {
			caller.Hear(fmt.Sprintf(`[50,7,{"progress":true},[%d]]`, i))
		}
		caller.Hear(`[50,7,{}]`)
	})
}

func TestProgressiveCallInvocations(t *testing.T) {
	house.Every(t, "chunks", func(s *stage.Scene) {
		caller, callee, other := s.Join(stage.Full), s.Join(stage.Full), s.Join(stage.Simple)
		callee.Say(`[64,1,{"match":"prefix"},"~."]`)
		callee.Hear(`[65,1,"$reg"]`)
		caller.Say(`[48,1,{"progress":true,"receive_progress":true,"disclose_me":true},"~.up",["a"]]`)
		details := `"receive_progress":true,"procedure":"~.up","caller":"*","caller_authid":"*","caller_authrole":"guest"`
		callee.Hear(`[68,1,"$reg",{"progress":true,` + details + `},["a"]]`)
		other.Say(`[48,1,{},"~.other"]`)
		callee.Hear(`[68,2,"$reg",{"procedure":"~.other"}]`)
		callee.Say(`[70,1,{"progress":true},["so far"]]`)
		caller.Hear(`[50,1,{"progress":true},["so far"]]`)
		caller.Say(`[48,1,{"progress":true,"disclose_me":false,"receive_progress":false},"~.up",["\u0000AQID"],{"k":1}]`) // frozen
		callee.Hear(`[68,1,"$reg",{"progress":true,` + details + `},["\u0000AQID"],{"k":1}]`)
		caller.Say(`[48,1,{"progress":false},"~.up",["end"]]`)
		callee.Hear(`[68,1,"$reg",{` + details + `},["end"]]`)
		callee.Say(`[70,1,{},["done"]]`)
		caller.Hear(`[50,1,{},["done"]]`)
	})
	house.Every(t, "late chunks", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"progress":true}`)
		callee.Say(`[70,1,{},["enough"]]`)
		caller.Hear(`[50,7,{},["enough"]]`)
		caller.Say(`[48,7,{"progress":true},"~.x",["late"]]`, `[48,7,{},"~.x",["late"]]`)
		caller.Silent()
		callee.Silent()
		caller.Say(`[48,8,{},"~.x"]`)
		callee.Hear(`[68,2,"*",{}]`)
	})
	house.Every(t, "the same callee", func(s *stage.Scene) {
		caller, a, b := s.Join(stage.Full), s.Join(stage.Full), s.Join(stage.Full)
		for _, p := range []*stage.Peer{a, b} {
			p.Say(`[64,1,{"invoke":"roundrobin"},"~.x"]`)
			p.Hear(`[65,1,"*"]`)
		}
		caller.Say(`[48,1,{"progress":true},"~.x",[1]]`, `[48,1,{"progress":true},"~.x",[2]]`, `[48,2,{},"~.x",["other"]]`, `[48,1,{},"~.x",[3]]`)
		a.Hear(`[68,1,"*",{"progress":true},[1]]`, `[68,1,"*",{"progress":true},[2]]`, `[68,1,"*",{},[3]]`)
		b.Hear(`[68,1,"*",{},["other"]]`)
	})
	house.Every(t, "unregistered meanwhile", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Full), s.Join(stage.Full)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"$reg"]`)
		caller.Say(`[48,1,{"progress":true},"~.x",[1]]`)
		callee.Hear(`[68,1,"$reg",{"progress":true},[1]]`)
		callee.Say(`[66,2,"$reg"]`)
		callee.Hear(`[67,2]`)
		caller.Say(`[48,1,{},"~.x",[2]]`)
		callee.Hear(`[68,1,"$reg",{},[2]]`)
		callee.Say(`[70,1,{}]`)
		caller.Hear(`[50,1,{}]`)
	})
	house.Every(t, "canceled", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"progress":true}`)
		caller.Say(`[49,7,{}]`, `[48,7,{"progress":true},"~.x"]`, `[48,7,{},"~.x"]`)
		caller.Hear(`[8,48,7,{},"wamp.error.canceled"]`)
		callee.Hear(`[69,1,{"mode":"killnowait"}]`)
		caller.Silent()
		callee.Silent()
	})
	house.Every(t, "the callee leaves", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"progress":true}`)
		callee.Vanish()
		caller.Hear(`[8,48,7,{},"wamp.error.canceled",["*"]]`)
		caller.Say(`[48,7,{},"~.x"]`)
		caller.Silent()
	})
	house.Every(t, "the caller leaves", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"progress":true}`)
		caller.Vanish()
		callee.Hear(`[69,1,{"mode":"killnowait"}]`)
		callee.Silent()
	})
	for name, c := range map[string]struct{ caller, callee, first, then, answer string }{
		"not announced":            {stage.Simple, stage.Full, "", `[48,1,{"progress":true},"~.x"]`, violated},
		"the callee can't":         {stage.Full, stage.Simple, "", `[48,1,{"progress":true},"~.x"]`, `[8,48,1,{},"wamp.error.feature_not_supported",["*"]]`},
		"another procedure":        {stage.Full, stage.Full, `[48,1,{"progress":true},"~.x"]`, `[48,1,{},"~.y"]`, violated},
		"goes on after its end":    {stage.Full, stage.Full, `[48,1,{},"~.x"]`, `[48,1,{"progress":true},"~.x"]`, violated},
		"an ended call in one go":  {stage.Full, stage.Full, `[48,1,{},"~.x"]`, `[48,1,{},"~.x"]`, violated},
		"the callee can't cancel":  {stage.Full, `[1,"@",{"roles":{"publisher":{},"callee":{"features":{"progressive_call_invocations":true}}}}]`, "", `[48,1,{"progress":true},"~.x"]`, `[8,48,1,{},"wamp.error.feature_not_supported",["*"]]`},
		"no procedure of the name": {stage.Full, stage.Full, "", `[48,1,{"progress":true},"~.nothing"]`, `[8,48,1,{},"wamp.error.no_such_procedure",["*"]]`},
	} {
		house.Every(t, name, func(s *stage.Scene) {
			caller, callee := s.Join(c.caller), s.Join(c.callee)
			callee.Say(`[64,1,{},"~.x"]`)
			callee.Hear(`[65,1,"*"]`)
			if c.first != "" {
				caller.Say(c.first)
				callee.Hear(`[68,1,"*","*"]`)
			}
			caller.Say(c.then)
			caller.Hear(c.answer)
		})
	}
	// New calls count up, the chunks of those that began before need not.
	house.EveryStrict(t, "request ids", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Full), s.Join(stage.Full)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		caller.Say(`[48,1,{"progress":true},"~.x"]`, `[48,2,{},"~.x"]`, `[48,1,{},"~.x"]`)
		callee.Hear(`[68,1,"*",{"progress":true}]`, `[68,2,"*",{}]`, `[68,1,"*",{}]`)
		callee.Say(`[70,1,{}]`)
		caller.Hear(`[50,1,{}]`)
		caller.Say(`[48,3,{"progress":true},"~.x"]`)
		callee.Hear(`[68,3,"*",{"progress":true}]`)
		callee.Say(`[70,3,{}]`)
		caller.Hear(`[50,3,{}]`)
		caller.Say(`[48,3,{},"~.x"]`) // late
		caller.Silent()               // which takes request 4
		caller.Say(`[48,3,{},"~.x"]`)
		caller.Hear(violated)
		caller.Closed()
	})
}

func TestCallRerouting(t *testing.T) {
	const busy = `,{},"wamp.error.unavailable"]`
	for policy, order := range map[string][3][]int{ // who is asked for the first call, the second, the third
		"first":      {{0, 1, 2}, {0, 1}, {0, 1}},
		"last":       {{2, 1, 0}, {2, 1}, {2, 1}},
		"roundrobin": {{0, 1, 2}, {1, 2}, {2, 0}},
	} {
		house.Every(t, policy, func(s *stage.Scene) {
			caller := s.Join(stage.Full)
			var callees []*stage.Peer
			for range 3 {
				p := s.Join(stage.Full)
				p.Say(`[64,1,{"invoke":"` + policy + `"},"~.x"]`)
				p.Hear(`[65,1,"$reg"]`)
				callees = append(callees, p)
			}
			caller.Say(`[48,1,{"disclose_me":true},"~.x",["a"]]`)
			for _, i := range order[0] {
				callees[i].Hear(`[68,1,"$reg",{"caller":"*","caller_authid":"*","caller_authrole":"guest"},["a"]]`)
				caller.Silent()
				callees[i].Say(`[8,68,1` + busy)
			}
			caller.Hear(`[8,48,1,{},"wamp.error.no_available_callee"]`)

			one, other := callees[order[1][0]], callees[order[1][1]]
			caller.Say(`[48,2,{},"~.x"]`)
			one.Hear(`[68,"$second","$reg",{}]`)
			one.Say(`[8,68,"$second"` + busy)
			other.Hear(`[68,"$again","$reg",{}]`)
			one.Say(`[70,"$second",{},["late"]]`) // it has passed on the call
			caller.Silent()
			other.Say(`[70,"$again",{},["done"]]`)
			caller.Hear(`[50,2,{},["done"]]`)

			one, other = callees[order[2][0]], callees[order[2][1]]
			caller.Say(`[48,3,{},"~.x"]`)
			one.Hear(`[68,"$third","$reg",{}]`)
			one.Say(`[8,68,"$third"` + busy)
			other.Hear(`[68,"$last","$reg",{}]`)
			caller.Say(`[49,3,{}]`) // finds the call wherever it is
			other.Hear(`[69,"$last",{"mode":"killnowait"}]`)
			caller.Hear(`[8,48,3,{},"wamp.error.canceled"]`)
		})
	}
	house.Every(t, "single", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{}`)
		callee.Say(`[8,68,1` + busy)
		caller.Hear(`[8,48,7,{},"wamp.error.no_available_callee"]`)
	})
	house.Every(t, "a callee that does not know it", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Simple, `{}`)
		callee.Say(`[8,68,1` + busy)
		caller.Hear(`[8,48,7,{},"wamp.error.unavailable"]`)
	})
}

func TestPayloadPassthru(t *testing.T) {
	const ppt = `"ppt_scheme":"wamp","ppt_serializer":"cbor","ppt_cipher":"xsalsa20poly1305","ppt_keyid":"k1"`
	const payload = `,["\u0000AQIDBAUG"]`
	pair := func(s *stage.Scene, a, b *stage.Peer) {
		b.Say(`[32,1,{},"~.a"]`, `[64,2,{},"~.x"]`)
		b.Hear(`[33,1,"*"]`, `[65,2,"*"]`)
		a.Say(`[16,1,{` + ppt + `,"_own":1},"~.a"` + payload + `]`)
		b.Hear(`[36,"*","*",{` + ppt + `}` + payload + `]`)
		a.Say(`[48,2,{` + ppt + `},"~.x"` + payload + `]`)
		b.Hear(`[68,1,"*",{` + ppt + `}` + payload + `]`)
		b.Say(`[70,1,{` + ppt + `}` + payload + `]`)
		a.Hear(`[50,2,{` + ppt + `}` + payload + `]`)
		a.Say(`[48,3,{` + ppt + `,"receive_progress":true},"~.x"` + payload + `]`)
		b.Hear(`[68,2,"*",{` + ppt + `,"receive_progress":true}` + payload + `]`)
		b.Say(`[70,2,{`+ppt+`,"progress":true}`+payload+`]`, `[8,68,2,{`+ppt+`},"com.error"`+payload+`]`)
		a.Hear(`[50,3,{`+ppt+`,"progress":true}`+payload+`]`, `[8,48,3,{`+ppt+`},"com.error"`+payload+`]`)
	}
	house.Every(t, "routed untouched", func(s *stage.Scene) { pair(s, s.Join(stage.Full), s.Join(stage.Full)) })
	house.Between(t, "between serializers", func(s *stage.Scene, one, other stage.Way) {
		pair(s, s.JoinBy(one, stage.Full), s.JoinBy(other, stage.Full))
	})
	// The router does not read payloads in passthru mode. The receiver checks that there is exactly one binary argument.
	house.Every(t, "any payload", func(s *stage.Scene) {
		a, b := s.Join(stage.Full), s.Join(stage.Full)
		b.Say(`[32,1,{},"~.a"]`)
		b.Hear(`[33,1,"*"]`)
		for i, payload := range []string{payload, `,["\u0000AQID","\u0000AQID"]`, `,[{"args":[1]}]`, ``} {
			a.Say(fmt.Sprintf(`[16,%d,{"ppt_scheme":"x_own"},"~.a"%s]`, i+1, payload))
			b.Hear(`[36,"*","*",{"ppt_scheme":"x_own"}` + payload + `]`)
		}
	})
	house.Every(t, "a subscriber that can't", func(s *stage.Scene) { // a subscriber without payload passthru gets the event nevertheless
		a, b := s.Join(stage.Full), s.Join(stage.Simple)
		b.Say(`[32,1,{},"~.a"]`)
		b.Hear(`[33,1,"*"]`)
		a.Say(`[16,1,{` + ppt + `},"~.a"` + payload + `]`)
		b.Hear(`[36,"*","*",{` + ppt + `}` + payload + `]`)
	})
	for name, say := range map[string]string{"PUBLISH": `[16,1,{` + ppt + `},"~.a"` + payload + `]`, "CALL": `[48,1,{` + ppt + `},"~.x"` + payload + `]`} {
		house.Every(t, name+" not announced", func(s *stage.Scene) {
			p := s.Join(stage.Simple)
			p.Say(say)
			p.Hear(violated)
			p.Closed()
		})
	}
	house.Every(t, "YIELD not announced", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Simple, `{}`)
		callee.Say(`[70,1,{` + ppt + `}` + payload + `]`)
		callee.Hear(violated)
		callee.Closed()
		caller.Hear(`[8,48,7,{},"wamp.error.canceled",["*"]]`)
	})
	house.Every(t, "the callee can't", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Full), s.Join(stage.Simple)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		caller.Say(`[48,1,{` + ppt + `},"~.x"` + payload + `]`)
		caller.Hear(`[8,48,1,{},"wamp.error.feature_not_supported",["*"]]`)
		callee.Silent()
	})
	house.Every(t, "the caller can't", func(s *stage.Scene) {
		caller, callee := under(s, stage.Simple, stage.Full, `{}`)
		callee.Say(`[70,1,{` + ppt + `}` + payload + `]`)
		caller.Hear(`[8,48,7,{},"wamp.error.feature_not_supported",["*"]]`)
	})
}
