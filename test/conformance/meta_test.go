package conformance

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"runnel/test/stage"
)

func TestSessionMetaEvents(t *testing.T) {
	house.Every(t, "on_join and on_leave", func(s *stage.Scene) {
		watcher := s.Join(stage.Full)
		watcher.Say(`[32,1,{},"wamp.session.on_join"]`, `[32,2,{},"wamp.session.on_leave"]`)
		watcher.Hear(`[33,1,"$join"]`, `[33,2,"$leave"]`)
		ann := s.Login("ann", stage.Simple).Named("ann")
		watcher.Hear(`[36,"$join","*",{},[{"session":"$ann","authid":"ann","authrole":"guest","authmethod":"ticket",
			"authprovider":"static","transport":"*"}]]`)
		bob := s.Login("bob", stage.Simple).Named("bob")
		watcher.Hear(`[36,"$join","*",{},[{"session":"$bob","authid":"bob","authrole":"staff","authmethod":"ticket",
			"authprovider":"static","transport":"*"}]]`)
		ann.Say(`[6,{},"wamp.close.normal"]`)
		ann.Hear(`[6,{},"wamp.close.goodbye_and_out"]`)
		watcher.Hear(`[36,"$leave","*",{},["$ann","ann","guest"]]`)
		bob.Say(`[70,99,{}]`)
		bob.Hear(violated)
		watcher.Hear(`[36,"$leave","*",{},["$bob","bob","staff"]]`)
	})
	house.Every(t, "of a cut connection", func(s *stage.Scene) {
		watcher := s.Join(stage.Full)
		watcher.Say(`[32,1,{},"wamp.session.on_leave"]`)
		watcher.Hear(`[33,1,"$leave"]`)
		p := s.Login("bob", stage.Simple).Named("p")
		p.Cut()
		watcher.Hear(`[36,"$leave","*",{},["$p","bob","staff"]]`)
	})
}

// ask calls a meta procedure and compares the answer from its details on.
func ask(p *stage.Peer, call, answer string) {
	p.Helper()
	p.Say(`[48,7,{},` + call + `]`)
	if strings.HasPrefix(answer, `"wamp.error.`) {
		p.Hear(`[8,48,7,{},` + answer + `]`)
		return
	}
	p.Hear(`[50,7,{}` + answer + `]`)
}

const invalidArgument = `"wamp.error.invalid_argument",["*"]`

// registrations returns the number of registrations in the realm.
func registrations(p *stage.Peer) int {
	p.Helper()
	p.Say(`[48,8,{},"wamp.registration.list"]`)
	got, _ := p.Next()
	if !strings.HasPrefix(got, "[50,8,") {
		p.Fatalf("heard %s", got)
	}
	return strings.Count(got, ",")
}

func TestSessionMetaProcedures(t *testing.T) {
	house.Every(t, "count, list, get", func(s *stage.Scene) {
		p, ann, bob := s.Join(stage.Full).Named("p"), s.Login("ann", stage.Simple).Named("ann"), s.Login("bob", stage.Simple).Named("bob")
		_, _ = ann, bob
		for _, c := range []struct{ call, answer string }{
			{`"wamp.session.count",[["guest"]]`, `,[2]`},
			{`"wamp.session.count",[["staff","guest"]]`, `,[3]`},
			{`"wamp.session.count",[["staff"]]`, `,[1]`},
			{`"wamp.session.count",[[]]`, `,[0]`},
			{`"wamp.session.count",[["nobody"]]`, `,[0]`},
			{`"wamp.session.count",["guest"]`, invalidArgument},
			{`"wamp.session.list",[["staff"]]`, `,[["$bob"]]`},
			{`"wamp.session.list",[["nobody"]]`, `,[[]]`},
			{`"wamp.session.get",["$ann"]`, `,[{"session":"$ann","authid":"ann","authrole":"guest","authmethod":"ticket","authprovider":"static","transport":"*"}]`},
			{`"wamp.session.get",[5]`, `"wamp.error.no_such_session"`},
			{`"wamp.session.get"`, invalidArgument},
			{`"wamp.session.get",["$ann","more"],{"k":1}`, `,["*"]`},
			{`"wamp.session.get",[1.5]`, invalidArgument},
			{`"wamp.session.get",[0]`, invalidArgument},
		} {
			ask(p, c.call, c.answer)
		}
		ask(p, `"wamp.session.count"`, `,["$all"]`)
		if all := fmt.Sprint(s.Names["all"]); all < "3" {
			s.Errorf("the count of all is %s", all)
		}
		ask(p, `"wamp.session.list",[["guest"]]`, `,["$two"]`)
		if two := fmt.Sprint(s.Names["two"]); two != fmt.Sprint([]any{s.Names["p"], s.Names["ann"]}) && two != fmt.Sprint([]any{s.Names["ann"], s.Names["p"]}) {
			s.Errorf("the list is %s", two)
		}
	})
	house.Every(t, "kill", func(s *stage.Scene) {
		p := s.Join(stage.Full).Named("p")
		ann, bob := s.Login("ann", stage.Simple).Named("ann"), s.Login("bob", stage.Simple).Named("bob")
		for _, c := range []struct{ call, answer string }{
			{`"wamp.session.kill",[5]`, `"wamp.error.no_such_session"`},
			{`"wamp.session.kill",["$p"]`, `"wamp.error.no_such_session"`}, // of no other session
			{`"wamp.session.kill",["$ann"],{"reason":"not a uri"}`, `"wamp.error.invalid_uri"`},
			{`"wamp.session.kill",["$ann"],{"reason":""}`, `"wamp.error.invalid_uri"`},
			{`"wamp.session.kill",["$ann"],{"message":7}`, invalidArgument},
			{`"wamp.session.kill"`, invalidArgument},
			{`"wamp.session.kill",["$ann"],{"reason":"com.bye","message":"go"}`, ``},
			{`"wamp.session.kill",["$bob"]`, ``},
		} {
			ask(p, c.call, c.answer)
		}
		ann.Hear(`[6,{"message":"go"},"com.bye"]`)
		ann.Say(`[6,{},"wamp.close.goodbye_and_out"]`)
		ann.Closed()
		bob.Hear(`[6,{},"wamp.close.killed"]`)
		bob.Say(`[6,{},"wamp.close.goodbye_and_out"]`)
		bob.Closed()
		ask(p, `"wamp.session.get",["$ann"]`, `"wamp.error.no_such_session"`)
	})
	for call, answer := range map[string]string{
		`"wamp.session.kill_by_authid",["bob"]`:         `,[["$bob"]]`,
		`"wamp.session.kill_by_authrole",["staff"]`:     `,[1]`,
		`"wamp.session.kill_by_authid",["nobody"]`:      `,[[]]`,
		`"wamp.session.kill_by_authrole",["nobody"]`:    `,[0]`,
		`"wamp.session.kill_by_authid"`:                 invalidArgument,
		`"wamp.session.kill_by_authrole",[["staff"]]`:   invalidArgument,
		`"wamp.session.kill_all",[],{"reason":"a..b"}`:  `"wamp.error.invalid_uri"`,
		`"wamp.session.kill_all",[],{"reason":"com.x"}`: `,["$killed"]`,
	} {
		house.Every(t, call, func(s *stage.Scene) {
			p, bob := s.Join(stage.Full), s.Login("bob", stage.Simple).Named("bob")
			before := registrations(p)
			ask(p, call, answer)
			switch {
			case strings.Contains(call, "com.x"):
				bob.Hear(`[6,{},"com.x"]`)
				if n, err := strconv.Atoi(fmt.Sprint(s.Names["killed"])); err != nil || n < 1 { // and no list
					s.Errorf("kill_all returns %v", s.Names["killed"])
				}
			case answer == `,[["$bob"]]` || answer == `,[1]`:
				bob.Hear(`[6,{},"wamp.close.killed"]`)
			default:
				bob.Silent()
				return
			}
			bob.Say(`[6,{},"wamp.close.goodbye_and_out"]`)
			bob.Closed()
			for registrations(p) != before { // the router's own session was killed with the others, and is reconnecting
				time.Sleep(time.Millisecond)
			}
		})
	}
	for call, answer := range map[string]string{
		`"wamp.session.kill_by_authid",["bob"]`: `,[["$other"]]`, `"wamp.session.kill_by_authrole",["staff"]`: `,[1]`,
	} {
		house.Every(t, "spares the caller: "+call, func(s *stage.Scene) {
			one, other := s.Login("bob", stage.Full), s.Login("bob", stage.Full).Named("other")
			ask(one, call, answer)
			other.Hear(`[6,{},"wamp.close.killed"]`)
			other.Say(`[6,{},"wamp.close.goodbye_and_out"]`)
			other.Closed()
			one.Silent()
		})
	}
}

func TestSubscriptionMetaAPI(t *testing.T) {
	house.Every(t, "events and procedures", func(s *stage.Scene) {
		watcher, p, other := s.Join(stage.Full), s.Join(stage.Full).Named("p"), s.Join(stage.Full).Named("other")
		watcher.Say(`[32,1,{"match":"prefix"},"wamp.subscription."]`)
		watcher.Hear(`[33,1,"$meta"]`)
		another := s.Join(stage.Full) // subscriptions to meta events cause no meta events
		another.Say(`[32,1,{},"wamp.subscription.on_create"]`, `[32,2,{},"wamp.session.on_join"]`)
		another.Hear(`[33,1,"*"]`, `[33,2,"$join"]`)
		another.Say(`[34,3,"$join"]`)
		another.Hear(`[35,3]`)
		event := func(topic, args string) {
			s.Helper()
			watcher.Hear(`[36,"$meta","*",{"topic":"wamp.subscription.` + topic + `"},` + args + `]`)
		}
		p.Say(`[32,1,{"match":"prefix"},"~.a"]`)
		p.Hear(`[33,1,"$sub"]`)
		event("on_create", `["$p",{"id":"$sub","created":"$created","uri":"~.a","match":"prefix"}]`)
		event("on_subscribe", `["$p","$sub"]`)
		other.Say(`[32,1,{"match":"prefix"},"~.a"]`)
		other.Hear(`[33,1,"$sub"]`)
		event("on_subscribe", `["$other","$sub"]`)
		p.Say(`[32,2,{"match":"prefix"},"~.a"]`) // no event
		p.Hear(`[33,2,"$sub"]`)
		checkTime(s, "created")
		for _, c := range []struct{ call, answer string }{
			{`"wamp.subscription.lookup",["~.a",{"match":"prefix"}]`, `,["$sub"]`},
			{`"wamp.subscription.lookup",["~.a"]`, `,[null]`},
			{`"wamp.subscription.lookup",["~.a",{"match":"regex"}]`, invalidArgument},
			{`"wamp.subscription.lookup"`, invalidArgument},
			{`"wamp.subscription.match",["~.a.b"]`, `,[["$sub"]]`},
			{`"wamp.subscription.match",["~.b"]`, `,[null]`},
			{`"wamp.subscription.get",["$sub"]`, `,[{"id":"$sub","created":"$created","uri":"~.a","match":"prefix"}]`},
			{`"wamp.subscription.get",[5]`, `"wamp.error.no_such_subscription"`},
			{`"wamp.subscription.list_subscribers",["$sub"]`, `,[["$p","$other"]]`},
			{`"wamp.subscription.list_subscribers",[5]`, `"wamp.error.no_such_subscription"`},
			{`"wamp.subscription.count_subscribers",["$sub"]`, `,[2]`},
			{`"wamp.subscription.count_subscribers",[5]`, `"wamp.error.no_such_subscription"`},
			{`"wamp.subscription.list"`, `,[{"exact":"*","prefix":"$prefixes","wildcard":"*"}]`},
		} {
			ask(p, c.call, c.answer)
		}
		if list := fmt.Sprint(s.Names["prefixes"]); !strings.Contains(list, fmt.Sprint(s.Names["sub"])) {
			s.Errorf("list of prefixes: %s", list)
		}
		p.Say(`[34,3,"$sub"]`)
		p.Hear(`[35,3]`)
		event("on_unsubscribe", `["$p","$sub"]`)
		other.Vanish() // on_delete is the last event, also for a lost session
		event("on_unsubscribe", `["$other","$sub"]`)
		event("on_delete", `["$other","$sub"]`)
		watcher.Silent()
	})
}

func TestRegistrationMetaAPI(t *testing.T) {
	house.Every(t, "events and procedures", func(s *stage.Scene) {
		watcher, p, other := s.Join(stage.Full), s.Join(stage.Full).Named("p"), s.Join(stage.Full).Named("other")
		watcher.Say(`[32,1,{"match":"prefix"},"wamp.registration."]`)
		watcher.Hear(`[33,1,"$meta"]`)
		event := func(topic, args string) {
			s.Helper()
			watcher.Hear(`[36,"$meta","*",{"topic":"wamp.registration.` + topic + `"},` + args + `]`)
		}
		p.Say(`[64,1,{"invoke":"roundrobin","match":"wildcard"},"~..a"]`)
		p.Hear(`[65,1,"$reg"]`)
		event("on_create", `["$p",{"id":"$reg","created":"$created","uri":"~..a","match":"wildcard","invoke":"roundrobin"}]`)
		event("on_register", `["$p","$reg"]`)
		other.Say(`[64,1,{"invoke":"roundrobin","match":"wildcard"},"~..a"]`)
		other.Hear(`[65,1,"$reg"]`)
		event("on_register", `["$other","$reg"]`)
		checkTime(s, "created")
		for _, c := range []struct{ call, answer string }{
			{`"wamp.registration.lookup",["~..a",{"match":"wildcard"}]`, `,["$reg"]`},
			{`"wamp.registration.lookup",["~..a"]`, `,[null]`},
			{`"wamp.registration.match",["~.x.a"]`, `,["$reg"]`},
			{`"wamp.registration.match",["~.x"]`, `,[null]`},
			{`"wamp.registration.get",["$reg"]`, `,[{"id":"$reg","created":"$created","uri":"~..a","match":"wildcard","invoke":"roundrobin"}]`},
			{`"wamp.registration.get",[5]`, `"wamp.error.no_such_registration"`},
			{`"wamp.registration.list_callees",["$reg"]`, `,[["$p","$other"]]`},
			{`"wamp.registration.list_callees",[5]`, `"wamp.error.no_such_registration"`},
			{`"wamp.registration.count_callees",["$reg"]`, `,[2]`},
			{`"wamp.registration.count_callees",[5]`, `"wamp.error.no_such_registration"`},
			{`"wamp.registration.list"`, `,[{"exact":"*","prefix":"*","wildcard":["$reg"]}]`},
			{`"wamp.registration.match"`, invalidArgument},
		} {
			ask(p, c.call, c.answer)
		}
		p.Say(`[66,3,"$reg"]`)
		p.Hear(`[67,3]`)
		event("on_unregister", `["$p","$reg"]`)
		other.Vanish()
		event("on_unregister", `["$other","$reg"]`)
		event("on_delete", `["$other","$reg"]`)
		watcher.Silent()
	})
	// Two registrations of one URI with two policies are two registrations.
	house.Every(t, "keyed by match", func(s *stage.Scene) {
		p := s.Join(stage.Full)
		p.Say(`[64,1,{},"~.a"]`, `[64,2,{"match":"prefix"},"~.a"]`, `[64,3,{"match":"wildcard"},"~.a"]`)
		p.Hear(`[65,1,"$exact"]`, `[65,2,"$prefix"]`, `[65,3,"$wildcard"]`)
		for _, match := range []string{"exact", "prefix", "wildcard"} {
			ask(p, `"wamp.registration.lookup",["~.a",{"match":"`+match+`"}]`, `,["$`+match+`"]`)
		}
	})
}

// A role without rights to URIs below wamp. gets no events there, whatever its pattern.
func TestMetaAPIIsAuthorized(t *testing.T) {
	house.Every(t, "an outsider", func(s *stage.Scene) {
		eve := s.Login("eve", stage.Full)
		eve.Say(`[48,1,{},"wamp.session.list"]`, `[32,2,{},"wamp.session.on_join"]`, `[32,3,{"match":"prefix"},"wamp."]`,
			`[48,4,{},"wamp.reflection.topic.list"]`, `[48,5,{},"wamp.session.add_testament",["~.a",[],{}]]`)
		eve.Hear(`[8,48,1,{},"wamp.error.not_authorized"]`, `[8,32,2,{},"wamp.error.not_authorized"]`, `[8,32,3,{},"wamp.error.not_authorized"]`,
			`[8,48,4,{},"wamp.error.not_authorized"]`, `[8,48,5,{},"wamp.error.not_authorized"]`)
		eve.Say(`[32,6,{"match":"prefix"},""]`, `[32,7,{"match":"wildcard"},".."]`, `[32,8,{"match":"prefix"},"wamp"]`, `[32,9,{"match":"wildcard"},"wamp.."]`)
		eve.HearOneOf(`[33,6,"$all"]`)
		eve.Hear(`[33,7,"*"]`)
		eve.HearOneOf(`[33,8,"*"]`, `[8,32,8,{},"wamp.error.not_authorized"]`)
		eve.HearOneOf(`[33,9,"*"]`, `[8,32,9,{},"wamp.error.not_authorized"]`)
		other := s.Join(stage.Full)
		other.Say(`[64,1,{},"~.x"]`)
		other.Hear(`[65,1,"*"]`)
		other.Say(`[16,2,{},"~.one.more.component"]`)
		eve.Hear(`[36,"$all","*",{"topic":"~.one.more.component"}]`) // the first meta event that she gets
	})
}

// A client may neither publish nor register under wamp.
func TestReservedURIs(t *testing.T) {
	house.Every(t, "publish and register", func(s *stage.Scene) {
		p := s.Join(stage.Full)
		for _, uri := range []string{"wamp", "wamp.session.on_join", "wamp.my.own"} {
			p.Say(`[16,1,{"acknowledge":true},"`+uri+`"]`, `[64,2,{},"`+uri+`"]`, `[64,3,{"match":"wildcard"},"`+uri+`"]`)
			p.Hear(`[8,16,1,{},"wamp.error.invalid_uri"]`, `[8,64,2,{},"wamp.error.invalid_uri"]`, `[8,64,3,{},"wamp.error.invalid_uri"]`)
		}
		p.Say(`[16,1,{"acknowledge":true},"wampum.a"]`)
		p.Hear(`[17,1,"*"]`)
	})
	// A pattern that reaches under wamp. is no way to answer for the router.
	house.Every(t, "by a pattern", func(s *stage.Scene) {
		p := s.Join(stage.Full)
		p.Say(`[64,1,{"match":"prefix"},""]`, `[64,2,{"match":"wildcard"},".."]`)
		p.Next()
		p.Next()
		ask(p, `"wamp.session.count",[["nobody"]]`, `,[0]`)
	})
}

func TestTestaments(t *testing.T) {
	for name, leave := range map[string]func(*stage.Peer){"GOODBYE": (*stage.Peer).Goodbye, "cut": (*stage.Peer).Vanish, "violation": violate} {
		house.Every(t, name, func(s *stage.Scene) {
			p, watcher := s.Login("ann", stage.Full).Named("ann"), s.Join(stage.Full)
			watcher.Say(`[32,1,{},"~.will"]`)
			watcher.Hear(`[33,1,"$sub"]`)
			for _, call := range []string{
				`["~.will",["one"],{"k":1}]`,
				`["~.will",["flushed"],{}],{"scope":"detached"}`,
				`["~.will",["two","\u0000AQID"],{}],{"publish_options":{"disclose_me":true,"acknowledge":true}}`,
				`["~.will",["not for you"],{}],{"publish_options":{"eligible":[]}}`,
				`["~.will"],{"scope":"destroyed"}`,
			} {
				ask(p, `"wamp.session.add_testament",`+call, ``)
			}
			ask(p, `"wamp.session.flush_testaments",[],{"scope":"detached"}`, ``)
			ask(p, `"wamp.session.add_testament",["~.will",["first"],{}],{"scope":"detached"}`, ``)
			watcher.Silent()
			leave(p)
			watcher.Hear(`[36,"$sub","*",{},["first"]]`, `[36,"$sub","*",{},["one"],{"k":1}]`,
				`[36,"$sub","*",{"publisher":"$ann","publisher_authid":"ann","publisher_authrole":"guest"},["two","\u0000AQID"]]`,
				`[36,"$sub","*",{}]`)
			watcher.Silent()
		})
	}
	house.Every(t, "killed", func(s *stage.Scene) {
		p, watcher := s.Join(stage.Full).Named("p"), s.Join(stage.Full)
		watcher.Say(`[32,1,{},"~.will"]`)
		watcher.Hear(`[33,1,"$sub"]`)
		ask(p, `"wamp.session.add_testament",["~.will",["mine"],{}]`, ``)
		watcher.Say(`[48,2,{},"wamp.session.kill",["$p"]]`)
		watcher.Hear(`[50,2,{}]`)
		p.Hear(`[6,{},"wamp.close.killed"]`)
		p.Say(`[6,{},"wamp.close.goodbye_and_out"]`)
		p.Closed()
		watcher.Hear(`[36,"$sub","*",{},["mine"]]`)
	})
	house.Every(t, "flushed", func(s *stage.Scene) {
		p, watcher := s.Join(stage.Full), s.Join(stage.Full)
		watcher.Say(`[32,1,{},"~.will"]`)
		watcher.Hear(`[33,1,"*"]`)
		ask(p, `"wamp.session.add_testament",["~.will",["one"],{}]`, ``)
		ask(p, `"wamp.session.flush_testaments"`, ``) // destroyed is the default of both
		p.Goodbye()
		watcher.Silent()
	})
	for call, failure := range map[string]string{
		`["~..will",[],{}]`:                            `"wamp.error.invalid_uri"`,
		`["wamp.will",[],{}]`:                          `"wamp.error.invalid_uri"`,
		`["closed.will",[],{}]`:                        `"wamp.error.not_authorized"`,
		`["~.will",{}]`:                                invalidArgument,
		`["~.will"],{"scope":"forever"}`:               invalidArgument,
		`["~.will"],{"publish_options":7}`:             invalidArgument,
		`["~.will"],{"publish_options":{"exclude":7}}`: invalidArgument,
		`[]`: invalidArgument,
	} {
		house.Every(t, "refused: "+call, func(s *stage.Scene) {
			p := s.Join(stage.Full)
			ask(p, `"wamp.session.add_testament",`+call, failure)
		})
	}
}

// violate breaks the protocol.
func violate(p *stage.Peer) {
	p.Say(`[70,99,{}]`)
	p.Hear(violated)
	p.Closed()
}
