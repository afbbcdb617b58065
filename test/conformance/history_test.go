package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"runnel/test/stage"
)

// lookup stores the id of a subscription under a name.
func lookup(p *stage.Peer, name, uri, match string) {
	p.Helper()
	p.Say(fmt.Sprintf(`[48,9001,{},"wamp.subscription.lookup",[%q,{"match":%q}]]`, uri, match))
	p.Hear(fmt.Sprintf(`[50,9001,{},["$%s"]]`, name))
}

// past requests the events of a stored subscription, and compares the first argument of each.
func past(p *stage.Peer, sub, kwargs string, want ...string) {
	p.Helper()
	if kwargs != "" {
		kwargs = "," + kwargs
	}
	p.Say(fmt.Sprintf(`[48,9002,{},"wamp.subscription.get_events",["$%s"],{"topic":"history.~.leaf"%s}]`, sub, kwargs))
	if len(want) == 0 {
		p.Hear(`[50,9002,{}]`)
		return
	}
	var events []string
	for _, w := range want {
		events = append(events, fmt.Sprintf(`{"timestamp":"*","subscription":"$%s","publication":"$%s","details":"*","args":["%s"],"kwargs":{}}`, sub, w, w))
	}
	p.Hear(`[50,9002,{},[` + strings.Join(events, ",") + `]]`)
}

// publishPast publishes events. Each has its name as argument, and its publication id is stored under that name.
func publishPast(p *stage.Peer, options string, names ...string) {
	p.Helper()
	for i, name := range names {
		p.Say(fmt.Sprintf(`[16,%d,{"acknowledge":true%s},"history.~.leaf",[%q]]`, i+1, options, name))
		p.Hear(fmt.Sprintf(`[17,%d,"$%s"]`, i+1, name))
	}
}

func TestEventHistory(t *testing.T) {
	house.Every(t, "shape", func(s *stage.Scene) {
		pub, p := s.Login("ann", stage.Full).Named("ann"), s.Join(stage.Full)
		pub.Say(`[16,1,{"acknowledge":true,"disclose_me":true},"history.~.leaf",[1,"\u0000AQID",18446744073709551615],{"k":{"n":null}}]`)
		pub.Hear(`[17,1,"$first"]`)
		pub.Say(`[16,2,{"acknowledge":true},"history.~.leaf"]`)
		pub.Hear(`[17,2,"$second"]`)
		for _, c := range []struct{ name, uri, match string }{{"prefix", "history.", "prefix"}, {"wildcard", "history..leaf", "wildcard"}} {
			lookup(p, c.name, c.uri, c.match)
			p.Say(fmt.Sprintf(`[48,2,{},"wamp.subscription.get_events",["$%s"],{"topic":"history.~.leaf"}]`, c.name))
			p.Hear(fmt.Sprintf(`[50,2,{},[
				{"timestamp":"*","subscription":"$%[1]s","publication":"$first","details":{"topic":"history.~.leaf","publisher":"$ann","publisher_authid":"ann",
					"publisher_authrole":"guest"},"args":[1,"\u0000AQID",18446744073709551615],"kwargs":{"k":{"n":null}}},
				{"timestamp":"*","subscription":"$%[1]s","publication":"$second","details":{"topic":"history.~.leaf"},"args":[],"kwargs":{}}]]`, c.name))
		}
	})
	house.Every(t, "arguments", func(s *stage.Scene) {
		pub, p := s.Join(stage.Full), s.Join(stage.Full)
		publishPast(pub, "", "a", "b", "c", "d")
		lookup(p, "sub", "history.", "prefix")
		for _, c := range []struct{ kwargs, want string }{
			{``, "abcd"}, {`"reverse":false`, "abcd"}, {`"reverse":true`, "dcba"}, {`"limit":2`, "ab"}, {`"limit":2,"reverse":true`, "dc"}, {`"limit":99`, "abcd"},
			{`"from_publication":"$b"`, "bcd"}, {`"after_publication":"$b"`, "cd"}, {`"before_publication":"$c"`, "ab"}, {`"until_publication":"$c"`, "abc"},
			{`"from_publication":"$b","until_publication":"$c"`, "bc"}, {`"after_publication":"$b","before_publication":"$c"`, ""},
			{`"after_publication":"$a","limit":1`, "b"}, {`"before_publication":"$d","limit":1,"reverse":true`, "c"}, {`"after_publication":"$d"`, ""},
			{`"from_publication":5`, ""}, {`"from_time":"2000-01-01T00:00:00Z"`, "abcd"}, {`"after_time":"2000-01-01T00:00:00+02:00"`, "abcd"},
			{`"before_time":"2000-01-01T00:00:00Z"`, ""}, {`"until_time":"2000-01-01T00:00:00Z"`, ""}, {`"before_time":"9000-01-01T00:00:00Z"`, "abcd"},
			{`"until_time":"9000-01-01T00:00:00.000Z"`, "abcd"}, {`"from_time":"9000-01-01T00:00:00Z"`, ""}, {`"future":[1],"limit":null`, "abcd"},
		} {
			past(p, "sub", c.kwargs, strings.Split(c.want, "")...)
		}
		ask(p, `"wamp.subscription.get_events",["$sub",1],{"topic":"history.~.leaf"}`, `,["*"]`) // limit by position
		ask(p, `"wamp.subscription.get_events",["$sub",1],{"topic":"history.~.leaf","limit":2}`, `,["*","*"]`)
		ask(p, `"wamp.subscription.get_events",["$sub",null],{"topic":"history.~.leaf"}`, `,["*","*","*","*"]`)
		for _, limit := range []string{`0`, `-1`, `"2"`, `[1]`} {
			ask(p, `"wamp.subscription.get_events",["$sub",`+limit+`]`, invalidArgument)
		}
		for _, kwargs := range []string{`"limit":0`, `"limit":-1`, `"limit":"2"`, `"reverse":1`, `"from_time":"yesterday"`, `"until_time":5`,
			`"from_publication":0`, `"after_publication":"x"`, `"topic":7`} {
			p.Say(`[48,1,{},"wamp.subscription.get_events",["$sub"],{` + kwargs + `}]`)
			p.Hear(`[8,48,1,{},"wamp.error.invalid_argument",["*"]]`)
		}
		p.Say(`[48,1,{},"wamp.subscription.get_events",[5]]`, `[48,2,{},"wamp.subscription.get_events"]`)
		p.Hear(`[8,48,1,{},"wamp.error.no_such_subscription"]`, `[8,48,2,{},"wamp.error.invalid_argument",["*"]]`)
	})
	// The time of an event in the result of get_events is inclusive for from and until, and exclusive for after and
	// before.
	house.Every(t, "times", func(s *stage.Scene) {
		pub, p := s.Join(stage.Full), s.Join(stage.Full)
		publishPast(pub, "", "a")
		lookup(p, "sub", "history.", "prefix")
		p.Say(`[48,1,{},"wamp.subscription.get_events",["$sub"],{"topic":"history.~.leaf"}]`)
		p.Hear(`[50,1,{},[{"timestamp":"$at","subscription":"$sub","publication":"$a","details":"*","args":["a"],"kwargs":{}}]]`)
		at, _ := s.Names["at"].(string)
		if when, err := time.Parse(time.RFC3339, at); err != nil || time.Since(when) > time.Hour || time.Until(when) > time.Hour {
			s.Errorf("timestamp %q", at)
		}
		for kwargs, want := range map[string]string{`"from_time":"$at"`: "a", `"after_time":"$at"`: "", `"before_time":"$at"`: "", `"until_time":"$at"`: "a"} {
			past(p, "sub", kwargs, strings.Split(want, "")...)
		}
	})
	// Events are filtered by the caller's identity. Events with lists of session ids are not kept.
	house.Every(t, "rights", func(s *stage.Scene) {
		pub := s.Login("ann", stage.Full).Named("ann")
		publishPast(pub, ``, "all")
		publishPast(pub, `,"eligible_authrole":["staff"]`, "staff")
		publishPast(pub, `,"exclude_authid":["bob"]`, "notbob")
		publishPast(pub, `,"exclude":[]`, "excludes")
		publishPast(pub, `,"eligible":["$ann"]`, "eligible")
		for authid, want := range map[string][]string{"ann": {"all", "notbob"}, "bob": {"all", "staff"}} {
			p := s.Login(authid, stage.Full)
			lookup(p, "sub", "history.", "prefix")
			past(p, "sub", "", want...)
		}
		eve := s.Login("eve", stage.Full)
		eve.Say(`[48,1,{},"wamp.subscription.get_events",["$sub"]]`)
		eve.Hear(`[8,48,1,{},"wamp.error.not_authorized"]`)
	})
	house.Every(t, "rights to a part of a pattern", func(s *stage.Scene) {
		bob, ann := s.Login("bob", stage.Full), s.Login("ann", stage.Full)
		bob.Say(`[16,1,{"acknowledge":true},"history.closed.~",["no"]]`, `[16,2,{"acknowledge":true},"history.~.leaf",["yes"]]`)
		bob.Hear(`[17,1,"$no"]`, `[17,2,"$yes"]`)
		lookup(ann, "sub", "history.", "prefix")
		ann.Say(`[48,3,{},"wamp.subscription.get_events",["$sub"],{"topic":"history.closed.~"}]`)
		ann.Hear(`[50,3,{}]`)
		past(ann, "sub", "", "yes")
		bob.Say(`[48,3,{},"wamp.subscription.get_events",["$sub"],{"topic":"history.closed.~"}]`)
		bob.Hear(`[50,3,{},["*"]]`)
	})
	house.Every(t, "bounded", func(s *stage.Scene) {
		pub, p := s.Join(stage.Full), s.Join(stage.Full)
		for i := range 6 {
			pub.Say(fmt.Sprintf(`[16,1,{},"history.bounded",[%d]]`, i))
		}
		pub.Sync()
		lookup(p, "sub", "history.bounded", "exact")
		p.Say(`[48,1,{},"wamp.subscription.get_events",["$sub"]]`)
		event := func(n int) string {
			return fmt.Sprintf(`{"timestamp":"*","subscription":"$sub","publication":"*","details":{},"args":[%d],"kwargs":{}}`, n)
		}
		p.Hear(`[50,1,{},[` + event(3) + `,` + event(4) + `,` + event(5) + `]]`)
	})
	// The subscription of a history exists without subscribers. Subscribers get the same subscription.
	house.Every(t, "without subscribers", func(s *stage.Scene) {
		p := s.Join(stage.Full)
		lookup(p, "sub", "history.exact", "exact")
		p.Say(`[32,1,{},"history.exact"]`)
		p.Hear(`[33,1,"$sub"]`)
		p.Say(`[34,2,"$sub"]`)
		p.Hear(`[35,2]`)
		lookup(p, "sub", "history.exact", "exact")
		p.Say(`[32,3,{},"~.plain"]`)
		p.Hear(`[33,3,"$plain"]`)
		p.Say(`[48,4,{},"wamp.subscription.get_events",["$plain"]]`) // the history does not keep it
		p.Hear(`[50,4,{}]`)
	})
}
