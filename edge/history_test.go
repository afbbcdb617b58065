package edge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"runnel/edge/auth"
	"runnel/edge/codec"
	"runnel/edge/store"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// withHistory is the open realm with rules.
func withHistory(rules ...HistoryRule) RealmOptions {
	realm := openRealm()
	realm.History = rules
	return realm
}

var comRule = HistoryRule{URI: "com.", Match: wamp.Prefix}

// findsHistory asks for the id of a history's subscription and keeps it under the name.
func (p *peer) findsHistory(name, uri string, match wamp.Match) {
	p.Helper()
	p.say(fmt.Sprintf(`[48,90,{},"wamp.subscription.lookup",[%q,{"match":%q}]]`, uri, match))
	p.hear(fmt.Sprintf(`[50,90,{},["$%s"]]`, name))
}

// past asks for events of the subscription "$sub" with keyword arguments and compares the first argument of each.
func (p *peer) past(kwargs string, want ...string) {
	p.Helper()
	p.say(`[48,91,{},"wamp.subscription.get_events",["$sub"],` + kwargs + `]`)
	if len(want) == 0 {
		p.hear(`[50,91,{}]`)
		return
	}
	var events []string
	for _, w := range want {
		events = append(events, `{"timestamp":"*","subscription":"$sub","publication":"*","details":"*","args":["`+w+`"],"kwargs":{}}`)
	}
	p.hear(`[50,91,{},[` + strings.Join(events, ",") + `]]`)
}

func TestHistory(t *testing.T) {
	for _, one := range wamp.Serializers {
		for _, other := range wamp.Serializers {
			t.Run(one.String()+" to "+other.String(), func(t *testing.T) {
				rules := []HistoryRule{{URI: "com.a"}, {URI: "com.", Match: wamp.Prefix}, {URI: "com..b", Match: wamp.Wildcard}}
				tell(t, Options{}, withHistory(rules...), func(s *story) {
					pub, p := s.joinAs(memory.Options{Serializer: one}, helloAll), s.joinAs(memory.Options{Serializer: other}, helloAll)
					pub.say(`[16,1,{"acknowledge":true,"disclose_me":true},"com.a",[1,"\u0000AQID",18446744073709551615],{"k":{"n":null}}]`)
					pub.hear(`[17,1,"$first"]`)
					time.Sleep(1234567 * time.Microsecond)
					pub.say(`[16,2,{"acknowledge":true},"com.x.b"]`)
					pub.hear(`[17,2,"$second"]`)
					pub.say(`[16,3,{"acknowledge":true,"ppt_scheme":"mqtt"},"com.a",["\u0000AQID"]]`)
					pub.hear(`[17,3,"$third"]`)
					p.findsHistory("exact", "com.a", wamp.Exact)
					p.findsHistory("prefix", "com.", wamp.Prefix)
					p.findsHistory("wildcard", "com..b", wamp.Wildcard)
					event := func(sub, at, publication, details, payload string) string {
						return fmt.Sprintf(`{"timestamp":"2000-01-01T00:00:%sZ","subscription":"$%s","publication":"$%s","details":%s,%s}`,
							at, sub, publication, details, payload)
					}
					who := `"publisher":"*","publisher_authid":"*","publisher_authrole":"all"`
					payload, none := `"args":[1,"\u0000AQID",18446744073709551615],"kwargs":{"k":{"n":null}}`, `"args":[],"kwargs":{}`
					passed := `"args":["\u0000AQID"],"kwargs":{}`
					p.say(`[48,1,{},"wamp.subscription.get_events",["$exact"]]`)
					p.hear(`[50,1,{},[` + event("exact", "00.000", "first", `{`+who+`}`, payload) + `,` +
						event("exact", "01.234", "third", `{"ppt_scheme":"mqtt"}`, passed) + `]]`)
					p.say(`[48,2,{},"wamp.subscription.get_events",["$prefix"]]`)
					p.hear(`[50,2,{},[` + event("prefix", "00.000", "first", `{"topic":"com.a",`+who+`}`, payload) + `,` +
						event("prefix", "01.234", "second", `{"topic":"com.x.b"}`, none) + `,` +
						event("prefix", "01.234", "third", `{"topic":"com.a","ppt_scheme":"mqtt"}`, passed) + `]]`)
					p.say(`[48,3,{},"wamp.subscription.get_events",["$wildcard"]]`)
					p.hear(`[50,3,{},[` + event("wildcard", "01.234", "second", `{"topic":"com.x.b"}`, none) + `]]`)
				})
			})
		}
	}
}

// Every argument of the specification, alone and together.
func TestHistoryArguments(t *testing.T) {
	tell(t, Options{}, withHistory(comRule), func(s *story) {
		pub, p := s.join(hello), s.join(hello)
		for i, name := range []string{"a", "b", "c", "d", "e"} { // one a second; topics com.x and com.y in turn
			pub.say(fmt.Sprintf(`[16,1,{"acknowledge":true},"com.%c",[%q]]`, 'x'+i%2, name))
			pub.hear(fmt.Sprintf(`[17,1,"$%s"]`, name))
			time.Sleep(time.Second)
		}
		p.findsHistory("sub", "com.", wamp.Prefix)
		for _, c := range []struct{ kwargs, want string }{
			{`{}`, "abcde"},
			{`{"reverse":false}`, "abcde"},
			{`{"reverse":true}`, "edcba"},
			{`{"limit":2}`, "ab"},
			{`{"limit":5}`, "abcde"},
			{`{"limit":18446744073709551615}`, "abcde"},
			{`{"limit":2,"reverse":true}`, "ed"},
			{`{"from_time":"2000-01-01T00:00:02Z"}`, "cde"},
			{`{"after_time":"2000-01-01T00:00:02Z"}`, "de"},
			{`{"before_time":"2000-01-01T00:00:02Z"}`, "ab"},
			{`{"until_time":"2000-01-01T00:00:02Z"}`, "abc"},
			{`{"from_time":"2000-01-01T00:00:02.001Z"}`, "de"},
			{`{"until_time":"2000-01-01T00:00:01.999999999Z"}`, "ab"},
			{`{"from_time":"2000-01-01T02:00:02+02:00"}`, "cde"},
			{`{"after_time":"1999-12-31T18:30:02.000-05:30"}`, "de"},
			{`{"from_time":"2000-01-01t00:00:02z"}`, "cde"},
			{`{"from_time":"2000-01-01T00:00:01Z","before_time":"2000-01-01T00:00:03Z"}`, "bc"},
			{`{"from_time":"2100-01-01T00:00:00Z"}`, ""},
			{`{"topic":"com.x"}`, "ace"},
			{`{"topic":"com.y"}`, "bd"},
			{`{"topic":"com.z"}`, ""},
			{`{"from_publication":"$c"}`, "cde"},
			{`{"after_publication":"$c"}`, "de"},
			{`{"before_publication":"$c"}`, "ab"},
			{`{"until_publication":"$c"}`, "abc"},
			{`{"after_publication":"$b","before_publication":"$e"}`, "cd"},
			{`{"after_publication":"$d","before_publication":"$b"}`, ""},
			{`{"after_publication":"$a","limit":2}`, "bc"}, // pages forwards
			{`{"after_publication":"$c","limit":2}`, "de"},
			{`{"after_publication":"$e","limit":2}`, ""},
			{`{"before_publication":"$d","limit":2,"reverse":true}`, "cb"}, // and backwards
			{`{"after_publication":"$b","topic":"com.x"}`, "ce"},           // the event that marks the place need not be of the topic
			{`{"from_publication":1}`, ""},                                 // was none
			{`{"before_publication":1}`, ""},
			{`{"topic":"com.x","limit":1,"reverse":true,"until_time":"2000-01-01T00:00:03Z","from_publication":"$b"}`, "c"},
			{`{"reverse":null,"limit":null,"topic":null,"from_time":null,"after_publication":null,"unknown":1}`, "abcde"},
		} {
			p.past(c.kwargs, strings.Split(c.want, "")...)
		}
	})
}

func TestHistoryArgumentTypes(t *testing.T) {
	tell(t, Options{}, withHistory(comRule), func(s *story) {
		p := s.join(hello)
		p.findsHistory("sub", "com.", wamp.Prefix)
		wrong := map[string][]string{"reverse": {`1`, `"true"`}, "limit": {`0`, `-1`, `1.0`, `"2"`, `true`}, "topic": {`1`, `""`, `"com..x"`, `["com.x"]`}}
		for _, relation := range []string{"from", "after", "before", "until"} {
			wrong[relation+"_time"] = []string{`946684800`, `""`, `"2000-01-01"`, `"2000-01-01T00:00:00"`, `"2000-13-01T00:00:00Z"`, `"yesterday"`}
			wrong[relation+"_publication"] = []string{`0`, `-1`, `1.5`, `"1"`, `9007199254740993`, `true`}
		}
		for key, values := range wrong {
			for _, value := range values {
				p.say(`[48,1,{},"wamp.subscription.get_events",["$sub"],{"` + key + `":` + value + `}]`)
				got := <-p.heard
				if !strings.Contains(got, "wamp.error.invalid_argument") || !strings.Contains(got, key) {
					t.Errorf("%s %s: heard %s", key, value, got)
				}
			}
		}
		for args, answer := range map[string]string{
			``:            `[8,48,1,{},"wamp.error.invalid_argument",["*"]]`,
			`,["x"]`:      `[8,48,1,{},"wamp.error.invalid_argument",["*"]]`,
			`,[5]`:        `[8,48,1,{},"wamp.error.no_such_subscription"]`,
			`,["$sub",1]`: `[50,1,{}]`,
		} {
			p.say(`[48,1,{},"wamp.subscription.get_events"` + args + `]`)
			p.hear(answer)
		}
	})
}

// A subscription without a history has no events.
func TestWithoutHistory(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		pub, p := s.join(hello), s.join(hello)
		p.say(`[32,1,{},"com.a"]`)
		p.hear(`[33,1,"$sub"]`)
		pub.say(`[16,1,{},"com.a",["x"]]`)
		p.hear(`[36,"$sub","*",{},["x"]]`)
		p.past(`{}`)
		p.say(`[48,1,{},"wamp.subscription.get_events",["$sub"],{"limit":0}]`)
		p.hear(`[8,48,1,{},"wamp.error.invalid_argument",["*"]]`)
	})
}

func TestHistoryIsAnnounced(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.connect(memory.Options{})
		p.say(hello)
		if welcome := <-p.heard; !strings.Contains(welcome, `"event_history":true`) {
			t.Errorf("heard %s", welcome)
		}
	})
}

// The subscription of a rule exists before the first subscriber and after the last one.
func TestHistoryWithoutSubscribers(t *testing.T) {
	tell(t, Options{}, withHistory(HistoryRule{URI: "com.a"}), func(s *story) {
		pub, p, watcher := s.join(hello), s.join(hello), s.join(hello)
		watcher.say(`[32,1,{"match":"prefix"},"wamp.subscription."]`)
		watcher.hear(`[33,1,"$meta"]`)
		p.say(`[48,1,{},"wamp.subscription.list"]`)
		p.hear(`[50,1,{},[{"exact":["$sub"],"prefix":["$meta"],"wildcard":[]}]]`)
		p.findsHistory("sub", "com.a", wamp.Exact)
		p.say(`[48,2,{},"wamp.subscription.get",["$sub"]]`)
		p.hear(`[50,2,{},[{"id":"$sub","created":"*","uri":"com.a","match":"exact"}]]`)
		p.say(`[48,3,{},"wamp.subscription.count_subscribers",["$sub"]]`)
		p.hear(`[50,3,{},[0]]`)
		pub.say(`[16,1,{"acknowledge":true},"com.a",["1"]]`)
		pub.hear(`[17,1,"*"]`)
		p.say(`[32,4,{},"com.a"]`)
		p.hear(`[33,4,"$sub"]`)
		pub.say(`[16,2,{},"com.a",["2"]]`)
		p.hear(`[36,"$sub","*",{},["2"]]`)
		p.say(`[34,5,"$sub"]`)
		p.hear(`[35,5]`)
		pub.say(`[16,3,{"acknowledge":true},"com.a",["3"]]`)
		pub.hear(`[17,3,"*"]`)
		p.past(`{}`, "1", "2", "3")
		watcher.hear(`[36,"$meta","*",{"topic":"wamp.subscription.on_subscribe"},["*","$sub"]]`,
			`[36,"$meta","*",{"topic":"wamp.subscription.on_unsubscribe"},["*","$sub"]]`)
		watcher.silent() // it is neither created nor deleted
	})
}

func TestHistoryBounds(t *testing.T) {
	publish := func(pub *peer, names ...string) {
		for _, name := range names {
			pub.say(fmt.Sprintf(`[16,1,{"acknowledge":true},"com.a",[%q]]`, name))
			pub.hear(`[17,1,"*"]`)
		}
	}
	with := func(rule HistoryRule, plot func(s *story, pub *peer, h *store.History)) {
		tell(t, Options{}, withHistory(rule), func(s *story) {
			pub := s.join(hello)
			pub.findsHistory("sub", rule.URI, rule.Match)
			plot(s, pub, s.router.realms["realm1"].histories.All()[0])
		})
	}
	with(HistoryRule{URI: "com.a", Events: 3}, func(s *story, pub *peer, h *store.History) {
		publish(pub, "1", "2", "3", "4", "5")
		pub.past(`{}`, "3", "4", "5")
		if h.Bytes() > 3*600 {
			t.Errorf("%d octets are accounted for 3 events", h.Bytes())
		}
	})
	with(HistoryRule{URI: "com.a", Octets: 3000}, func(s *story, pub *peer, h *store.History) {
		long := strings.Repeat("x", 1800)
		publish(pub, "1", "2", "3", "4", long)
		pub.past(`{}`, "4", long)
		publish(pub, strings.Repeat("y", 3000)) // longer than the limit of all events: the stored ones stay
		pub.past(`{}`, "4", long)
		publish(pub, "5", "6", "7", "8", "9")
		pub.past(`{}`, "5", "6", "7", "8", "9")
		if h.Bytes() > 3000 || len(h.All()) != 5 {
			t.Errorf("%d octets, %d events", h.Bytes(), len(h.All()))
		}
	})
	with(HistoryRule{URI: "com.a", Age: time.Minute}, func(s *story, pub *peer, h *store.History) {
		publish(pub, "1")
		time.Sleep(30 * time.Second)
		publish(pub, "2")
		time.Sleep(30 * time.Second)
		pub.past(`{}`, "1", "2")
		time.Sleep(time.Millisecond)
		pub.past(`{}`, "2")
		time.Sleep(time.Minute)
		pub.past(`{}`)
		if h.Bytes() != 0 {
			t.Errorf("%d bytes are left", h.Bytes())
		}
	})
}

// An event for certain sessions is in no history. An event for certain identities is given only to these.
func TestHistoryRights(t *testing.T) {
	realm := withHistory(comRule, HistoryRule{URI: "org.", Match: wamp.Prefix}, HistoryRule{URI: "com.secret.a"})
	realm.Roles = append(realm.Roles, auth.NewRole("guest", []auth.Permission{
		{Match: wamp.Prefix, Allow: auth.Everything}, {URI: "com.secret.", Match: wamp.Prefix}, {URI: "org.", Match: wamp.Prefix, Allow: auth.Publish},
	}), auth.NewRole("deaf", []auth.Permission{{URI: "com.", Match: wamp.Prefix, Allow: auth.Everything}}))
	tell(t, Options{}, realm, func(s *story) {
		pub := s.joinAs(memory.Options{Authid: "pub", Role: "all"}, hello)
		for options, name := range map[string]string{
			`{"exclude":[1]}`: "no", `{"exclude":[]}`: "no", `{"eligible":[1]}`: "no", `{"eligible":[]}`: "no",
			`{"eligible":[1],"eligible_authid":["ann"]}`: "no",
		} {
			pub.say(`[16,1,` + options + `,"com.a",["` + name + `"]]`)
		}
		for i, options := range []string{
			`{}`, `{"exclude_authid":["ann"]}`, `{"exclude_authrole":["guest"]}`, `{"eligible_authid":["ann","eve"]}`,
			`{"eligible_authrole":["all"]}`, `{"eligible_authrole":[]}`, `{"eligible_authid":["ann"],"exclude_authrole":["guest"]}`,
		} {
			pub.say(fmt.Sprintf(`[16,1,%s,"com.a",["%d"]]`, options, i))
		}
		pub.say(`[16,2,{"acknowledge":true},"com.secret.a",["secret"]]`)
		pub.hear(`[17,2,"*"]`)
		pub.findsHistory("sub", "com.", wamp.Prefix)
		pub.findsHistory("org", "org.", wamp.Prefix)
		pub.findsHistory("secret", "com.secret.a", wamp.Exact)
		for _, c := range []struct{ authid, role, want string }{
			{"ann", "all", "0 2 3 4 6 secret"}, {"bob", "all", "0 1 2 4 secret"}, {"ann", "guest", "0 3"}, {"bob", "guest", "0 1"},
		} {
			p := s.joinAs(memory.Options{Authid: c.authid, Role: c.role}, hello)
			p.past(`{}`, strings.Fields(c.want)...)
			if c.role == "guest" {
				for _, sub := range []string{"org", "secret"} {
					p.say(`[48,1,{},"wamp.subscription.get_events",["$` + sub + `"]]`)
					p.hear(`[8,48,1,{},"wamp.error.not_authorized"]`)
				}
			}
		}
		pub.past(`{}`, "0", "1", "2", "4", "secret") // it has them from others' point of view: exclude_me is a matter of sessions
		deaf := s.joinAs(memory.Options{Authid: "deaf", Role: "deaf"}, hello)
		deaf.say(`[48,1,{},"wamp.subscription.get_events",["$sub"]]`) // may subscribe, may not ask
		deaf.hear(`[8,48,1,{},"wamp.error.not_authorized"]`)
	})
}

// A result that is too long is an error that names the remedy.
func TestHistoryTooLong(t *testing.T) {
	tell(t, Options{OutboxBytes: 4000}, withHistory(HistoryRule{URI: "com.a"}), func(s *story) {
		pub := s.join(hello)
		pub.findsHistory("sub", "com.a", wamp.Exact)
		long := strings.Repeat("x", 1000)
		for range 20 {
			pub.say(fmt.Sprintf(`[16,1,{"acknowledge":true},"com.a",[%q]]`, long))
			pub.hear(`[17,1,"*"]`)
		}
		small := s.limited(memory.Options{}, 5000)
		small.listen()
		small.say(hello)
		small.hear(`[2,"*","*"]`)
		for _, p := range []*peer{small, pub} { // by the peer's limit, by the limit of its outbox
			p.say(`[48,1,{},"wamp.subscription.get_events",["$sub"]]`)
			if got := <-p.heard; !strings.Contains(got, "wamp.error.payload_size_exceeded") || !strings.Contains(got, `limit`) {
				t.Errorf("heard %.300s", got)
			}
			p.past(`{"limit":3}`, long, long, long)
		}
		pub.say(fmt.Sprintf(`[16,1,{"acknowledge":true},"com.a",[%q]]`, strings.Repeat("y", 30_000)))
		pub.hear(`[17,1,"*"]`)
		pub.past(`{"limit":1,"reverse":true}`, strings.Repeat("y", 30_000)) // one event is always given, if the peer takes it
		small.say(`[48,1,{},"wamp.subscription.get_events",["$sub"],{"limit":1,"reverse":true}]`)
		small.hear(`[8,48,1,{},"wamp.error.payload_size_exceeded",["*"]]`)
	})
}

// Events are in order of occurrence, whatever the clock showed.
func TestHistoryOrder(t *testing.T) {
	at := func(id wamp.ID, second int) *store.PastEvent {
		return &store.PastEvent{Event: store.Event{ID: id}, At: time.Date(2026, 1, 1, 0, 0, second, 0, time.UTC)}
	}
	all := func() []*store.PastEvent { return []*store.PastEvent{at(1, 10), at(2, 5), at(3, 30), at(4, 6)} } // set back, forward, back
	for want, kwargs := range map[string]map[string]any{
		"[1 2 3 4]": {},
		"[4 3 2 1]": {"reverse": true},
		"[3 4]":     {"after_publication": int64(2)},
		"[1 3]":     {"from_time": "2026-01-01T00:00:10Z"},
		"[2 4]":     {"before_time": "2026-01-01T00:00:10Z"},
	} {
		dict, err := codec.NewDict(wamp.CBOR, kwargs)
		if err != nil {
			t.Fatal(err)
		}
		q, err := (&metaCall{kwargs: dict}).readPastQuery()
		if err != nil {
			t.Fatal(err)
		}
		ids := []wamp.ID{}
		for _, e := range q.Choose(all(), func(*store.PastEvent) bool { return true }) {
			ids = append(ids, e.ID)
		}
		if fmt.Sprint(ids) != want {
			t.Errorf("%v: %v, expected %s", kwargs, ids, want)
		}
	}
}

func TestHistoryRules(t *testing.T) {
	for _, rules := range [][]HistoryRule{
		{{URI: "com..a"}}, {{URI: ""}}, {{URI: "com.a b", Match: wamp.Prefix}}, {{URI: "com.a"}, {URI: "com.a", Events: 3}},
		{{URI: "com.a", Events: -1}}, {{URI: "com.a", Octets: -1}}, {{URI: "com.a", Age: -1}},
	} {
		if err := NewRouter(Options{}).AddRealm(withHistory(rules...)); err == nil {
			t.Errorf("%+v is taken for rules", rules)
		}
	}
	rules := []HistoryRule{{URI: "com.a"}, {URI: "com.a", Match: wamp.Prefix}, {URI: "com..a", Match: wamp.Wildcard}, {URI: "", Match: wamp.Prefix}}
	if err := NewRouter(Options{}).AddRealm(withHistory(rules...)); err != nil {
		t.Error(err)
	}
}

// A query accepts the limit as a positional or a keyword argument.
func TestHistoryLimits(t *testing.T) {
	tell(t, Options{}, withHistory(comRule), func(s *story) {
		p := s.join(helloAll)
		for i := range 3 {
			p.say(fmt.Sprintf(`[16,1,{"acknowledge":true},"com.a",["%d"]]`, i))
			p.hear(`[17,1,"*"]`)
		}
		p.findsHistory("sub", "com.", wamp.Prefix)
		for args, events := range map[string]int{`["$sub",1]`: 1, `["$sub",2]`: 2, `["$sub"],{"limit":2}`: 2, `["$sub",1],{"limit":2}`: 2, `["$sub",null]`: 3} {
			p.say(`[48,2,{},"wamp.subscription.get_events",` + args + `]`)
			m := decode(t, <-p.heard).([]any)
			if len(m) < 4 || len(m[3].([]any)) != events {
				t.Errorf("%s: %v", args, m)
			}
		}
	})
}
