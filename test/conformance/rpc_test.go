package conformance

import (
	"fmt"
	"testing"

	"runnel/test/stage"
)

func TestCall(t *testing.T) {
	house.Every(t, "result", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Simple), s.Join(stage.Simple)
		callee.Say(`[64,5,{},"~.add"]`)
		callee.Hear(`[65,5,"$reg"]`)
		for i, payload := range []string{
			``, `,[1]`, `,[],{"k":1}`, `,[1,"\u0000AQID",18446744073709551615,-1.5,null],{"x":9007199254740993}`,
		} {
			caller.Say(fmt.Sprintf(`[48,%d,{},"~.add"%s]`, i+10, payload))
			callee.Hear(fmt.Sprintf(`[68,%d,"$reg",{}%s]`, i+1, payload))
			callee.Say(fmt.Sprintf(`[70,%d,{}%s]`, i+1, payload))
			caller.Hear(fmt.Sprintf(`[50,%d,{}%s]`, i+10, payload))
		}
	})
	house.Every(t, "error", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Simple), s.Join(stage.Simple)
		callee.Say(`[64,5,{},"~.x"]`)
		callee.Hear(`[65,5,"$reg"]`)
		for i, payload := range []string{``, `,["later"]`, `,[],{"s":5}`, `,["\u0000AQID"],{"s":5}`} {
			caller.Say(fmt.Sprintf(`[48,%d,{},"~.x"]`, i+10))
			callee.Hear(`[68,"*","$reg",{}]`)
			callee.Say(fmt.Sprintf(`[8,68,%d,{},"com.error.busy"%s]`, i+1, payload))
			caller.Hear(fmt.Sprintf(`[8,48,%d,{},"com.error.busy"%s]`, i+10, payload))
		}
	})
	house.Every(t, "yourself", func(s *stage.Scene) {
		p := s.Join(stage.Simple)
		p.Say(`[64,1,{},"~.me"]`)
		p.Hear(`[65,1,"$reg"]`)
		p.Say(`[48,2,{},"~.me",[1]]`)
		p.Hear(`[68,1,"$reg",{},[1]]`)
		p.Say(`[70,1,{},[2]]`)
		p.Hear(`[50,2,{},[2]]`)
	})
	for name, c := range map[string]struct{ procedure, failure string }{
		"not registered":    {"~.missing", `"wamp.error.no_such_procedure",["*"]`},
		"bad URI":           {"~..missing", `"wamp.error.invalid_uri"`},
		"no meta procedure": {"wamp.session.fly", `"wamp.error.no_such_procedure",["*"]`},
		"not authorized":    {"closed.x", `"wamp.error.not_authorized"`},
	} {
		house.Every(t, "refused: "+name, func(s *stage.Scene) {
			caller := s.Join(stage.Simple)
			caller.Say(`[48,12,{},"` + c.procedure + `"]`)
			caller.Hear(`[8,48,12,{},` + c.failure + `]`)
		})
	}
	// Calls of one caller reach one callee in their order. Results arrive in the callee's order.
	house.Every(t, "order", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Simple), s.Join(stage.Simple)
		callee.Say(`[64,1,{},"~.x"]`, `[64,2,{},"~.y"]`)
		callee.Hear(`[65,1,"$x"]`, `[65,2,"$y"]`)
		const n = 60
		var calls, yields []string
		for i := range n {
			calls = append(calls, fmt.Sprintf(`[48,%d,{},"~.%s",[%d]]`, i+1, []string{"x", "y"}[i%2], i))
			yields = append(yields, fmt.Sprintf(`[70,%d,{}]`, n-i))
		}
		caller.Say(calls...)
		for i := range n {
			callee.Hear(fmt.Sprintf(`[68,%d,"$%s",{},[%d]]`, i+1, []string{"x", "y"}[i%2], i))
		}
		callee.Say(yields...)
		for i := range n {
			caller.Hear(fmt.Sprintf(`[50,%d,{}]`, n-i))
		}
	})
	house.Every(t, "unknown options", func(s *stage.Scene) {
		const unknown = `"future":{"a":[1]},"_own":1,"much_later":null`
		caller, callee := s.Join(stage.Full), s.Join(stage.Full)
		callee.Say(`[64,1,{` + unknown + `},"~.x"]`)
		callee.Hear(`[65,1,"$reg"]`)
		caller.Say(`[48,1,{`+unknown+`},"~.x"]`, `[48,2,{`+unknown+`},"~.x"]`)
		callee.Hear(`[68,1,"$reg",{}]`, `[68,2,"$reg",{}]`)
		callee.Say(`[70,1,{` + unknown + `}]`)
		caller.Hear(`[50,1,{}]`)
		caller.Say(`[49,2,{` + unknown + `,"mode":"skip"}]`)
		caller.Hear(`[8,48,2,{},"wamp.error.canceled"]`)
		caller.Say(`[6,{` + unknown + `},"wamp.close.normal"]`)
		caller.Hear(`[6,{},"wamp.close.goodbye_and_out"]`)
		caller.Parted()
	})
	house.Every(t, "request under way", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Simple), s.Join(stage.Simple)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		caller.Say(`[48,7,{},"~.x"]`, `[48,7,{},"~.x"]`)
		caller.Hear(violated)
		caller.Closed()
		callee.Hear(`[68,1,"*",{}]`)
		callee.Silent()
	})
}

func TestRegister(t *testing.T) {
	// REGISTERED precedes the first INVOCATION, although a caller is calling all the time.
	house.Every(t, "under fire", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Simple), s.Join(stage.Simple)
		callee.Say(`[64,1,{},"~.x"]`)
		var calls []string
		for i := range 50 {
			calls = append(calls, fmt.Sprintf(`[48,%d,{},"~.x"]`, i+1))
		}
		caller.Say(calls...)
		callee.Hear(`[65,1,"*"]`)
	})
	house.Every(t, "twice", func(s *stage.Scene) {
		p, other := s.Join(stage.Simple), s.Join(stage.Simple)
		p.Say(`[64,1,{},"~.x"]`)
		p.Hear(`[65,1,"$reg"]`)
		for _, each := range []*stage.Peer{p, other} {
			each.Say(`[64,2,{},"~.x"]`, `[64,3,{"invoke":"roundrobin"},"~.x"]`)
			each.Hear(`[8,64,2,{},"wamp.error.procedure_already_exists",["*"]]`, `[8,64,3,{},"wamp.error.procedure_already_exists",["*"]]`)
		}
		other.Say(`[64,4,{"match":"prefix"},"~.x"]`) // another match, another registration
		other.Hear(`[65,4,"*"]`)
	})
	house.Every(t, "unregister", func(s *stage.Scene) {
		caller, callee, other := s.Join(stage.Simple), s.Join(stage.Simple), s.Join(stage.Simple)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"$reg"]`)
		other.Say(`[66,1,"$reg"]`, `[66,2,5]`)
		other.Hear(`[8,66,1,{},"wamp.error.no_such_registration"]`, `[8,66,2,{},"wamp.error.no_such_registration"]`)
		caller.Say(`[48,1,{},"~.x"]`)
		callee.Hear(`[68,1,"$reg",{}]`)
		callee.Say(`[66,2,"$reg"]`, `[66,3,"$reg"]`)
		callee.Hear(`[67,2]`, `[8,66,3,{},"wamp.error.no_such_registration"]`)
		caller.Say(`[48,2,{},"~.x"]`)
		caller.Hear(`[8,48,2,{},"wamp.error.no_such_procedure",["*"]]`)
		callee.Say(`[70,1,{},["under way"]]`)
		caller.Hear(`[50,1,{},["under way"]]`)
		other.Say(`[64,3,{},"~.x"]`)
		other.Hear(`[65,3,"*"]`)
	})
	for name, c := range map[string]struct{ options, procedure, failure string }{
		"bad URI":          {`{}`, "~..x", `"wamp.error.invalid_uri"`},
		"reserved URI":     {`{}`, "wamp.session.count", `"wamp.error.invalid_uri"`},
		"reserved pattern": {`{"match":"prefix"}`, "wamp.", `"wamp.error.invalid_uri"`},
		"not authorized":   {`{}`, "closed.x", `"wamp.error.not_authorized"`},
		"partly":           {`{"match":"prefix"}`, "closed.door.", `"wamp.error.not_authorized"`},
		"unknown policy":   {`{"invoke":"best"}`, "~.x", `"wamp.error.invalid_argument",["*"]`},
	} {
		house.Every(t, "refused: "+name, func(s *stage.Scene) {
			p := s.Join(stage.Simple)
			p.Say(`[64,1,` + c.options + `,"` + c.procedure + `"]`)
			p.Hear(`[8,64,1,{},` + c.failure + `]`)
		})
	}
}

func TestCallerIdentification(t *testing.T) {
	house.Every(t, "disclose_me", func(s *stage.Scene) {
		callee, caller := s.Join(stage.Full), s.Login("ann", stage.Full).Named("ann")
		callee.Say(`[64,1,{},"open.~"]`, `[64,2,{},"~.x"]`)
		callee.Hear(`[65,1,"$open"]`, `[65,2,"$x"]`)
		who := `{"caller":"$ann","caller_authid":"ann","caller_authrole":"guest"}`
		caller.Say(`[48,1,{},"open.~"]`, `[48,2,{},"~.x"]`, `[48,3,{"disclose_me":false},"~.x"]`, `[48,4,{"disclose_me":true},"~.x"]`)
		callee.Hear(`[68,1,"$open",`+who+`]`, `[68,2,"$x",{}]`, `[68,3,"$x",{}]`, `[68,4,"$x",`+who+`]`)
	})
}

// The cases follow the example of advanced/rpc_pattern_based_registration.md. One row of it is wrong: it says that no prefix
// matches a1.b2.c33.d4.e5. Prefixes compare characters, so a1.b2.c3 matches. Without that registration, row 5 is right.
func TestPatternRegistration(t *testing.T) {
	house.Every(t, "the specification's table", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Simple), s.Join(stage.Simple)
		for i, c := range []struct{ match, uri string }{
			{"exact", "~.b2.c3.d4.e55"}, {"prefix", "~.b2.c3"}, {"prefix", "~.b2.c3.d4"}, {"wildcard", "~.b2..d4.e5"},
			{"wildcard", "~.b2.c33..e5"}, {"wildcard", "~.b2..d4.e5..g7"}, {"wildcard", "~.b2..d4..f6.g7"},
		} {
			callee.Say(fmt.Sprintf(`[64,%d,{"match":%q},%q]`, i+1, c.match, c.uri))
			callee.Hear(fmt.Sprintf(`[65,%d,"$%d"]`, i+1, i+1))
		}
		for i, c := range []struct {
			uri string
			reg int
		}{
			{"~.b2.c3.d4.e55", 1}, {"~.b2.c3.d98.e74", 2}, {"~.b2.c3.d4.e325", 3}, {"~.b2.c55.d4.e5", 4},
			{"~.b2.c33.d4.e5", 2}, {"~.b2.c88.d4.e5.f6.g7", 6}, {"~x.b2.c2.d2.e2", 0},
			{"~.b2.c3", 2}, {"~.b2.c3x", 2}, {"~.b2.c88.d4.x.f6.g7", 7},
		} {
			caller.Say(fmt.Sprintf(`[48,%d,{},%q]`, i+1, c.uri))
			switch c.reg {
			case 0:
				caller.Hear(fmt.Sprintf(`[8,48,%d,{},"wamp.error.no_such_procedure",["*"]]`, i+1))
			case 1:
				callee.Hear(`[68,"*","$1",{}]`)
			default:
				callee.Hear(fmt.Sprintf(`[68,"*","$%d",{"procedure":%q}]`, c.reg, c.uri))
			}
		}
		callee.Say(`[66,8,"$2"]`)
		callee.Hear(`[67,8]`)
		caller.Say(`[48,20,{},"~.b2.c33.d4.e5"]`)
		callee.Hear(`[68,"*","$5",{"procedure":"~.b2.c33.d4.e5"}]`)
	})
	house.Every(t, "exact, prefix, wildcard", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Simple), s.Join(stage.Simple)
		callee.Say(`[64,1,{"match":"wildcard"},"~..c"]`)
		callee.Hear(`[65,1,"$wildcard"]`)
		caller.Say(`[48,1,{},"~.b.c"]`)
		callee.Hear(`[68,1,"$wildcard",{"procedure":"~.b.c"}]`)
		callee.Say(`[64,2,{"match":"prefix"},"~."]`)
		callee.Hear(`[65,2,"$prefix"]`)
		caller.Say(`[48,2,{},"~.b.c"]`)
		callee.Hear(`[68,2,"$prefix",{"procedure":"~.b.c"}]`)
		callee.Say(`[64,3,{},"~.b.c"]`)
		callee.Hear(`[65,3,"$exact"]`)
		caller.Say(`[48,3,{},"~.b.c"]`)
		callee.Hear(`[68,3,"$exact",{}]`)
		callee.Say(`[66,4,"$exact"]`, `[66,5,"$prefix"]`)
		callee.Hear(`[67,4]`, `[67,5]`)
		caller.Say(`[48,4,{},"~.b.c"]`)
		callee.Hear(`[68,4,"$wildcard",{"procedure":"~.b.c"}]`)
	})
}

func TestSharedRegistration(t *testing.T) {
	for policy, want := range map[string][]int{"first": {0, 0, 0, 0}, "last": {2, 2, 2, 2}, "roundrobin": {0, 1, 2, 0}} {
		house.Every(t, policy, func(s *stage.Scene) {
			caller := s.Join(stage.Simple)
			var callees []*stage.Peer
			for range 3 {
				p := s.Join(stage.Simple)
				p.Say(`[64,1,{"invoke":"` + policy + `"},"~.x"]`)
				p.Hear(`[65,1,"$reg"]`)
				callees = append(callees, p)
			}
			for i, at := range want {
				caller.Say(fmt.Sprintf(`[48,%d,{},"~.x"]`, i+1))
				callees[at].Hear(`[68,"*","$reg",{}]`)
			}
			for _, options := range []string{`{}`, `{"invoke":"random"}`, `{"invoke":"` + policy + `"}`} { // the last: the same session twice
				callees[0].Say(`[64,2,` + options + `,"~.x"]`)
				callees[0].Hear(`[8,64,2,{},"wamp.error.procedure_already_exists",["*"]]`)
			}
			for _, p := range []*stage.Peer{callees[0], callees[2]} { // first and last are determined again
				p.Say(`[66,3,"$reg"]`)
				p.Hear(`[67,3]`)
			}
			caller.Say(`[48,9,{},"~.x"]`)
			callees[1].Hear(`[68,"*","$reg",{}]`)
		})
	}
	house.Every(t, "random", func(s *stage.Scene) {
		caller, a, b := s.Join(stage.Simple), s.Join(stage.Simple), s.Join(stage.Simple)
		for _, p := range []*stage.Peer{a, b} {
			p.Say(`[64,1,{"invoke":"random"},"~.x"]`)
			p.Hear(`[65,1,"*"]`)
		}
		var calls []string
		for i := range 64 {
			calls = append(calls, fmt.Sprintf(`[48,%d,{},"~.x"]`, i+1))
		}
		caller.Say(calls...)
		caller.Sync()
		a.Sync()
		b.Sync()
		a.Hear(`[68,1,"*",{}]`) // the odds against are 2^64
		b.Hear(`[68,1,"*",{}]`)
	})
	house.Every(t, "single", func(s *stage.Scene) {
		a, b := s.Join(stage.Simple), s.Join(stage.Simple)
		a.Say(`[64,1,{"invoke":"single"},"~.x"]`)
		a.Hear(`[65,1,"*"]`)
		b.Say(`[64,1,{"invoke":"single"},"~.x"]`)
		b.Hear(`[8,64,1,{},"wamp.error.procedure_already_exists",["*"]]`)
	})
}
