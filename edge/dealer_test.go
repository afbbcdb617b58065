package edge

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

func TestCall(t *testing.T) {
	each(t, func(s *story, caller, callee *peer) {
		callee.say(`[64,5,{},"com.add"]`)
		callee.hear(`[65,5,"$reg"]`)
		caller.say(`[48,10,{},"com.add",[1,"\u0000AQID"],{"x":9007199254740993}]`)
		callee.hear(`[68,1,"$reg",{},[1,"\u0000AQID"],{"x":9007199254740993}]`)
		callee.say(`[70,1,{},[2.5],{"y":null}]`)
		caller.hear(`[50,10,{},[2.5],{"y":null}]`)

		caller.say(`[48,11,{},"com.add"]`)
		callee.hear(`[68,2,"$reg",{}]`)
		callee.say(`[8,68,2,{"retry":true},"com.error.busy",["later"],{"s":5}]`)
		caller.hear(`[8,48,11,{"retry":true},"com.error.busy",["later"],{"s":5}]`)

		caller.say(`[48,12,{},"com.missing"]`)
		caller.hear(`[8,48,12,{},"wamp.error.no_such_procedure",["*"]]`)
		caller.say(`[48,13,{},"com..missing"]`)
		caller.hear(`[8,48,13,{},"wamp.error.invalid_uri"]`)

		callee.say(`[66,6,"$reg"]`)
		callee.hear(`[67,6]`)
		callee.say(`[66,7,"$reg"]`)
		callee.hear(`[8,66,7,{},"wamp.error.no_such_registration"]`)
		caller.say(`[48,14,{},"com.add"]`)
		caller.hear(`[8,48,14,{},"wamp.error.no_such_procedure",["*"]]`)
	})
}

func TestCallYourself(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		p.say(`[64,1,{},"com.me"]`)
		p.hear(`[65,1,"$reg"]`)
		p.say(`[48,2,{},"com.me",[1]]`)
		p.hear(`[68,1,"$reg",{},[1]]`)
		p.say(`[70,1,{},[2]]`)
		p.hear(`[50,2,{},[2]]`)
	})
}

// Request ids are numbered for each direction and session: a callee sees 1, 2, 3 from any caller.
func TestInvocationIDs(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		callee, other, a, b := s.join(hello), s.join(hello), s.join(hello), s.join(hello)
		callee.say(`[64,1,{},"com.x"]`)
		other.say(`[64,1,{},"com.y"]`)
		callee.hear(`[65,1,"*"]`)
		other.hear(`[65,1,"*"]`)
		a.say(`[48,100,{},"com.x"]`)
		callee.hear(`[68,1,"*",{}]`)
		b.say(`[48,100,{},"com.x"]`)
		callee.hear(`[68,2,"*",{}]`)
		b.say(`[48,101,{},"com.y"]`)
		other.hear(`[68,1,"*",{}]`)
		a.say(`[48,101,{},"com.x"]`)
		callee.hear(`[68,3,"*",{}]`)
	})
}

func TestPatternRegistration(t *testing.T) {
	each(t, func(s *story, caller, callee *peer) {
		callee.say(`[64,1,{"match":"prefix"},"com.a"]`)
		callee.say(`[64,2,{"match":"wildcard"},"com..b"]`)
		callee.say(`[64,3,{},"com.a"]`)
		callee.hear(`[65,1,"$prefix"]`, `[65,2,"$wildcard"]`, `[65,3,"$exact"]`)
		caller.say(`[48,1,{},"com.a"]`)
		callee.hear(`[68,1,"$exact",{}]`)
		caller.say(`[48,2,{},"com.a.b"]`)
		callee.hear(`[68,2,"$prefix",{"procedure":"com.a.b"}]`)
		caller.say(`[48,3,{},"com.c.b"]`)
		callee.hear(`[68,3,"$wildcard",{"procedure":"com.c.b"}]`)
	})
}

func TestDisclosedCaller(t *testing.T) {
	realm := openRealm()
	realm.Roles = []*auth.Role{auth.NewRole("all", []auth.Permission{
		{Match: wamp.Prefix, Allow: auth.Everything}, {URI: "com.open", Allow: auth.Everything, Disclose: true},
	})}
	tell(t, Options{}, realm, func(s *story) {
		callee, caller := s.join(hello), s.join(hello)
		callee.say(`[64,1,{},"com.open"]`)
		callee.say(`[64,2,{},"com.closed"]`)
		callee.hear(`[65,1,"*"]`, `[65,2,"*"]`)
		caller.say(`[48,1,{},"com.open"]`)
		callee.hear(`[68,1,"*",{"caller":"$id","caller_authid":"*","caller_authrole":"all"}]`)
		caller.say(`[48,2,{},"com.closed"]`)
		callee.hear(`[68,2,"*",{}]`)
		caller.say(`[48,3,{"disclose_me":true},"com.closed"]`)
		callee.hear(`[68,3,"*",{"caller":"$id","caller_authid":"*","caller_authrole":"all"}]`)
	})
}

func TestSharedRegistration(t *testing.T) {
	for policy, want := range map[string][]int{
		"first":      {0, 0, 0, 0},
		"last":       {2, 2, 2, 2},
		"roundrobin": {0, 1, 2, 0},
	} {
		t.Run(policy, func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				caller := s.join(hello)
				var callees []*peer
				for range 3 {
					p := s.join(hello)
					p.say(`[64,1,{"invoke":"` + policy + `"},"com.x"]`)
					p.hear(`[65,1,"$reg"]`)
					callees = append(callees, p)
				}
				for i, at := range want {
					caller.say(fmt.Sprintf(`[48,%d,{},"com.x"]`, i+1))
					callees[at].hear(`[68,"*","$reg",{}]`)
				}
				outsider := s.join(hello)
				for _, options := range []string{`{}`, `{"invoke":"random"}`} {
					outsider.say(`[64,1,` + options + `,"com.x"]`)
					outsider.hear(`[8,64,1,{},"wamp.error.procedure_already_exists",["*"]]`)
				}
				callees[0].say(`[64,2,{"invoke":"` + policy + `"},"com.x"]`) // the same session twice
				callees[0].hear(`[8,64,2,{},"wamp.error.procedure_already_exists",["*"]]`)
				callees[0].say(`[66,3,"$reg"]`)
				callees[0].hear(`[67,3]`)
				callees[2].say(`[66,3,"$reg"]`)
				callees[2].hear(`[67,3]`)
				caller.say(`[48,9,{},"com.x"]`)
				callees[1].hear(`[68,"*","$reg",{}]`)
			})
		})
	}
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		a, b, caller := s.join(hello), s.join(hello), s.join(hello)
		for _, p := range []*peer{a, b} {
			p.say(`[64,1,{"invoke":"random"},"com.x"]`)
			p.hear(`[65,1,"*"]`)
		}
		for i := range 100 {
			caller.say(fmt.Sprintf(`[48,%d,{},"com.x"]`, i+1))
		}
		synctest.Wait()
		if len(a.heard) == 0 || len(b.heard) == 0 || len(a.heard)+len(b.heard) != 100 {
			t.Errorf("random gave %d and %d calls", len(a.heard), len(b.heard))
		}
	})
}

func TestRefusedRegister(t *testing.T) {
	realm := openRealm()
	realm.Roles = []*auth.Role{auth.NewRole("all", []auth.Permission{
		{Match: wamp.Prefix, Allow: auth.Everything}, {URI: "com.secret.", Match: wamp.Prefix},
	})}
	tell(t, Options{}, realm, func(s *story) {
		p := s.join(hello)
		for _, c := range []struct{ options, uri, failure string }{
			{`{}`, "com..x", "wamp.error.invalid_uri"},
			{`{}`, "wamp.session.count", "wamp.error.invalid_uri"},
			{`{}`, "com.secret.x", "wamp.error.not_authorized"},
			{`{"match":"prefix"}`, "com.", "wamp.error.not_authorized"}, // com.secret. lies within
		} {
			p.say(`[64,1,` + c.options + `,"` + c.uri + `"]`)
			p.hear(`[8,64,1,{},"` + c.failure + `"]`)
		}
		p.say(`[64,1,{"invoke":"best"},"com.x"]`)
		p.hear(`[8,64,1,{},"wamp.error.invalid_argument",["*"]]`)
		p.say(`[48,1,{},"com.secret.x"]`)
		p.hear(`[8,48,1,{},"wamp.error.not_authorized"]`)
	})
}

func TestProgressiveResults(t *testing.T) {
	each(t, func(s *story, caller, callee *peer) {
		callee.say(`[64,1,{},"com.x"]`)
		callee.hear(`[65,1,"*"]`)
		caller.say(`[48,1,{"receive_progress":true},"com.x"]`)
		callee.hear(`[68,1,"*",{"receive_progress":true}]`)
		callee.say(`[70,1,{"progress":true},[1]]`)
		callee.say(`[70,1,{"progress":true},[2]]`)
		callee.say(`[70,1,{},[3]]`)
		caller.hear(`[50,1,{"progress":true},[1]]`, `[50,1,{"progress":true},[2]]`, `[50,1,{},[3]]`)
		callee.say(`[70,1,{},[4]]`) // late: dropped
		caller.say(`[48,2,{},"com.x"]`)
		callee.hear(`[68,2,"*",{}]`)
		callee.say(`[70,2,{"progress":true},[5]]`) // not asked for: dropped
		callee.say(`[70,2,{},[6]]`)
		caller.hear(`[50,2,{},[6]]`)
	})
	tell(t, Options{}, RealmOptions{}, func(s *story) { // a callee that does not know them is not asked for them
		caller, callee := s.join(helloAll), s.join(hello)
		callee.say(`[64,1,{},"com.x"]`)
		callee.hear(`[65,1,"*"]`)
		caller.say(`[48,1,{"receive_progress":true},"com.x"]`)
		callee.hear(`[68,1,"*",{}]`)
	})
}

// pair registers com.x, calls it, and waits for the INVOCATION.
func pair(s *story, calleeHello, options string) (caller, callee *peer) {
	caller, callee = s.join(hello), s.join(calleeHello)
	callee.say(`[64,1,{},"com.x"]`)
	callee.hear(`[65,1,"*"]`)
	caller.say(`[48,7,` + options + `,"com.x"]`)
	callee.hear(`[68,1,"*","*"]`)
	return caller, callee
}

func TestCancel(t *testing.T) {
	cancel := func(name, calleeHello string, plot func(s *story, caller, callee *peer)) {
		t.Run(name, func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				caller, callee := pair(s, calleeHello, `{}`)
				plot(s, caller, callee)
				caller.silent()
				callee.silent()
				caller.say(`[48,8,{},"com.x"]`) // both sessions stay open
				callee.hear(`[68,2,"*",{}]`)
				callee.say(`[70,2,{}]`)
				caller.hear(`[50,8,{}]`)
			})
		})
	}
	cancel("skip", helloAll, func(s *story, caller, callee *peer) {
		caller.say(`[49,7,{"mode":"skip"}]`)
		caller.hear(`[8,48,7,{},"wamp.error.canceled"]`)
		callee.say(`[70,1,{},["late"]]`)
	})
	for _, options := range []string{`{}`, `{"mode":"killnowait"}`} {
		cancel("killnowait "+options, helloAll, func(s *story, caller, callee *peer) {
			caller.say(`[49,7,` + options + `]`)
			caller.hear(`[8,48,7,{},"wamp.error.canceled"]`)
			callee.hear(`[69,1,{"mode":"killnowait"}]`)
			callee.say(`[8,68,1,{},"wamp.error.canceled"]`)
			caller.say(`[49,7,{}]`) // it has ended
		})
	}
	cancel("kill, ERROR", helloAll, func(s *story, caller, callee *peer) {
		caller.say(`[49,7,{"mode":"kill"}]`)
		callee.hear(`[69,1,{"mode":"kill"}]`)
		caller.silent()
		caller.say(`[49,7,{"mode":"kill"}]`) // no second INTERRUPT
		caller.say(`[49,7,{"mode":"skip"}]`)
		callee.silent()
		callee.say(`[8,68,1,{},"com.my.canceled",["why"]]`)
		caller.hear(`[8,48,7,{},"com.my.canceled",["why"]]`)
	})
	cancel("kill, RESULT", helloAll, func(s *story, caller, callee *peer) {
		caller.say(`[49,7,{"mode":"kill"}]`)
		callee.hear(`[69,1,{"mode":"kill"}]`)
		callee.say(`[70,1,{},["done"]]`)
		caller.hear(`[50,7,{},["done"]]`)
	})
	cancel("kill, then killnowait", helloAll, func(s *story, caller, callee *peer) {
		caller.say(`[49,7,{"mode":"kill"}]`)
		callee.hear(`[69,1,{"mode":"kill"}]`)
		caller.say(`[49,7,{"mode":"killnowait"}]`)
		caller.hear(`[8,48,7,{},"wamp.error.canceled"]`)
		callee.hear(`[69,1,{"mode":"killnowait"}]`)
	})
	cancel("a callee that can't", hello, func(s *story, caller, callee *peer) {
		caller.say(`[49,7,{"mode":"kill"}]`)
		caller.hear(`[8,48,7,{},"wamp.error.canceled"]`)
		callee.say(`[70,1,{},["late"]]`)
	})
	cancel("nothing of that id", helloAll, func(s *story, caller, callee *peer) {
		caller.say(`[49,99,{}]`)
		callee.say(`[70,1,{}]`)
		caller.hear(`[50,7,{}]`)
	})
}

func TestCallTimeout(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		start := time.Now()
		caller, callee := pair(s, helloAll, `{"timeout":1500}`)
		caller.hear(`[8,48,7,{},"wamp.error.timeout"]`)
		if after := time.Since(start); after != 1500*time.Millisecond {
			t.Errorf("timed out after %v", after)
		}
		callee.hear(`[69,1,{"mode":"killnowait"}]`)
		callee.say(`[70,1,{}]`)
		callee.silent()
		caller.silent()
	})
	tell(t, Options{}, RealmOptions{}, func(s *story) { // answered in time
		caller, callee := pair(s, hello, `{"timeout":1500}`)
		callee.say(`[70,1,{}]`)
		caller.hear(`[50,7,{}]`)
		time.Sleep(2 * time.Second)
		caller.silent()
		callee.silent()
	})
	tell(t, Options{}, RealmOptions{}, func(s *story) { // with progressive results it runs between results
		caller, callee := pair(s, helloAll, `{"timeout":1000,"receive_progress":true}`)
		for range 5 {
			time.Sleep(900 * time.Millisecond)
			callee.say(`[70,1,{"progress":true}]`)
			caller.hear(`[50,7,{"progress":true}]`)
		}
		caller.hear(`[8,48,7,{},"wamp.error.timeout"]`)
		callee.hear(`[69,1,{"mode":"killnowait"}]`)
	})
	tell(t, Options{}, RealmOptions{}, func(s *story) { // the callee minds it
		caller, callee := s.join(hello), s.join(helloAll)
		callee.say(`[64,1,{"forward_timeout":true},"com.x"]`)
		callee.hear(`[65,1,"*"]`)
		caller.say(`[48,7,{"timeout":1000},"com.x"]`)
		callee.hear(`[68,1,"*",{"timeout":1000}]`)
		time.Sleep(2 * time.Second)
		caller.silent()
		caller.say(`[48,8,{"timeout":-5},"com.x"]`)
		caller.hear(`[8,48,8,{},"wamp.error.invalid_argument",["*"]]`)
		caller.say(`[48,9,{},"com.x"]`)
		callee.hear(`[68,2,"*",{}]`)
	})
}

func TestCallerLeaves(t *testing.T) {
	for calleeHello, interrupted := range map[string]bool{hello: false, helloAll: true} {
		tell(t, Options{}, RealmOptions{}, func(s *story) {
			caller, callee := pair(s, calleeHello, `{}`)
			caller.conn.Close()
			if interrupted {
				callee.hear(`[69,1,{"mode":"killnowait"}]`)
			}
			callee.silent()
			callee.say(`[70,1,{}]`)
			callee.silent()
		})
	}
}

func TestCalleeLeaves(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		caller, callee := pair(s, hello, `{}`)
		callee.conn.Close()
		caller.hear(`[8,48,7,{},"wamp.error.canceled",["the callee has left"]]`)
		caller.say(`[48,8,{},"com.x"]`)
		caller.hear(`[8,48,8,{},"wamp.error.no_such_procedure",["*"]]`)
	})
}

func TestRequestIDInUse(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		caller, callee := pair(s, hello, `{}`)
		caller.say(`[48,7,{},"com.x"]`)
		caller.hear(`[3,{"message":"CALL.Request 7 is already in progress"},"wamp.error.protocol_violation"]`)
		caller.closed()
		callee.silent()
	})
}
