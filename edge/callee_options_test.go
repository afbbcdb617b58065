package edge

import (
	"fmt"
	"testing"
)

// A callee may ask for the identity of its callers.
func TestDiscloseCaller(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		curious, other, caller := s.join(helloAll), s.join(helloAll), s.join(helloAll)
		curious.say(`[64,1,{"disclose_caller":true,"match":"prefix"},"com.curious."]`)
		curious.hear(`[65,1,"$reg"]`)
		other.say(`[64,1,{"disclose_caller":false},"com.x"]`)
		other.hear(`[65,1,"$x"]`)
		who := `"caller":"*","caller_authid":"*","caller_authrole":"all"`
		caller.say(`[48,1,{},"com.curious.a"]`)
		curious.hear(`[68,1,"$reg",{"procedure":"com.curious.a",` + who + `}]`)
		caller.say(`[48,2,{"disclose_me":false},"com.curious.a"]`)
		curious.hear(`[68,2,"$reg",{"procedure":"com.curious.a",` + who + `}]`)
		caller.say(`[48,3,{"progress":true},"com.curious.a"]`)
		curious.hear(`[68,3,"$reg",{"procedure":"com.curious.a",` + who + `,"progress":true}]`)
		caller.say(`[48,3,{},"com.curious.a"]`)
		curious.hear(`[68,3,"$reg",{"procedure":"com.curious.a",` + who + `}]`)
		caller.say(`[48,4,{},"com.x"]`)
		other.hear(`[68,1,"$x",{}]`)
		other.say(`[64,2,{"disclose_caller":1},"com.y"]`)
		other.hear(`[8,64,2,{},"wamp.error.invalid_argument","*"]`)
	})
}

// force_reregister revokes a registration from all its callees, whatever the policy.
func TestForceReregister(t *testing.T) {
	for _, invoke := range []string{"single", "roundrobin"} {
		tell(t, Options{}, RealmOptions{}, func(s *story) {
			old, heir, caller := s.join(helloAll), s.join(hello), s.join(hello)
			caller.say(`[32,1,{"match":"prefix"},"wamp.registration.on_"]`)
			caller.hear(`[33,1,"$s"]`)
			event := func(name, args string) string {
				return `[36,"$s","*",{"topic":"wamp.registration.on_` + name + `"},` + args + `]`
			}
			old.say(`[64,1,{"invoke":"` + invoke + `"},"com.x"]`)
			old.hear(`[65,1,"$old"]`)
			caller.hear(event("create", `"*"`), event("register", `["*","$old"]`))
			caller.say(`[48,2,{},"com.x"]`)
			old.hear(`[68,1,"$old",{}]`)
			heir.say(`[64,1,{},"com.x"]`)
			heir.hear(`[8,64,1,{},"wamp.error.procedure_already_exists",["*"]]`)
			heir.say(`[64,2,{"force_reregister":true},"com.x"]`)
			old.hear(`[67,0,{"registration":"$old","reason":"wamp.error.unregistered"}]`)
			heir.hear(`[65,2,"$new"]`)
			if s.kept["new"] == s.kept["old"] {
				s.Error("it has the same id")
			}
			caller.hear(event("unregister", `["*","$old"]`), event("delete", `["*","$old"]`), event("create", `"*"`), event("register", `["*","$new"]`))
			old.say(`[70,1,{},["still"]]`) // pending calls continue
			caller.hear(`[50,2,{},["still"]]`)
			caller.say(`[48,3,{},"com.x"]`)
			heir.hear(`[68,1,"$new",{}]`)
			old.say(`[66,2,"$old"]`)
			old.hear(`[8,66,2,{},"wamp.error.no_such_registration"]`)
			heir.say(`[64,3,{"force_reregister":true},"com.free"]`)
			heir.hear(`[65,3,"*"]`)
		})
	}
}

// A procedure of an internal session is not revoked by force_reregister.
func TestForceReregisterSparesTheRouter(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		part, p := s.internal(hello), s.join(hello)
		part.say(`[64,1,{},"com.x"]`)
		part.hear(`[65,1,"*"]`)
		p.say(`[64,1,{"force_reregister":true},"com.x"]`)
		p.hear(`[8,64,1,{},` + notAuthorized)
	})
}

// concurrency bounds the calls of a callee at a time; if the policy permits a choice, a free callee is called.
func TestConcurrency(t *testing.T) {
	const full = `{},"crossbar.error.max_concurrency_reached",["*"]]`
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		callee, caller := s.join(helloAll), s.join(helloAll)
		callee.say(`[64,1,{"concurrency":2},"com.x"]`)
		callee.hear(`[65,1,"$reg"]`)
		for i := 1; i <= 2; i++ {
			caller.say(fmt.Sprintf(`[48,%d,{},"com.x"]`, i))
			callee.hear(fmt.Sprintf(`[68,%d,"$reg",{}]`, i))
		}
		caller.say(`[48,3,{},"com.x"]`)
		caller.hear(`[8,48,3,` + full)
		callee.say(`[70,1,{"progress":true}]`) // has not ended
		caller.say(`[48,4,{},"com.x"]`)
		caller.hear(`[8,48,4,` + full)
		for i, end := range []struct {
			who *peer
			say string
		}{
			{callee, `[70,1,{}]`}, {callee, `[8,68,2,{},"com.error"]`}, {caller, `[49,6,{"mode":"killnowait"}]`},
		} {
			end.who.say(end.say)
			if end.who == caller {
				callee.hear(`[69,4,{"mode":"killnowait"}]`)
			}
			<-caller.heard
			caller.say(fmt.Sprintf(`[48,%d,{},"com.x"]`, i+5))
			callee.hear(fmt.Sprintf(`[68,%d,"$reg",{}]`, i+3))
		}
		for i, bad := range []string{`0`, `-1`, `"2"`, `1.5`} {
			callee.say(fmt.Sprintf(`[64,%d,{"concurrency":%s},"com.y"]`, i+2, bad))
			callee.hear(fmt.Sprintf(`[8,64,%d,{},"wamp.error.invalid_argument","*"]`, i+2))
		}
	})
	for _, invoke := range []string{"roundrobin", "random"} {
		tell(t, Options{}, RealmOptions{}, func(s *story) {
			one, two, caller := s.join(hello), s.join(hello), s.join(hello)
			for _, callee := range []*peer{one, two} {
				callee.say(`[64,1,{"concurrency":2,"invoke":"` + invoke + `"},"com.x"]`)
				callee.hear(`[65,1,"$reg"]`)
			}
			for i := 1; i <= 4; i++ {
				caller.say(fmt.Sprintf(`[48,%d,{},"com.x"]`, i))
			}
			for i := 1; i <= 2; i++ {
				one.hear(fmt.Sprintf(`[68,%d,"$reg",{}]`, i))
				two.hear(fmt.Sprintf(`[68,%d,"$reg",{}]`, i))
			}
			caller.say(`[48,5,{},"com.x"]`)
			caller.hear(`[8,48,5,` + full)
			two.say(`[70,1,{}]`)
			caller.hear(`[50,"*",{}]`)
			for i := 6; i <= 7; i++ { // whatever the turn, the free one is called
				caller.say(fmt.Sprintf(`[48,%d,{},"com.x"]`, i))
				two.hear(fmt.Sprintf(`[68,%d,"$reg",{}]`, i-3))
				two.say(fmt.Sprintf(`[70,%d,{}]`, i-3))
				caller.hear(fmt.Sprintf(`[50,%d,{}]`, i))
			}
			one.conn.Close()
			caller.hear(`[8,48,"*",{},"wamp.error.canceled","*"]`, `[8,48,"*",{},"wamp.error.canceled","*"]`)
		})
	}
}
