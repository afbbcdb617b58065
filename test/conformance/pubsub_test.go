package conformance

import (
	"fmt"
	"testing"

	"runnel/edge/wamp"
	"runnel/test/stage"
)

func TestPublish(t *testing.T) {
	house.Every(t, "payload", func(s *stage.Scene) {
		pub, sub := s.Join(stage.Simple), s.Join(stage.Simple)
		sub.Say(`[32,7,{},"~.a"]`)
		sub.Hear(`[33,7,"$sub"]`)
		for i, payload := range []string{
			``,
			`,[1]`,
			`,[],{"k":1}`,
			`,[1,"two",[3.5,null,true],"\u0000AQID",18446744073709551615,-9223372036854775808],{"k":{"n":1}}`,
			`,[{"deep":[[[[[[[{}]]]]]]]}],{"":"empty key","é":"ü"}`,
			`,[]`, `,[],{}`, `,[1],{}`, // unchanged, although a peer should not send empty ones
		} {
			pub.Say(fmt.Sprintf(`[16,%d,{},"~.a"%s]`, i+1, payload))
			sub.Hear(`[36,"$sub","*",{}` + payload + `]`)
		}
	})
	house.Every(t, "acknowledged", func(s *stage.Scene) {
		pub, sub := s.Join(stage.Simple), s.Join(stage.Simple)
		sub.Say(`[32,7,{},"~.a"]`)
		sub.Hear(`[33,7,"$sub"]`)
		pub.Say(`[16,1,{"acknowledge":true},"~.a"]`)
		pub.Hear(`[17,1,"$pub"]`)
		sub.Hear(`[36,"$sub","$pub",{}]`)
		pub.Say(`[16,2,{"acknowledge":true},"~.nobody"]`, `[16,3,{"acknowledge":false},"~.a"]`)
		pub.Hear(`[17,2,"*"]`)
		sub.Hear(`[36,"$sub","*",{}]`)
		pub.Silent()
	})
	// Only an acknowledged PUBLISH is ever answered with ERROR.
	for name, c := range map[string]struct{ options, topic, failure string }{
		"bad URI":        {``, "~..a", `"wamp.error.invalid_uri"`},
		"reserved URI":   {``, "wamp.session.on_join", `"wamp.error.invalid_uri"`},
		"not authorized": {``, "closed.a", `"wamp.error.not_authorized"`},
	} {
		house.Every(t, "refused: "+name, func(s *stage.Scene) {
			p := s.Join(stage.Simple)
			p.Say(`[16,1,{` + c.options + `"acknowledge":false},"` + c.topic + `"]`)
			p.Silent()
			p.Say(`[16,2,{` + c.options + `"acknowledge":true},"` + c.topic + `"]`)
			p.Hear(`[8,16,2,{},` + c.failure + `]`)
			p.Silent()
		})
	}
	house.Every(t, "unknown options", func(s *stage.Scene) {
		pub, sub := s.Join(stage.Simple), s.Join(stage.Simple)
		sub.Say(`[32,1,{"future":{"a":[1]},"_own":1,"match":null},"~.a"]`)
		sub.Hear(`[33,1,"$sub"]`)
		pub.Say(`[16,1,{"future":{"a":[1]},"_own":1,"exclude":null},"~.a"]`)
		sub.Hear(`[36,"$sub","*",{}]`)
	})
	// Publication ids are drawn at random from [1, 2^53].
	t.Run("publication ids", func(t *testing.T) {
		s := house.Scene(t, stage.Way{Network: "unix", Serializer: wamp.JSON}, stage.Strict)
		p, quarters, seen := s.Join(stage.Simple), [4]int{}, map[uint64]bool{}
		for i := range 64 {
			p.Say(fmt.Sprintf(`[16,%d,{"acknowledge":true},"~.a"]`, i+1))
			var id uint64
			text, _ := p.Next()
			if _, err := fmt.Sscanf(text, fmt.Sprintf("[17,%d,%%d]", i+1), &id); err != nil || seen[id] {
				t.Fatalf("heard %s", text)
			}
			seen[id] = true
			quarters[min(id>>51, 3)]++
		}
		for i, n := range quarters {
			if n == 0 {
				t.Errorf("no publication id is in quarter %d of the range", i+1)
			}
		}
	})
}

func TestSubscribe(t *testing.T) {
	house.Every(t, "again", func(s *stage.Scene) {
		p, q := s.Join(stage.Simple), s.Join(stage.Simple)
		p.Say(`[32,1,{},"~.a"]`, `[32,2,{"match":"exact"},"~.a"]`, `[32,3,{"match":"prefix"},"~.a"]`)
		p.Hear(`[33,1,"$sub"]`, `[33,2,"$sub"]`, `[33,3,"$prefix"]`)
		q.Say(`[32,1,{},"~.a"]`)
		q.Hear(`[33,1,"$sub"]`) // the subscription is the router's, not the session's
		q.Say(`[16,2,{},"~.a"]`)
		p.HearAnyOrder(`[36,"$sub","$pub",{}]`, `[36,"$prefix","$pub",{"topic":"~.a"}]`)
		p.Silent()
		p.Say(`[34,4,"$sub"]`, `[34,5,"$sub"]`) // once is enough
		p.Hear(`[35,4]`, `[8,34,5,{},"wamp.error.no_such_subscription"]`)
	})
	house.Every(t, "unsubscribe", func(s *stage.Scene) {
		pub, sub, other := s.Join(stage.Simple), s.Join(stage.Simple), s.Join(stage.Simple)
		sub.Say(`[32,1,{},"~.a"]`)
		sub.Hear(`[33,1,"$sub"]`)
		other.Say(`[34,1,"$sub"]`) // not its own
		other.Hear(`[8,34,1,{},"wamp.error.no_such_subscription"]`)
		sub.Say(`[34,2,5]`)
		sub.Hear(`[8,34,2,{},"wamp.error.no_such_subscription"]`)
		sub.Say(`[34,3,"$sub"]`)
		sub.Hear(`[35,3]`)
		pub.Say(`[16,1,{},"~.a"]`)
		sub.Silent()
		sub.Say(`[32,4,{},"~.a"]`)
		sub.Hear(`[33,4,"*"]`)
		pub.Say(`[16,2,{},"~.a"]`)
		sub.Hear(`[36,"*","*",{}]`)
	})
	for name, c := range map[string]struct{ options, topic, failure string }{
		"bad URI":                    {`{}`, "~..a", `"wamp.error.invalid_uri"`},
		"empty URI":                  {`{}`, "", `"wamp.error.invalid_uri"`},
		"not authorized":             {`{}`, "closed.a", `"wamp.error.not_authorized"`},
		"not authorized for pattern": {`{"match":"prefix"}`, "closed.a", `"wamp.error.not_authorized"`},
	} {
		house.Every(t, "refused: "+name, func(s *stage.Scene) {
			p := s.Join(stage.Simple)
			p.Say(`[32,1,` + c.options + `,"` + c.topic + `"]`)
			p.Hear(`[8,32,1,{},` + c.failure + `]`)
		})
	}
}

// SUBSCRIBED precedes the first EVENT, and no EVENT follows UNSUBSCRIBED. Events of one publisher arrive in order, also across
// topics.
func TestEventOrder(t *testing.T) {
	house.Every(t, "per publisher and subscriber", func(s *stage.Scene) {
		pub, sub := s.Join(stage.Simple), s.Join(stage.Simple)
		sub.Say(`[32,1,{},"~.a"]`, `[32,2,{},"~.b"]`)
		sub.Hear(`[33,1,"$a"]`, `[33,2,"$b"]`)
		var all []string
		for i := range 200 {
			all = append(all, fmt.Sprintf(`[16,%d,{},"~.%s",[%d]]`, i+1, []string{"a", "b"}[i*7%3%2], i))
		}
		pub.Say(all...)
		for i := range 200 {
			sub.Hear(fmt.Sprintf(`[36,"$%s","*",{},[%d]]`, []string{"a", "b"}[i*7%3%2], i))
		}
	})
	house.Every(t, "subscribe and unsubscribe under fire", func(s *stage.Scene) {
		pub, sub := s.Join(stage.Simple), s.Join(stage.Simple)
		for round := range 5 {
			subscribe, unsubscribe := 2*round+1, 2*round+2
			sub.Say(fmt.Sprintf(`[32,%d,{},"~.a"]`, subscribe))
			var all []string
			for i := range 50 {
				all = append(all, fmt.Sprintf(`[16,%d,{},"~.a",[%d]]`, round*50+i+1, i))
			}
			pub.Say(all...)
			sub.Hear(fmt.Sprintf(`[33,%d,"$sub%d"]`, subscribe, round))
			sub.Say(fmt.Sprintf(`[34,%d,"$sub%d"]`, unsubscribe, round))
			last := -1
			for {
				got, open := sub.Next()
				if !open {
					s.Fatal("the connection is closed")
				}
				if got == fmt.Sprintf("[35,%d]", unsubscribe) {
					break
				}
				var id, publication, n int
				if _, err := fmt.Sscanf(got, "[36,%d,%d,{},[%d]]", &id, &publication, &n); err != nil || n <= last {
					s.Fatalf("heard %s after event %d", got, last)
				}
				last = n
			}
			sub.Silent()
		}
	})
}

func TestPublisherExclusion(t *testing.T) {
	house.Every(t, "exclude_me", func(s *stage.Scene) {
		p, other := s.Join(stage.Full), s.Join(stage.Simple)
		for _, each := range []*stage.Peer{p, other} {
			each.Say(`[32,1,{},"~.a"]`)
			each.Hear(`[33,1,"$sub"]`)
		}
		p.Say(`[16,2,{},"~.a",["default"]]`, `[16,3,{"exclude_me":true},"~.a",["yes"]]`, `[16,4,{"exclude_me":false},"~.a",["no"]]`)
		p.Hear(`[36,"$sub","*",{},["no"]]`)
		other.Hear(`[36,"$sub","*",{},["default"]]`, `[36,"$sub","*",{},["yes"]]`, `[36,"$sub","*",{},["no"]]`)
		p.Silent()
	})
}

func TestBlackWhiteListing(t *testing.T) {
	for name, c := range map[string]struct{ options, who string }{
		"none":                          {``, "ann bob anonymous"},
		"exclude":                       {`"exclude":["$ann"]`, "bob anonymous"},
		"exclude two":                   {`"exclude":["$ann","$bob"]`, "anonymous"},
		"exclude nobody":                {`"exclude":[]`, "ann bob anonymous"},
		"exclude_authid":                {`"exclude_authid":["ann"]`, "bob anonymous"},
		"exclude_authrole":              {`"exclude_authrole":["guest"]`, "bob"},
		"eligible":                      {`"eligible":["$bob"]`, "bob"},
		"eligible nobody":               {`"eligible":[]`, ""},
		"eligible_authid":               {`"eligible_authid":["ann","bob"]`, "ann bob"},
		"eligible_authid nobody":        {`"eligible_authid":[]`, ""},
		"eligible_authrole":             {`"eligible_authrole":["guest"]`, "ann anonymous"},
		"eligible_authrole nobody":      {`"eligible_authrole":[]`, ""},
		"eligible and authrole":         {`"eligible":["$ann","$bob"],"eligible_authrole":["guest"]`, "ann"},
		"eligible and exclude":          {`"eligible":["$ann","$bob"],"exclude":["$bob"]`, "ann"},
		"authrole and exclude_authid":   {`"eligible_authrole":["guest"],"exclude_authid":["ann"]`, "anonymous"},
		"eligible, but authid is empty": {`"eligible":["$ann"],"eligible_authid":[]`, ""},
		"ids as floats":                 {`"exclude":[5.0],"eligible":[5.0]`, ""},
		"null is not set":               {`"eligible":null,"exclude_authid":null`, "ann bob anonymous"},
		"unknown ones":                  {`"exclude":[5],"exclude_authid":["zoe"],"exclude_authrole":["none"]`, "ann bob anonymous"},
	} {
		house.Every(t, name, func(s *stage.Scene) {
			pub := s.Join(stage.Full)
			all := map[string]*stage.Peer{
				"ann": s.Login("ann", stage.Simple).Named("ann"), "bob": s.Login("bob", stage.Simple).Named("bob"), "anonymous": s.Join(stage.Simple),
			}
			for _, p := range all {
				p.Say(`[32,1,{},"~.a"]`)
				p.Hear(`[33,1,"$sub"]`)
			}
			pub.Say(`[16,1,{`+c.options+`},"~.a"]`, `[16,2,{},"~.a",["end"]]`)
			for name, p := range all {
				if containsWord(c.who, name) {
					p.Hear(`[36,"$sub","*",{}]`)
				}
				p.Hear(`[36,"$sub","*",{},["end"]]`)
			}
		})
	}
	for _, options := range []string{`"exclude":["ann"]`, `"eligible":[0]`, `"eligible_authid":[1]`, `"exclude_authrole":"guest"`, `"eligible":{}`} {
		house.Every(t, "malformed "+options, func(s *stage.Scene) {
			p := s.Join(stage.Full)
			p.Say(`[16,1,{` + options + `},"~.a"]`)
			p.Hear(violated)
			p.Closed()
		})
	}
}

func containsWord(words, word string) bool {
	for {
		var first string
		n, _ := fmt.Sscan(words, &first)
		if n == 0 {
			return false
		}
		if first == word {
			return true
		}
		if len(words) == len(first) {
			return false
		}
		words = words[len(first)+1:]
	}
}

func TestPublisherIdentification(t *testing.T) {
	house.Every(t, "disclose_me", func(s *stage.Scene) {
		pub, sub := s.Login("ann", stage.Full).Named("ann"), s.Join(stage.Full)
		sub.Say(`[32,1,{},"~.a"]`, `[32,2,{"match":"prefix"},"open.~"]`)
		sub.Hear(`[33,1,"$sub"]`, `[33,2,"$open"]`)
		pub.Say(`[16,1,{},"~.a"]`, `[16,2,{"disclose_me":false},"~.a"]`, `[16,3,{"disclose_me":true},"~.a"]`)
		sub.Hear(`[36,"$sub","*",{}]`, `[36,"$sub","*",{}]`,
			`[36,"$sub","*",{"publisher":"$ann","publisher_authid":"ann","publisher_authrole":"guest"}]`)
		pub.Say(`[16,4,{},"open.~.a"]`) // disclosed by the realm's rule
		sub.Hear(`[36,"$open","*",{"topic":"open.~.a","publisher":"$ann","publisher_authid":"ann","publisher_authrole":"guest"}]`)
	})
}

// Each matching subscription gets one EVENT, all with the same publication id. Those of patterns have EVENT.Details.topic.
func TestPatternSubscription(t *testing.T) {
	house.Every(t, "one event each", func(s *stage.Scene) {
		pub, sub := s.Join(stage.Simple), s.Join(stage.Simple)
		sub.Say(`[32,1,{},"~.a.b"]`, `[32,2,{"match":"prefix"},"~.a"]`, `[32,3,{"match":"wildcard"},"~..b"]`, `[32,4,{"match":"prefix"},"~."]`)
		sub.Hear(`[33,1,"$exact"]`, `[33,2,"$prefix"]`, `[33,3,"$wildcard"]`, `[33,4,"$short"]`)
		pub.Say(`[16,1,{},"~.a.b",["x"]]`)
		sub.HearAnyOrder(`[36,"$exact","$pub",{},["x"]]`, `[36,"$prefix","$pub",{"topic":"~.a.b"},["x"]]`,
			`[36,"$wildcard","$pub",{"topic":"~.a.b"},["x"]]`, `[36,"$short","$pub",{"topic":"~.a.b"},["x"]]`)
		sub.Silent()
	})
	for name, c := range map[string]struct {
		match, pattern string
		yes, no        []string
	}{
		"prefix is of characters": {"prefix", "~.topic.emergency", []string{"~.topic.emergency", "~.topic.emergency.1", "~.topic.emergency-low"},
			[]string{"~.topic.emergenc", "~.topic", "~.topic.emergent.cy"}},
		"prefix with a dot":    {"prefix", "~.a.", []string{"~.a.b", "~.a.b.c"}, []string{"~.a", "~.ab"}},
		"prefix of nothing":    {"prefix", "", []string{"~.a"}, nil},
		"wildcard":             {"wildcard", "~..c", []string{"~.b.c", "~.x.c"}, []string{"~.b.c.d", "~.b", "~.b.d"}},
		"wildcard, two":        {"wildcard", "~...d", []string{"~.b.c.d"}, []string{"~.b.d", "~.b.c.e"}},
		"wildcard at the end":  {"wildcard", "~.b.", []string{"~.b.c"}, []string{"~.b", "~.b.c.d"}},
		"wildcard in front":    {"wildcard", ".~", []string{"a.~", "b.~"}, []string{"~", "a.b.~", "~.~.~"}},
		"wildcard without any": {"wildcard", "~.a.b", []string{"~.a.b"}, []string{"~.a.c"}},
	} {
		house.Every(t, name, func(s *stage.Scene) {
			pub, sub := s.Join(stage.Simple), s.Login("eve", stage.Simple) // without permission for meta events
			sub.Say(`[32,1,{"match":"` + c.match + `"},"` + c.pattern + `"]`)
			sub.Hear(`[33,1,"$sub"]`)
			for _, topic := range c.no {
				pub.Say(`[16,1,{},"` + topic + `"]`)
			}
			for _, topic := range c.yes {
				pub.Say(`[16,2,{},"` + topic + `"]`)
				sub.Hear(`[36,"$sub","*",{"topic":"` + topic + `"}]`)
			}
			if c.pattern != "" {
				sub.Silent() // whose own PUBLISH would match ""
			}
		})
	}
	house.Every(t, "unknown policy", func(s *stage.Scene) {
		p := s.Join(stage.Simple)
		p.Say(`[32,1,{"match":"regex"},"~.a"]`)
		p.Hear(violated)
		p.Closed()
	})
}

func TestSubscriberLeaves(t *testing.T) {
	house.Every(t, "the others go on", func(s *stage.Scene) {
		pub, sub, gone := s.Join(stage.Simple), s.Join(stage.Simple), s.Join(stage.Simple)
		for _, p := range []*stage.Peer{sub, gone} {
			p.Say(`[32,1,{},"~.a"]`)
			p.Hear(`[33,1,"$sub"]`)
		}
		gone.Vanish()
		pub.Say(`[16,1,{},"~.a"]`)
		sub.Hear(`[36,"$sub","*",{}]`)
	})
}
