package conformance

import (
	"fmt"
	"testing"

	"runnel/test/stage"
)

func TestSubscriptionRevocation(t *testing.T) {
	house.Every(t, "told and not told", func(s *stage.Scene) {
		p, admin, simple := s.Join(stage.Full).Named("p"), s.Join(stage.Full), s.Join(stage.Simple).Named("simple")
		for _, each := range []*stage.Peer{p, simple} {
			each.Say(`[32,1,{"match":"prefix"},"~."]`)
			each.Hear(`[33,1,"$sub"]`)
		}
		admin.Say(`[48,1,{},"wamp.subscription.remove_subscriber",["$sub","$p","no longer authorized"]]`)
		admin.Hear(`[50,1,{}]`)
		p.Hear(`[35,0,{"subscription":"$sub","reason":"no longer authorized"}]`)
		admin.Say(`[48,2,{},"wamp.subscription.remove_subscriber",["$sub","$simple"]]`) // has not announced the feature
		admin.Hear(`[50,2,{}]`)
		admin.Say(`[16,3,{},"~.a"]`)
		p.Silent()
		simple.Silent()
		for call, failure := range map[string]string{
			`["$sub","$p"]`: `"wamp.error.no_such_subscription"`, `["$sub",5]`: `"wamp.error.no_such_session"`,
			`["$sub"]`: `"wamp.error.invalid_argument",["*"]`, `[5,"$p"]`: `"wamp.error.no_such_subscription"`,
		} {
			admin.Say(`[48,4,{},"wamp.subscription.remove_subscriber",` + call + `]`)
			admin.Hear(`[8,48,4,{},` + failure + `]`)
		}
		p.Say(`[32,2,{},"~.a"]`) // the session stays open
		p.Hear(`[33,2,"*"]`)
	})
}

// The meta events of a revocation equal those of a session that unsubscribes or unregisters by itself.
func TestRevocationMetaEvents(t *testing.T) {
	house.Every(t, "as if unsubscribed and unregistered", func(s *stage.Scene) {
		p, admin, watcher := s.Join(stage.Full).Named("p"), s.Join(stage.Full), s.Join(stage.Full)
		p.Say(`[32,1,{},"~.a"]`, `[64,2,{},"~.x"]`)
		p.Hear(`[33,1,"$sub"]`, `[65,2,"$reg"]`)
		var subscribe []string
		for i, topic := range []string{"subscription.on_unsubscribe", "subscription.on_delete", "registration.on_unregister", "registration.on_delete"} {
			subscribe = append(subscribe, fmt.Sprintf(`[32,%d,{},"wamp.%s"]`, i+1, topic))
		}
		watcher.Say(subscribe...)
		watcher.Hear(`[33,1,"$unsubscribe"]`, `[33,2,"$unsubscribed"]`, `[33,3,"$unregister"]`, `[33,4,"$unregistered"]`)
		admin.Say(`[48,1,{},"wamp.subscription.remove_subscriber",["$sub","$p"]]`, `[48,2,{},"wamp.registration.remove_callee",["$reg","$p"]]`)
		admin.Hear(`[50,1,{}]`, `[50,2,{}]`)
		p.Hear(`[35,0,{"subscription":"$sub"}]`, `[67,0,{"registration":"$reg"}]`)
		watcher.Hear(`[36,"$unsubscribe","*",{},["$p","$sub"]]`, `[36,"$unsubscribed","*",{},["$p","$sub"]]`,
			`[36,"$unregister","*",{},["$p","$reg"]]`, `[36,"$unregistered","*",{},["$p","$reg"]]`)
		watcher.Silent()
	})
}

func TestRegistrationRevocation(t *testing.T) {
	house.Every(t, "told and not told", func(s *stage.Scene) {
		p, admin, simple := s.Join(stage.Full).Named("p"), s.Join(stage.Full), s.Join(stage.Simple).Named("simple")
		for _, each := range []*stage.Peer{p, simple} {
			each.Say(`[64,1,{"invoke":"first"},"~.x"]`)
			each.Hear(`[65,1,"$reg"]`)
		}
		admin.Say(`[48,1,{},"~.x"]`)
		p.Hear(`[68,1,"$reg",{}]`)
		admin.Say(`[48,2,{},"wamp.registration.remove_callee",["$reg","$p","moving"]]`)
		p.Hear(`[67,0,{"registration":"$reg","reason":"moving"}]`)
		admin.Hear(`[50,2,{}]`)
		p.Say(`[70,1,{},["under way"]]`)
		admin.Hear(`[50,1,{},["under way"]]`)
		admin.Say(`[48,3,{},"~.x"]`)
		simple.Hear(`[68,1,"$reg",{}]`)
		admin.Say(`[48,4,{},"wamp.registration.remove_callee",["$reg","$simple"]]`)
		admin.Hear(`[50,4,{}]`)
		simple.Silent()
		admin.Say(`[48,5,{},"~.x"]`, `[48,6,{},"wamp.registration.remove_callee",["$reg","$p"]]`)
		admin.Hear(`[8,48,5,{},"wamp.error.no_such_procedure",["*"]]`, `[8,48,6,{},"wamp.error.no_such_registration"]`)
	})
}

// The realm's permissions set trust levels. The specification requires them for peers that announce the feature.
func TestTrustLevels(t *testing.T) {
	house.Every(t, "of calls and publications", func(s *stage.Scene) {
		p, q, calls := s.Join(stage.Full), s.Join(stage.Full), 0
		for uri, details := range map[string]string{"trust.low.~": `{"trustlevel":0}`, "trust.high.~": `{"trustlevel":5}`, "~.other": `{}`} {
			q.Say(`[32,1,{},"`+uri+`"]`, `[64,2,{},"`+uri+`"]`)
			q.Hear(`[33,1,"*"]`, `[65,2,"*"]`)
			p.Say(`[16,1,{},"`+uri+`"]`, `[48,2,{"trustlevel":9},"`+uri+`"]`)
			q.Hear(`[36,"*","*",`+details+`]`, `[68,"*","*",`+details+`]`)
			calls++
			q.Say(fmt.Sprintf(`[70,%d,{}]`, calls))
			p.Hear(`[50,2,{}]`)
		}
	})
}

func TestReflection(t *testing.T) {
	house.Every(t, "define, list, describe", func(s *stage.Scene) {
		author, reader, other := s.Join(stage.Full), s.Join(stage.Full), s.Join(stage.Full)
		reader.Say(`[32,1,{},"wamp.reflect.on_define"]`, `[32,2,{},"wamp.reflect.on_undefine"]`)
		reader.Hear(`[33,1,"$define"]`, `[33,2,"$undefine"]`)
		author.Say(`[64,1,{},"~.plain"]`)
		author.Hear(`[65,1,"*"]`)
		author.Say(`[48,2,{},"wamp.reflect.define",["~.add",{"doc":"adds","\u00e9":"\u0000AQID"}]]`,
			`[48,3,{},"wamp.reflect.define",["~.topic","text"],{"kind":"topic"}]`, `[48,4,{},"wamp.reflect.define",["~.oops","text"],{"kind":"error"}]`)
		author.Hear(`[50,2,{}]`, `[50,3,{}]`, `[50,4,{}]`)
		reader.Hear(`[36,"$define","*",{},["~.add","procedure",{"doc":"adds","é":"\u0000AQID"}]]`,
			`[36,"$define","*",{},["~.topic","topic","text"]]`, `[36,"$define","*",{},["~.oops","error","text"]]`)
		for _, c := range []struct{ call, answer string }{
			{`"wamp.reflect.describe",["~.add"]`, `[{"doc":"adds","é":"\u0000AQID"}]`},
			{`"wamp.reflection.procedure.describe",["~.add"]`, `[{"doc":"adds","é":"\u0000AQID"}]`},
			{`"wamp.reflection.topic.describe",["~.add"]`, `[null]`},
			{`"wamp.reflection.topic.describe",["~.topic"]`, `["text"]`},
			{`"wamp.reflection.error.describe",["~.oops"]`, `["text"]`},
			{`"wamp.reflect.describe",["~.nothing"]`, `[null]`},
			{`"wamp.reflection.error.list"`, `[["~.oops"]]`},
		} {
			other.Say(`[48,1,{},` + c.call + `]`)
			other.Hear(`[50,1,{},` + c.answer + `]`)
		}
		for call, failure := range map[string]string{
			`["~.add","mine"]`: `"wamp.error.not_authorized",["*"]`, `["wamp.add","mine"]`: `"wamp.error.invalid_uri"`,
			`["~.b","mine"],{"kind":"planet"}`: `"wamp.error.invalid_argument",["*"]`, `["closed.a","mine"]`: `"wamp.error.not_authorized"`,
			`["~.b"]`: `"wamp.error.invalid_argument",["*"]`,
		} {
			other.Say(`[48,1,{},"wamp.reflect.define",` + call + `]`)
			other.Hear(`[8,48,1,{},` + failure + `]`)
		}
		author.Say(`[48,5,{},"wamp.reflect.define",["~.add",null]]`)
		author.Hear(`[50,5,{}]`)
		reader.Hear(`[36,"$undefine","*",{},["~.add","procedure"]]`)
		author.Goodbye() // a description goes with who made it
		reader.HearAnyOrder(`[36,"$undefine","*",{},["~.topic","topic"]]`, `[36,"$undefine","*",{},["~.oops","error"]]`)
		other.Say(`[48,2,{},"wamp.reflect.describe",["~.topic"]]`)
		other.Hear(`[50,2,{},[null]]`)
	})
}
