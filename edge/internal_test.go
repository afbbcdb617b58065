package edge

import (
	"fmt"
	"testing"

	"runnel/transport/memory"
)

const notAuthorized = `"wamp.error.not_authorized",["*"]]`

// An internal session cannot be killed or revoked, because others rely on it.
func TestInternalSessionsAreNoTargets(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		part := s.internalAs(memory.Options{Authid: "part", Role: "all", Realm: "realm1"}, hello)
		part.say(`[32,1,{"match":"prefix"},"com."]`)
		part.hear(`[33,1,"$s"]`)
		part.say(`[64,2,{},"com.p"]`)
		part.hear(`[65,2,"$r"]`)
		p := s.join(hello)
		p.say(`[48,1,{},"wamp.registration.list_callees",["$r"]]`)
		p.hear(`[50,1,{},[["$part"]]]`)
		for i, call := range []string{
			`"wamp.session.kill",["$part"]`, `"wamp.subscription.remove_subscriber",["$s","$part"]`, `"wamp.registration.remove_callee",["$r","$part"]`,
		} {
			p.say(fmt.Sprintf(`[48,%d,{},%s]`, i+2, call))
			p.hear(fmt.Sprintf(`[8,48,%d,{},%s`, i+2, notAuthorized))
		}
		for i, c := range []struct{ call, answer string }{
			{`"wamp.session.kill_all"`, `[0]`}, {`"wamp.session.kill_by_authrole",["all"]`, `[0]`}, {`"wamp.session.kill_by_authid",["part"]`, `[[]]`},
			{`"wamp.session.count"`, `[1]`},
		} {
			p.say(fmt.Sprintf(`[48,%d,{},%s]`, i+5, c.call))
			p.hear(fmt.Sprintf(`[50,%d,{},%s]`, i+5, c.answer))
		}
		p.say(`[16,9,{},"com.t"]`)
		part.hear(`[36,"$s","*","*"]`)
		part.silent()
	})
}

// Only internal sessions register and publish the router's own URIs, whatever the role allows.
func TestRouterOwnURIs(t *testing.T) {
	tell(t, Options{Reports: []string{"runnel.report"}}, RealmOptions{}, func(s *story) {
		p, part := s.join(hello), s.internal(hello)
		for _, of := range []struct{ match, uri string }{
			{"exact", "runnel.queue.drop"}, {"prefix", "runnel."}, {"prefix", "runnel"}, {"prefix", "r"}, {"prefix", ""},
			{"prefix", "runnel.x"}, {"wildcard", "runnel..drop"},
		} {
			register := fmt.Sprintf(`[64,1,{"match":%q},%q]`, of.match, of.uri)
			p.say(register)
			p.hear(`[8,64,1,{},` + notAuthorized)
			part.say(register)
			part.hear(`[65,1,"*"]`)
		}
		for _, of := range []struct{ match, uri string }{
			{"exact", "runnel"}, {"exact", "runnels.a"}, {"prefix", "runnel_"}, {"prefix", "com."}, {"wildcard", "com..drop"}, {"wildcard", ""}, {"wildcard", ".queue.retry"}, {"wildcard", ".."},
		} {
			p.say(fmt.Sprintf(`[64,2,{"match":%q},%q]`, of.match, of.uri))
			p.hear(`[65,2,"*"]`)
		}
		watcher := s.join(hello)
		watcher.say(`[32,1,{"match":"prefix"},"runnel."]`)
		watcher.hear(`[33,1,"$s"]`)
		p.say(`[16,3,{"acknowledge":true,"retain":true},"runnel.serial.on_state.x",["down"]]`)
		p.hear(`[8,16,3,{},` + notAuthorized)
		p.say(`[16,3,{},"runnel.serial.on_state.x",["down"]]`)
		p.say(`[48,4,{},"wamp.session.add_testament",["runnel.serial.on_state.x",[],{}]]`)
		p.hear(`[8,48,4,{},` + notAuthorized)
		p.say(`[48,5,{},"wamp.reflect.define",["runnel.status","mine"]]`)
		p.hear(`[8,48,5,{},` + notAuthorized)
		watcher.silent()
		p.say(`[16,6,{"acknowledge":true},"runnel.report"]`)
		p.hear(`[17,6,"*"]`)
		watcher.hear(`[36,"$s","*","*"]`)
		part.say(`[16,2,{},"runnel.serial.on_state.x"]`)
		watcher.hear(`[36,"$s","*","*"]`)
	})
}

// Internal sessions join even if other sessions have reached the limit.
func TestInternalSessionsAlwaysJoin(t *testing.T) {
	tell(t, Options{MaxSessions: 1}, RealmOptions{}, func(s *story) {
		s.join(hello)
		p := s.connect(memory.Options{})
		p.hear(`[3,"*","wamp.error.unavailable"]`)
		s.internal(hello).say(`[6,{},"wamp.close.normal"]`)
	})
}

// A role that may forward is another router: it publishes the state of its own node.
func TestForwardersTellOfTheirNode(t *testing.T) {
	tell(t, Options{}, forwarding(), func(s *story) {
		gateway := s.gateway("gw-1")
		gateway.say(`[16,1,{"acknowledge":true},"runnel.serial.on_state.x"]`)
		gateway.hear(`[17,1,"*"]`)
		gateway.say(`[64,2,{},"runnel.status"]`)
		gateway.hear(`[8,64,2,{},` + notAuthorized)
		if s.router.realm([]byte("realm1")).procedures.Len() != 0 {
			s.Error("it is registered")
		}
	})
}

// A wildcard that matches any first component is not called for the router's URIs.
func TestWildcardsDoNotAnswerForTheRouter(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p, caller := s.join(hello), s.join(hello)
		p.say(`[64,1,{"match":"wildcard"},".queue.retry"]`)
		p.hear(`[65,1,"*"]`)
		caller.say(`[48,1,{},"runnel.queue.retry"]`)
		caller.hear(`[8,48,1,{},"wamp.error.no_such_procedure",["*"]]`)
		caller.say(`[48,2,{},"other.queue.retry"]`)
		p.hear(`[68,1,"*",{"procedure":"other.queue.retry"}]`)
	})
}
