package edge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

func TestSessionMetaEvents(t *testing.T) {
	each(t, func(s *story, watcher, _ *peer) {
		watcher.say(`[32,1,{},"wamp.session.on_join"]`)
		watcher.say(`[32,2,{},"wamp.session.on_leave"]`)
		watcher.hear(`[33,1,"$join"]`, `[33,2,"$leave"]`)
		p := s.connect(memory.Options{Authid: "ann", Role: "all"})
		p.say(hello)
		p.hear(`[2,"$ann","*"]`)
		watcher.hear(`[36,"$join","*",{},[{"session":"$ann","authid":"ann","authrole":"all","authmethod":"transport",
			"authprovider":"static","transport":"*"}]]`)
		p.conn.Close()
		watcher.hear(`[36,"$leave","*",{},["$ann","ann","all"]]`)
	})
}

func TestSessionMetaProcedures(t *testing.T) {
	each(t, func(s *story, caller, _ *peer) {
		p := s.connect(memory.Options{Authid: "ann", Role: "all"})
		p.say(hello)
		p.hear(`[2,"$ann","*"]`)
		for _, c := range []struct{ call, answer string }{
			{`[48,7,{},"wamp.session.count"]`, `[50,7,{},[3]]`},
			{`[48,7,{},"wamp.session.count",[["all"]]]`, `[50,7,{},[3]]`},
			{`[48,7,{},"wamp.session.count",[["nobody"]]]`, `[50,7,{},[0]]`},
			{`[48,7,{},"wamp.session.count",["all"]]`, `[8,48,7,{},"wamp.error.invalid_argument",["*"]]`},
			{`[48,7,{},"wamp.session.list",[["all"]]]`, `[50,7,{},[["*","*","*"]]]`},
			{`[48,7,{},"wamp.session.get",["$ann"]]`, `[50,7,{},[{"session":"$ann","authid":"ann","authrole":"all",
				"authmethod":"transport","authprovider":"static","transport":"*"}]]`},
			{`[48,7,{},"wamp.session.get",[5]]`, `[8,48,7,{},"wamp.error.no_such_session"]`},
			{`[48,7,{},"wamp.session.get"]`, `[8,48,7,{},"wamp.error.invalid_argument",["*"]]`},
			{`[48,7,{},"wamp.session.fly"]`, `[8,48,7,{},"wamp.error.no_such_procedure",["*"]]`},
			{`[48,7,{},"wamp.session.kill",[5]]`, `[8,48,7,{},"wamp.error.no_such_session"]`},
			{`[48,7,{},"wamp.session.kill",["$ann"],{"reason":"not a uri"}]`, `[8,48,7,{},"wamp.error.invalid_uri"]`},
			{`[48,7,{},"wamp.session.kill",["$ann"],{"reason":"com.bye","message":"go"}]`, `[50,7,{}]`},
		} {
			caller.say(c.call)
			caller.hear(c.answer)
		}
		p.hear(`[6,{"message":"go"},"com.bye"]`)
		start := time.Now()
		p.closed() // it does not answer, but it is closed
		if time.Since(start) != 2*time.Second {
			t.Errorf("closed after %v", time.Since(start))
		}
	})
}

func TestKill(t *testing.T) {
	for _, c := range []struct{ call, answer string }{
		{`"wamp.session.kill_by_authid",["ann"]`, `[["$ann"]]`},
		{`"wamp.session.kill_by_authrole",["guest"]`, `[1]`},
		{`"wamp.session.kill_all"`, `[1]`},
	} {
		realm := openRealm()
		realm.Roles = append(realm.Roles, auth.NewRole("guest", nil))
		tell(t, Options{}, realm, func(s *story) {
			caller, ann := s.join(hello), s.connect(memory.Options{Authid: "ann", Role: "guest"})
			ann.say(hello)
			ann.hear(`[2,"$ann","*"]`)
			caller.say(`[48,1,{},` + c.call + `]`)
			caller.hear(`[50,1,{},` + c.answer + `]`)
			ann.hear(`[6,{},"wamp.close.killed"]`)
			ann.say(`[6,{},"wamp.close.goodbye_and_out"]`)
			ann.closed()
		})
	}
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.connect(memory.Options{})
		p.say(hello)
		p.hear(`[2,"$me","*"]`)
		p.say(`[48,1,{},"wamp.session.kill",["$me"]]`)
		p.hear(`[8,48,1,{},"wamp.error.no_such_session"]`)
	})
}

func TestSubscriptionMetaAPI(t *testing.T) {
	each(t, func(s *story, watcher, p *peer) {
		watcher.say(`[32,1,{"match":"prefix"},"wamp.subscription."]`)
		watcher.hear(`[33,1,"$meta"]`) // and no event about itself
		other := s.join(hello)
		event := func(topic, args string) {
			t.Helper()
			watcher.hear(`[36,"$meta","*",{"topic":"wamp.subscription.` + topic + `"},` + args + `]`)
		}
		p.say(`[32,1,{"match":"prefix"},"com.a"]`)
		p.hear(`[33,1,"$sub"]`)
		event("on_create", `["$p",{"id":"$sub","created":"$created","uri":"com.a","match":"prefix"}]`)
		event("on_subscribe", `["$p","$sub"]`)
		other.say(`[32,1,{"match":"prefix"},"com.a"]`)
		other.hear(`[33,1,"$sub"]`)
		event("on_subscribe", `["$other","$sub"]`)
		p.say(`[32,2,{"match":"prefix"},"com.a"]`) // no event
		p.hear(`[33,2,"$sub"]`)
		for _, c := range []struct{ call, answer string }{
			{`"wamp.subscription.list"`, `[50,7,{},[{"exact":[],"prefix":["*","*"],"wildcard":[]}]]`},
			{`"wamp.subscription.lookup",["com.a",{"match":"prefix"}]`, `[50,7,{},["$sub"]]`},
			{`"wamp.subscription.lookup",["com.a"]`, `[50,7,{},[null]]`},
			{`"wamp.subscription.match",["com.a.b"]`, `[50,7,{},[["$sub"]]]`},
			{`"wamp.subscription.match",["org"]`, `[50,7,{},[null]]`},
			{`"wamp.subscription.get",["$sub"]`, `[50,7,{},[{"id":"$sub","created":"$created","uri":"com.a","match":"prefix"}]]`},
			{`"wamp.subscription.get",[5]`, `[8,48,7,{},"wamp.error.no_such_subscription"]`},
			{`"wamp.subscription.list_subscribers",["$sub"]`, `[50,7,{},[["$p","$other"]]]`},
			{`"wamp.subscription.count_subscribers",["$sub"]`, `[50,7,{},[2]]`},
			{`"wamp.subscription.lookup",["com.a",{"match":"regex"}]`, `[8,48,7,{},"wamp.error.invalid_argument",["*"]]`},
		} {
			p.say(`[48,7,{},` + c.call + `]`)
			p.hear(c.answer)
		}
		p.say(`[34,3,"$sub"]`)
		p.hear(`[35,3]`)
		event("on_unsubscribe", `["$p","$sub"]`)
		other.conn.Close()
		event("on_unsubscribe", `["$other","$sub"]`)
		event("on_delete", `["$other","$sub"]`)
		watcher.silent()
	})
}

func TestRegistrationMetaAPI(t *testing.T) {
	each(t, func(s *story, watcher, p *peer) {
		watcher.say(`[32,1,{"match":"prefix"},"wamp.registration."]`)
		watcher.hear(`[33,1,"$meta"]`)
		other := s.join(hello)
		event := func(topic, args string) {
			t.Helper()
			watcher.hear(`[36,"$meta","*",{"topic":"wamp.registration.` + topic + `"},` + args + `]`)
		}
		p.say(`[64,1,{"invoke":"roundrobin","match":"wildcard"},"com..a"]`)
		p.hear(`[65,1,"$reg"]`)
		event("on_create", `["$p",{"id":"$reg","created":"$created","uri":"com..a","match":"wildcard","invoke":"roundrobin"}]`)
		event("on_register", `["$p","$reg"]`)
		other.say(`[64,1,{"invoke":"roundrobin","match":"wildcard"},"com..a"]`)
		other.hear(`[65,1,"$reg"]`)
		event("on_register", `["$other","$reg"]`)
		for _, c := range []struct{ call, answer string }{
			{`"wamp.registration.list"`, `[50,7,{},[{"exact":[],"prefix":[],"wildcard":["$reg"]}]]`},
			{`"wamp.registration.lookup",["com..a",{"match":"wildcard"}]`, `[50,7,{},["$reg"]]`},
			{`"wamp.registration.lookup",["com..a"]`, `[50,7,{},[null]]`},
			{`"wamp.registration.match",["com.x.a"]`, `[50,7,{},["$reg"]]`},
			{`"wamp.registration.match",["org"]`, `[50,7,{},[null]]`},
			{`"wamp.registration.get",["$reg"]`, `[50,7,{},[{"id":"$reg","created":"$created","uri":"com..a","match":"wildcard","invoke":"roundrobin"}]]`},
			{`"wamp.registration.get",[5]`, `[8,48,7,{},"wamp.error.no_such_registration"]`},
			{`"wamp.registration.list_callees",["$reg"]`, `[50,7,{},[["$p","$other"]]]`},
			{`"wamp.registration.count_callees",["$reg"]`, `[50,7,{},[2]]`},
		} {
			p.say(`[48,7,{},` + c.call + `]`)
			p.hear(c.answer)
		}
		p.say(`[66,3,"$reg"]`)
		p.hear(`[67,3]`)
		event("on_unregister", `["$p","$reg"]`)
		other.conn.Close()
		event("on_unregister", `["$other","$reg"]`)
		event("on_delete", `["$other","$reg"]`)
		watcher.silent()
	})
}

// A role without the permission gets no event under wamp., whatever its pattern.
func TestMetaAPIIsAuthorized(t *testing.T) {
	realm := openRealm()
	realm.Roles = append(realm.Roles, auth.NewRole("guest", []auth.Permission{
		{Match: wamp.Prefix, Allow: auth.Everything}, {URI: "wamp.", Match: wamp.Prefix},
	}))
	tell(t, Options{}, realm, func(s *story) {
		guest := s.connect(memory.Options{Authid: "guest", Role: "guest"})
		guest.say(hello)
		guest.hear(`[2,"*","*"]`)
		guest.say(`[48,1,{},"wamp.session.list"]`)
		guest.hear(`[8,48,1,{},"wamp.error.not_authorized"]`)
		guest.say(`[32,2,{},"wamp.session.on_join"]`)
		guest.hear(`[8,32,2,{},"wamp.error.not_authorized"]`)
		guest.say(`[32,3,{"match":"prefix"},""]`)
		guest.say(`[32,4,{"match":"wildcard"},".."]`)
		guest.hear(`[33,3,"*"]`, `[33,4,"*"]`)
		s.join(hello)
		guest.silent()
	})
}

func TestTestaments(t *testing.T) {
	each(t, func(s *story, p, watcher *peer) {
		watcher.say(`[32,1,{},"com.will"]`)
		watcher.hear(`[33,1,"$sub"]`)
		for _, call := range []string{
			`["com.will",["one"],{"k":1}]`,
			`["com.will",["gone"],{}],{"scope":"detached"}`,
			`["com.will",["two","\u0000AQID"],{}],{"publish_options":{"disclose_me":true}}`,
			`["com.will",["not for you"],{}],{"publish_options":{"eligible":[]}}`,
			`["com.will"],{"scope":"destroyed"}`,
		} {
			p.say(`[48,1,{},"wamp.session.add_testament",` + call + `]`)
			p.hear(`[50,1,{}]`)
		}
		p.say(`[48,2,{},"wamp.session.flush_testaments",[],{"scope":"detached"}]`)
		p.hear(`[50,2,{}]`)
		p.say(`[48,1,{},"wamp.session.add_testament",["com.will",["first"],{}],{"scope":"detached"}]`)
		p.hear(`[50,1,{}]`)
		for call, failure := range map[string]string{
			`["com..will",[],{}]`:                            "invalid_uri",
			`["wamp.will",[],{}]`:                            "invalid_uri",
			`["com.will",{}]`:                                "invalid_argument",
			`["com.will"],{"scope":"forever"}`:               "invalid_argument",
			`["com.will"],{"publish_options":7}`:             "invalid_argument",
			`["com.will"],{"publish_options":{"exclude":7}}`: "invalid_argument",
			`[]`: "invalid_argument",
		} {
			p.say(`[48,1,{},"wamp.session.add_testament",` + call + `]`)
			heardFailure(p, failure)
		}
		p.conn.Close()
		watcher.hear(`[36,"$sub","*",{},["first"]]`, `[36,"$sub","*",{},["one"],{"k":1}]`,
			`[36,"$sub","*",{"publisher":"*","publisher_authid":"*","publisher_authrole":"all"},["two","\u0000AQID"]]`,
			`[36,"$sub","*",{}]`)
		watcher.silent()
	})
}

// heardFailure expects an ERROR for CALL 1, with or without a message.
func heardFailure(p *peer, failure string) {
	p.Helper()
	if failure == "invalid_argument" {
		p.hear(`[8,48,1,{},"wamp.error.invalid_argument",["*"]]`)
		return
	}
	p.hear(`[8,48,1,{},"wamp.error.` + failure + `"]`)
}

func TestTestamentsAreBounded(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p, watcher := s.join(hello), s.join(hello)
		watcher.say(`[32,1,{},"com.t"]`)
		watcher.hear(`[33,1,"$s"]`)
		long := strings.Repeat("x", maxTestamentOctets/2)
		add := `[48,1,{},"wamp.session.add_testament",["com.t",["` + long + `"],{}]]`
		p.say(add)
		p.hear(`[50,1,{}]`)
		p.say(add)
		p.hear(`[8,48,1,{},"wamp.error.unavailable","*"]`)
		p.say(`[48,1,{},"wamp.session.flush_testaments"]`)
		p.hear(`[50,1,{}]`)
		p.say(add)
		p.hear(`[50,1,{}]`)
		p.conn.Close()
		watcher.hear(`[36,"$s","*",{},["` + long + `"]]`)

		q := s.join(hello)
		for i := range maxTestaments + 1 {
			q.say(fmt.Sprintf(`[48,1,{},"wamp.session.add_testament",["com.t",[],{}],{"scope":%q}]`, scopes[i%2]))
			if i < maxTestaments {
				q.hear(`[50,1,{}]`)
			} else {
				q.hear(`[8,48,1,{},"wamp.error.unavailable","*"]`)
			}
		}
	})
}

// wamp.registration.get finds any registration, among others of each kind.
func TestRegistrationsAreFound(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.internal(hello)
		var all []string
		for _, match := range []string{"exact", "prefix", "wildcard", "fallback"} {
			for _, name := range []string{"a", "b", "c"} {
				options, uri := fmt.Sprintf(`{"match":%q}`, match), "com."+name+"."
				if match == "fallback" {
					options = `{"match":"prefix","_away":true}`
				}
				p.say(fmt.Sprintf(`[64,%d,%s,%q]`, len(all)+1, options, uri+map[string]string{"exact": "x"}[match]))
				p.hear(fmt.Sprintf(`[65,%d,"$%d"]`, len(all)+1, len(all)+1))
				all = append(all, uri)
			}
		}
		for i := range all {
			p.say(fmt.Sprintf(`[48,%d,{},"wamp.registration.get",["$%d"]]`, len(all)+i+1, i+1))
			p.hear(fmt.Sprintf(`[50,%d,{},["*"]]`, len(all)+i+1))
		}
	})
}
