package conformance

import (
	"fmt"
	"testing"

	"runnel/test/stage"
)

func TestDiscloseCaller(t *testing.T) {
	house.Every(t, "the callee asks", func(s *stage.Scene) {
		callee, caller := s.Join(stage.Full), s.Login("ann", stage.Full).Named("ann")
		callee.Say(`[64,1,{"disclose_caller":true},"~.x"]`, `[64,2,{"disclose_caller":null},"~.y"]`)
		callee.Hear(`[65,1,"$x"]`, `[65,2,"$y"]`)
		caller.Say(`[48,1,{},"~.x"]`, `[48,2,{"disclose_me":false},"~.x"]`, `[48,3,{},"~.y"]`)
		who := `{"caller":"$ann","caller_authid":"ann","caller_authrole":"guest"}`
		callee.Hear(`[68,1,"$x",`+who+`]`, `[68,2,"$x",`+who+`]`, `[68,3,"$y",{}]`)
	})
}

func TestForceReregister(t *testing.T) {
	for _, invoke := range []string{"single", "roundrobin"} {
		house.Every(t, invoke, func(s *stage.Scene) {
			old, heir, caller := s.Join(stage.Full), s.Join(stage.Full), s.Join(stage.Full)
			old.Say(`[64,1,{"invoke":"` + invoke + `"},"~.x"]`)
			old.Hear(`[65,1,"$old"]`)
			heir.Say(`[64,1,{},"~.x"]`, `[64,2,{"force_reregister":false},"~.x"]`, `[64,3,{"force_reregister":true},"~.x"]`)
			heir.Hear(`[8,64,1,{},"wamp.error.procedure_already_exists",["*"]]`, `[8,64,2,{},"wamp.error.procedure_already_exists",["*"]]`, `[65,3,"$new"]`)
			old.Hear(`[67,0,{"registration":"$old","reason":"wamp.error.unregistered"}]`)
			caller.Say(`[48,1,{},"~.x"]`)
			heir.Hear(`[68,1,"$new",{}]`)
			old.Silent()
		})
	}
}

func TestConcurrency(t *testing.T) {
	const full = `{},"crossbar.error.max_concurrency_reached",["*"]]`
	house.Every(t, "one callee", func(s *stage.Scene) {
		callee, caller := s.Join(stage.Full), s.Join(stage.Full)
		callee.Say(`[64,1,{"concurrency":2},"~.x"]`)
		callee.Hear(`[65,1,"$reg"]`)
		caller.Say(`[48,1,{},"~.x"]`, `[48,2,{},"~.x"]`, `[48,3,{},"~.x"]`)
		callee.Hear(`[68,1,"$reg",{}]`, `[68,2,"$reg",{}]`)
		caller.Hear(`[8,48,3,` + full)
		callee.Say(`[70,1,{}]`)
		caller.Hear(`[50,1,{}]`)
		caller.Say(`[48,4,{},"~.x"]`, `[48,5,{},"~.x"]`)
		callee.Hear(`[68,3,"$reg",{}]`)
		caller.Hear(`[8,48,5,` + full)
	})
	house.Every(t, "several", func(s *stage.Scene) {
		one, two, caller := s.Join(stage.Full), s.Join(stage.Full), s.Join(stage.Full)
		for _, callee := range []*stage.Peer{one, two} {
			callee.Say(`[64,1,{"concurrency":1,"invoke":"roundrobin"},"~.x"]`)
			callee.Hear(`[65,1,"$reg"]`)
		}
		caller.Say(`[48,1,{},"~.x"]`, `[48,2,{},"~.x"]`, `[48,3,{},"~.x"]`)
		one.Hear(`[68,1,"$reg",{}]`)
		two.Hear(`[68,1,"$reg",{}]`)
		caller.Hear(`[8,48,3,` + full)
		for i := 2; i < 5; i++ { // the calls go to a callee with a free slot
			two.Say(fmt.Sprintf(`[70,%d,{}]`, i-1))
			caller.Hear(fmt.Sprintf(`[50,%d,{}]`, i))
			if i < 4 {
				caller.Say(fmt.Sprintf(`[48,%d,{},"~.x"]`, i+1))
				two.Hear(fmt.Sprintf(`[68,%d,"$reg",{}]`, i))
			}
		}
	})
	house.Every(t, "not a number of calls", func(s *stage.Scene) {
		callee := s.Join(stage.Full)
		for _, n := range []string{`0`, `-1`, `1.5`, `"1"`, `[1]`} {
			callee.Say(`[64,1,{"concurrency":` + n + `},"~.x"]`)
			callee.Hear(`[8,64,1,{},` + invalidArgument + `]`)
		}
	})
}
