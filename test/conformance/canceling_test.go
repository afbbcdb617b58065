package conformance

import (
	"fmt"
	"testing"
	"time"

	"runnel/test/stage"
)

// under registers a procedure at a callee with the given HELLO, and calls it. It waits for INVOCATION 1.
func under(s *stage.Scene, callerHello, calleeHello, options string) (caller, callee *stage.Peer) {
	s.Helper()
	caller, callee = s.Join(callerHello), s.Join(calleeHello)
	callee.Say(`[64,1,{},"~.x"]`)
	callee.Hear(`[65,1,"*"]`)
	caller.Say(`[48,7,` + options + `,"~.x"]`)
	callee.Hear(`[68,1,"*","*"]`)
	return caller, callee
}

func TestCallCanceling(t *testing.T) {
	// In every case, no further message arrives, and both sessions stay open.
	cancel := func(name, calleeHello string, plot func(caller, callee *stage.Peer)) {
		house.Every(t, name, func(s *stage.Scene) {
			caller, callee := under(s, stage.Full, calleeHello, `{}`)
			plot(caller, callee)
			caller.Silent()
			callee.Silent()
			caller.Say(`[48,8,{},"~.x"]`)
			callee.Hear(`[68,2,"*",{}]`)
			callee.Say(`[70,2,{}]`)
			caller.Hear(`[50,8,{}]`)
		})
	}
	canceled := `[8,48,7,{},"wamp.error.canceled"]`
	for _, late := range []string{`[70,1,{},["late"]]`, `[8,68,1,{},"com.late"]`, `[70,1,{"progress":true}]`} {
		cancel("skip, then "+late, stage.Full, func(caller, callee *stage.Peer) {
			caller.Say(`[49,7,{"mode":"skip"}]`)
			caller.Hear(canceled)
			callee.Silent()
			callee.Say(late, late)
		})
		cancel("killnowait, then "+late, stage.Full, func(caller, callee *stage.Peer) {
			caller.Say(`[49,7,{"mode":"killnowait"}]`)
			caller.Hear(canceled)
			callee.Hear(`[69,1,{"mode":"killnowait"}]`)
			callee.Say(late)
		})
	}
	for _, options := range []string{`{}`, `{"mode":null}`} { // the specification names no default
		cancel("no mode "+options, stage.Full, func(caller, callee *stage.Peer) {
			caller.Say(`[49,7,` + options + `]`)
			caller.Hear(canceled)
			callee.Hear(`[69,1,{"mode":"killnowait"}]`)
		})
	}
	cancel("kill, ERROR", stage.Full, func(caller, callee *stage.Peer) {
		caller.Say(`[49,7,{"mode":"kill"}]`)
		callee.Hear(`[69,1,{"mode":"kill"}]`)
		caller.Silent() // the callee's answer is waited for
		callee.Say(`[8,68,1,{},"wamp.error.canceled",["why"]]`)
		caller.Hear(`[8,48,7,{},"wamp.error.canceled",["why"]]`)
	})
	cancel("kill, RESULT", stage.Full, func(caller, callee *stage.Peer) {
		caller.Say(`[49,7,{"mode":"kill"}]`)
		callee.Hear(`[69,1,{"mode":"kill"}]`)
		callee.Say(`[70,1,{},["done"]]`)
		caller.Hear(`[50,7,{},["done"]]`)
		caller.Say(`[49,7,{"mode":"kill"}]`) // it has ended
	})
	cancel("kill repeated", stage.Full, func(caller, callee *stage.Peer) {
		caller.Say(`[49,7,{"mode":"kill"}]`)
		callee.Hear(`[69,1,{"mode":"kill"}]`)
		caller.Say(`[49,7,{"mode":"kill"}]`, `[49,7,{"mode":"skip"}]`)
		callee.Silent()
		caller.Silent()
		callee.Say(`[8,68,1,{},"com.enough"]`)
		caller.Hear(`[8,48,7,{},"com.enough"]`)
	})
	cancel("kill, then killnowait", stage.Full, func(caller, callee *stage.Peer) {
		caller.Say(`[49,7,{"mode":"kill"}]`)
		callee.Hear(`[69,1,{"mode":"kill"}]`)
		caller.Say(`[49,7,{"mode":"killnowait"}]`)
		caller.Hear(canceled)
		callee.Hear(`[69,1,{"mode":"killnowait"}]`)
	})
	for _, mode := range []string{"skip", "kill", "killnowait"} { // without the feature it is skip
		cancel(mode+", a callee that can't", stage.Simple, func(caller, callee *stage.Peer) {
			caller.Say(`[49,7,{"mode":"` + mode + `"}]`)
			caller.Hear(canceled)
			callee.Silent()
			callee.Say(`[70,1,{},["late"]]`)
		})
	}
	cancel("unknown and finished", stage.Full, func(caller, callee *stage.Peer) {
		caller.Say(`[49,99,{}]`)
		callee.Silent()
		callee.Say(`[70,1,{}]`)
		caller.Hear(`[50,7,{}]`)
		caller.Say(`[49,7,{}]`, `[49,7,{"mode":"kill"}]`)
	})
	cancel("another's call", stage.Full, func(caller, callee *stage.Peer) {
		stranger := caller.Join(stage.Full)
		stranger.Say(`[49,7,{}]`)
		stranger.Silent()
		callee.Silent()
		callee.Say(`[70,1,{}]`)
		caller.Hear(`[50,7,{}]`)
	})
	house.Every(t, "both spellings of the feature", func(s *stage.Scene) {
		for i, feature := range []string{"call_canceling", "call_cancelling"} {
			callee, caller := s.Join(`[1,"@",{"roles":{"callee":{"features":{"`+feature+`":true}},"publisher":{}}}]`), s.Join(stage.Full)
			callee.Say(fmt.Sprintf(`[64,1,{},"~.x%d"]`, i))
			callee.Hear(`[65,1,"*"]`)
			caller.Say(fmt.Sprintf(`[48,7,{},"~.x%d"]`, i))
			callee.Hear(`[68,1,"*",{}]`)
			caller.Say(`[49,7,{}]`)
			callee.Hear(`[69,1,{"mode":"killnowait"}]`)
			caller.Hear(canceled)
		}
	})
	// The INTERRUPT names the INVOCATION's request, not the CALL's.
	house.Every(t, "whose id", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Full), s.Join(stage.Full)
		callee.Say(`[64,1,{},"~.x"]`)
		callee.Hear(`[65,1,"*"]`)
		for i := range 3 {
			caller.Say(fmt.Sprintf(`[48,%d,{},"~.x"]`, 10*i+10))
			callee.Hear(fmt.Sprintf(`[68,%d,"*",{}]`, i+1))
		}
		caller.Say(`[49,20,{}]`)
		callee.Hear(`[69,2,{"mode":"killnowait"}]`)
		caller.Hear(`[8,48,20,{},"wamp.error.canceled"]`)
		callee.Say(`[70,3,{}]`, `[70,1,{}]`)
		caller.Hear(`[50,30,{}]`, `[50,10,{}]`)
	})
	house.Every(t, "kill, then the callee leaves", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{}`)
		caller.Say(`[49,7,{"mode":"kill"}]`)
		callee.Hear(`[69,1,{"mode":"kill"}]`)
		callee.Vanish()
		caller.Hear(`[8,48,7,{},"wamp.error.canceled",["*"]]`)
		caller.Silent()
	})
	house.Every(t, "kill, then the time is over", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"timeout":1500}`)
		caller.Say(`[49,7,{"mode":"kill"}]`)
		callee.HearOneOf(`[69,1,{"mode":"kill"}]`, `[69,1,{"mode":"killnowait"}]`) // on a slow machine it is over at once
		caller.Hear(`[8,48,7,{},"wamp.error.timeout"]`)
		callee.Say(`[70,1,{},["late"]]`)
		caller.Silent()
	})
	// The answer and the CANCEL may cross on the wire. There is one answer, whichever the router gets first.
	house.Every(t, "races", func(s *stage.Scene) {
		for _, mode := range []string{"skip", "kill", "killnowait"} {
			caller, callee := s.Join(stage.Full), s.Join(stage.Full)
			callee.Say(`[64,1,{},"~.race.` + mode + `"]`)
			callee.Hear(`[65,1,"*"]`)
			for i := range 20 {
				caller.Say(fmt.Sprintf(`[48,%d,{},"~.race.%s"]`, i+1, mode))
				callee.Hear(fmt.Sprintf(`[68,%d,"*",{}]`, i+1))
				said := make(chan struct{})
				go func() {
					callee.Say(fmt.Sprintf(`[70,%d,{}]`, i+1))
					close(said)
				}()
				caller.Say(fmt.Sprintf(`[49,%d,{"mode":%q}]`, i+1, mode))
				<-said
				caller.HearOneOf(fmt.Sprintf(`[50,%d,{}]`, i+1), fmt.Sprintf(`[8,48,%d,{},"wamp.error.canceled"]`, i+1))
				caller.Silent()
				callee.HearAtMost(fmt.Sprintf(`[69,%d,{"mode":%q}]`, i+1, mode))
			}
			caller.Goodbye()
			callee.Goodbye()
		}
	})
}

func TestCallTimeout(t *testing.T) {
	house.Every(t, "expires", func(s *stage.Scene) {
		began := time.Now()
		caller, callee := under(s, stage.Full, stage.Full, `{"timeout":50}`)
		caller.Hear(`[8,48,7,{},"wamp.error.timeout"]`)
		if after := time.Since(began); after < 50*time.Millisecond {
			t.Errorf("a timeout of 50 ms is over after %v", after)
		}
		callee.Hear(`[69,1,{"mode":"killnowait"}]`)
		callee.Say(`[70,1,{},["late"]]`)
		callee.Silent()
		caller.Silent()
	})
	house.Every(t, "a callee that can't cancel", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Simple, `{"timeout":20}`)
		caller.Hear(`[8,48,7,{},"wamp.error.timeout"]`)
		callee.Say(`[8,68,1,{},"com.late"]`)
		callee.Silent()
		caller.Silent()
	})
	house.Every(t, "in time", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"timeout":600000}`)
		callee.Say(`[70,1,{}]`)
		caller.Hear(`[50,7,{}]`)
		caller.Silent()
		callee.Silent()
	})
	house.Every(t, "0 is none", func(s *stage.Scene) {
		caller, callee := under(s, stage.Full, stage.Full, `{"timeout":0}`)
		other, _ := under(s.Another(), stage.Full, stage.Full, `{"timeout":50}`)
		other.Hear(`[8,48,7,{},"wamp.error.timeout"]`)
		callee.Silent()
		callee.Say(`[70,1,{}]`)
		caller.Hear(`[50,7,{}]`)
	})
	// With progressive results the time runs between results, and from the last one on.
	house.Every(t, "between results", func(s *stage.Scene) {
		from := time.Now()
		caller, callee := under(s, stage.Full, stage.Full, `{"timeout":5000,"receive_progress":true}`)
		for i := range 3 {
			time.Sleep(1800 * time.Millisecond) // of the callee's work; the rest is for a slow machine
			said := time.Now()
			callee.Say(fmt.Sprintf(`[70,1,{"progress":true},[%d]]`, i))
			got, _ := caller.Next()
			if got == `[8,48,7,{},"wamp.error.timeout"]` && time.Since(from) > 5*time.Second {
				return // the result may have been too late
			}
			if want := fmt.Sprintf(`[50,7,{"progress":true},[%d]]`, i); got != want {
				s.Fatalf("heard %s, expected %s", got, want)
			}
			from = said
		}
		caller.Hear(`[8,48,7,{},"wamp.error.timeout"]`)
		callee.Hear(`[69,1,{"mode":"killnowait"}]`)
	})
	house.Every(t, "forwarded", func(s *stage.Scene) {
		caller, callee := s.Join(stage.Full), s.Join(stage.Full)
		callee.Say(`[64,1,{"forward_timeout":true},"~.x"]`, `[64,2,{"forward_timeout":false},"~.y"]`)
		callee.Hear(`[65,1,"*"]`, `[65,2,"*"]`)
		caller.Say(`[48,7,{"timeout":50},"~.x"]`, `[48,8,{},"~.x"]`, `[48,9,{"timeout":50},"~.y"]`)
		callee.Hear(`[68,1,"*",{"timeout":50}]`, `[68,2,"*",{}]`, `[68,3,"*",{}]`)
		caller.Hear(`[8,48,9,{},"wamp.error.timeout"]`) // the other is left to the callee
		callee.Hear(`[69,3,{"mode":"killnowait"}]`)
		caller.Silent()
		callee.Say(`[8,68,1,{},"wamp.error.timeout"]`)
		caller.Hear(`[8,48,7,{},"wamp.error.timeout"]`)
	})
	for _, timeout := range []string{"-5", "1.5", `"1000"`, "true"} {
		house.Every(t, "malformed "+timeout, func(s *stage.Scene) {
			caller := s.Join(stage.Full)
			caller.Say(`[48,8,{"timeout":` + timeout + `},"~.x"]`)
			caller.Hear(`[8,48,8,{},"wamp.error.invalid_argument",["*"]]`)
		})
	}
}

// When a caller leaves, the router interrupts its calls if the callee supports INTERRUPT. It drops late answers.
func TestCallerLeaves(t *testing.T) {
	for name, leave := range map[string]func(*stage.Peer){"GOODBYE": (*stage.Peer).Goodbye, "cut": (*stage.Peer).Vanish} {
		house.Every(t, name, func(s *stage.Scene) {
			caller, callee := under(s, stage.Full, stage.Full, `{}`)
			caller.Say(`[48,8,{"receive_progress":true},"~.x"]`)
			callee.Hear(`[68,2,"*",{"receive_progress":true}]`)
			leave(caller)
			callee.HearAnyOrder(`[69,1,{"mode":"killnowait"}]`, `[69,2,{"mode":"killnowait"}]`)
			callee.Say(`[70,1,{}]`, `[70,2,{"progress":true}]`, `[8,68,2,{},"com.late"]`)
			callee.Silent()
		})
		house.Every(t, name+", a callee that can't cancel", func(s *stage.Scene) {
			caller, callee := under(s, stage.Full, stage.Simple, `{}`)
			leave(caller)
			callee.Silent()
			callee.Say(`[70,1,{}]`)
			callee.Silent()
		})
	}
}

// When a callee leaves, its calls fail at once. The specification spells the error in two ways; this is that of the registry.
func TestCalleeLeaves(t *testing.T) {
	for name, leave := range map[string]func(*stage.Peer){"GOODBYE": (*stage.Peer).Goodbye, "cut": (*stage.Peer).Vanish} {
		house.Every(t, name, func(s *stage.Scene) {
			caller, callee := under(s, stage.Full, stage.Full, `{}`)
			caller.Say(`[48,8,{"receive_progress":true},"~.x"]`)
			callee.Hear(`[68,2,"*",{"receive_progress":true}]`)
			callee.Say(`[70,2,{"progress":true},[1]]`)
			caller.Hear(`[50,8,{"progress":true},[1]]`)
			leave(callee)
			caller.HearAnyOrder(`[8,48,7,{},"wamp.error.canceled",["*"]]`, `[8,48,8,{},"wamp.error.canceled",["*"]]`)
			caller.Say(`[48,9,{},"~.x"]`)
			caller.Hear(`[8,48,9,{},"wamp.error.no_such_procedure",["*"]]`)
		})
	}
}
