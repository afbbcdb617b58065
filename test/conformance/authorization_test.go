package conformance

import (
	"testing"

	"runnel/test/stage"
)

func TestAuthorization(t *testing.T) {
	const denied = `"wamp.error.not_authorized"`
	house.Every(t, "the most specific permission decides", func(s *stage.Scene) {
		p := s.Join(stage.Full)
		for uri, allowed := range map[string]bool{"~.a": true, "closed.~": false, "closed.door": true, "closed.door.~": false, "close.~": true} {
			p.Say(`[16,1,{"acknowledge":true},"`+uri+`"]`, `[32,2,{},"`+uri+`"]`, `[48,3,{},"`+uri+`.x"]`)
			if allowed {
				p.Hear(`[17,1,"*"]`, `[33,2,"*"]`)
			} else {
				p.Hear(`[8,16,1,{},`+denied+`]`, `[8,32,2,{},`+denied+`]`)
			}
			if uri == "close.~" || uri == "~.a" {
				p.Hear(`[8,48,3,{},"wamp.error.no_such_procedure",["*"]]`)
			} else {
				p.Hear(`[8,48,3,{},` + denied + `]`)
			}
		}
	})
	// Exact precedes prefix, and prefix precedes wildcard. There is no authorizer for URIs that match none of them.
	house.Every(t, "exact, prefix, wildcard", func(s *stage.Scene) {
		una := s.Login("una", stage.Full)
		for uri, answer := range map[string]string{
			"room.~.door": ``, "room.~.window": denied, "room.~.roof": `"wamp.error.authorization_failed"`, "room.~.door.~": `"wamp.error.authorization_failed"`,
			"room.cellar.window": denied, "room.cellar.~": denied, "room.cellar.door": ``,
		} {
			una.Say(`[16,1,{"acknowledge":true},"` + uri + `"]`)
			if answer == "" {
				una.Hear(`[17,1,"*"]`)
			} else {
				una.Hear(`[8,16,1,{},` + answer + `]`)
			}
		}
		una.Say(`[32,2,{},"room.~.door"]`) // of which it allows to publish only
		una.Hear(`[8,32,2,{},` + denied + `]`)
	})
	// A subscriber of a broad pattern gets only the events that it may receive.
	house.Every(t, "events of a pattern", func(s *stage.Scene) {
		bob, ann := s.Login("bob", stage.Full), s.Login("ann", stage.Full)
		ann.Say(`[32,1,{"match":"wildcard"},".~."]`)
		ann.Hear(`[33,1,"$sub"]`)
		bob.Say(`[16,1,{},"closed.~.a",["no"]]`, `[16,2,{},"public.~.a",["yes"]]`)
		ann.Hear(`[36,"$sub","*",{"topic":"public.~.a"},["yes"]]`)
		ann.Silent()
	})
	house.Every(t, "registration of a pattern", func(s *stage.Scene) {
		p := s.Join(stage.Full)
		p.Say(`[64,1,{"match":"prefix"},"close"]`, `[64,2,{"match":"wildcard"},".~"]`, `[64,3,{"match":"prefix"},"~.closed."]`)
		p.Hear(`[8,64,1,{},`+denied+`]`, `[8,64,2,{},`+denied+`]`, `[65,3,"*"]`)
	})
}

// guard registers the dynamic authorizer and answers its calls.
type guard struct {
	*stage.Peer
	asked string // in names: the request of the invocation that is to be answered
}

func stand(s *stage.Scene, register string) guard {
	s.Helper()
	g := guard{s.Join(stage.Full), "asked"}
	g.Say(register)
	g.Hear(`[65,1,"*"]`)
	return g
}

// answers waits for a call of the authorizer and answers it.
func (g guard) answers(question, answer string) {
	g.Helper()
	delete(g.Names, g.asked)
	g.Hear(`[68,"$asked","*",{},` + question + `]`)
	g.Say(`[70,"$asked",{},[` + answer + `]]`)
}

func TestDynamicAuthorization(t *testing.T) {
	const authorize = `[64,1,{},"stage.authorize"]`
	details := `{"session":"$una","authid":"una","authrole":"watched","authmethod":"ticket","authprovider":"static","realm":"@","transport":"*"}`
	house.Every(t, "allowed and denied", func(s *stage.Scene) {
		una, g := s.Login("una", stage.Full).Named("una"), stand(s, authorize)
		una.Say(`[16,1,{"acknowledge":true},"~.a"]`)
		g.answers(`[`+details+`,"~.a","publish",{"acknowledge":true}]`, `true`)
		una.Hear(`[17,1,"*"]`)
		una.Say(`[32,2,{"match":"prefix"},"~.b"]`)
		g.answers(`[`+details+`,"~.b","subscribe",{"match":"prefix"}]`, `{"allow":true}`)
		una.Hear(`[33,2,"*"]`)
		una.Say(`[48,3,{"timeout":60000},"~.c"]`)
		g.answers(`[`+details+`,"~.c","call",{"timeout":60000}]`, `false`)
		una.Hear(`[8,48,3,{},"wamp.error.not_authorized"]`)
		una.Say(`[64,4,{},"~.d"]`)
		g.answers(`[`+details+`,"~.d","register",{"match":"exact"}]`, `{"allow":false}`)
		una.Hear(`[8,64,4,{},"wamp.error.not_authorized"]`)
		una.Say(`[16,5,{},"~.e"]`) // without acknowledge, a denial has no answer
		g.answers(`[`+details+`,"~.e","publish",{}]`, `false`)
		una.Silent()
	})
	house.Every(t, "not asked", func(s *stage.Scene) { // permissions decide, and answers are kept
		una, g := s.Login("una", stage.Full).Named("una"), stand(s, authorize)
		una.Say(`[16,1,{"acknowledge":true},"free.~"]`, `[16,2,{"acknowledge":true},"shut.~"]`, `[16,3,{"acknowledge":true},"~.a"]`)
		una.Hear(`[17,1,"*"]`, `[8,16,2,{},"wamp.error.not_authorized"]`)
		g.answers(`"*"`, `true`)
		una.Hear(`[17,3,"*"]`)
		una.Say(`[16,4,{"acknowledge":true},"~.a"]`)
		una.Hear(`[17,4,"*"]`)
		g.Silent()
		una.Say(`[16,5,{"acknowledge":true},"~.b"]`)
		g.answers(`"*"`, `{"allow":true,"cache":false}`)
		una.Hear(`[17,5,"*"]`)
		una.Say(`[16,6,{"acknowledge":true},"~.b"]`)
		g.answers(`"*"`, `false`)
		una.Hear(`[8,16,6,{},"wamp.error.not_authorized"]`)
	})
	house.Every(t, "disclosed", func(s *stage.Scene) {
		una, g, sub := s.Login("una", stage.Full).Named("una"), stand(s, authorize), s.Join(stage.Full)
		sub.Say(`[32,1,{},"~.a"]`)
		sub.Hear(`[33,1,"*"]`)
		una.Say(`[16,1,{},"~.a"]`)
		g.answers(`"*"`, `{"allow":true,"disclose":true}`)
		sub.Hear(`[36,"*","*",{"publisher":"$una","publisher_authid":"una","publisher_authrole":"watched"}]`)
	})
	const failed = `[8,48,1,{},"wamp.error.authorization_failed"]`
	house.Every(t, "it is not there", func(s *stage.Scene) {
		una := s.Login("una", stage.Full)
		una.Say(`[48,1,{},"~.x"]`)
		una.Hear(failed)
	})
	for _, answer := range []string{`"yes"`, `1`, `null`, `{"allow":"yes"}`, `{}`} {
		house.Every(t, "it answers "+answer, func(s *stage.Scene) {
			una, g := s.Login("una", stage.Full), stand(s, authorize)
			una.Say(`[48,1,{},"~.x"]`)
			g.answers(`"*"`, answer)
			una.Hear(failed)
		})
	}
	house.Every(t, "it fails", func(s *stage.Scene) {
		una, g := s.Login("una", stage.Full), stand(s, authorize)
		una.Say(`[48,1,{},"~.x"]`)
		g.Hear(`[68,1,"*",{},"*"]`)
		g.Say(`[8,68,1,{},"com.my.error",["oops"]]`)
		una.Hear(failed)
		una.Say(`[48,2,{},"~.x"]`)
		g.Hear(`[68,2,"*",{},"*"]`)
		g.Say(`[8,68,2,{},"wamp.error.not_authorized"]`)
		una.Hear(`[8,48,2,{},"wamp.error.not_authorized"]`)
		una.Say(`[48,1,{},"~.y"]`)
		g.Hear(`[68,3,"*",{},"*"]`)
		g.Vanish()
		una.Hear(failed)
	})
}

func TestDynamicAuthentication(t *testing.T) {
	const authenticate = `[64,1,{},"stage.authenticate"]`
	hello := `[1,"@",{"roles":{"publisher":{}},"authid":"zoe","authmethods":["ticket"],"authextra":{"k":1}}]`
	house.Every(t, "ticket", func(s *stage.Scene) {
		g := stand(s, authenticate)
		p := s.Connect()
		p.Say(hello)
		p.Hear(`[4,"ticket",{}]`)
		p.Say(`[5,"open sesame",{}]`)
		g.answers(`["@","zoe",{"authmethod":"ticket","ticket":"open sesame","authextra":{"k":1},"session":"$id","transport":"*"}]`,
			`{"role":"staff","extra":{"seen":true}}`)
		p.Hear(`[2,"$id",{"agent":"*","realm":"@","_node":"*","_durable":"*","roles":"*","authid":"zoe","authrole":"staff","authmethod":"ticket","authprovider":"dynamic",
			"authextra":{"seen":true}}]`)
	})
	house.Every(t, "wampcra", func(s *stage.Scene) {
		g := stand(s, authenticate)
		p := s.Connect()
		p.Say(`[1,"@",{"roles":{"publisher":{}},"authid":"zoe","authmethods":["wampcra"]}]`)
		g.answers(`["@","zoe",{"authmethod":"wampcra","authextra":{},"session":"*","transport":"*"}]`, `{"role":"staff","secret":"s3"}`)
		answerCRA(p, "s3", "zoe", "undisclosed", "dynamic") // the role is not disclosed before the proof
		p.Hear(`[2,"*","*"]`)
	})
	house.Every(t, "renamed", func(s *stage.Scene) {
		g := stand(s, authenticate)
		p := s.Connect()
		p.Say(hello)
		p.Hear(`[4,"ticket",{}]`)
		p.Say(`[5,"open sesame",{}]`)
		g.answers(`"*"`, `{"role":"staff","authid":"zora"}`)
		p.Hear(`[2,"*",{"agent":"*","realm":"@","_node":"*","_durable":"*","roles":"*","authid":"zora","authrole":"staff","authmethod":"ticket","authprovider":"dynamic"}]`)
	})
	for _, answer := range []string{`false`, `null`, `7`, `""`, `{}`, `{"role":""}`, `{"role":"staff","realm":"other"}`} {
		house.Every(t, "refused by "+answer, func(s *stage.Scene) {
			g := stand(s, authenticate)
			p := s.Connect()
			p.Say(hello)
			p.Hear(`[4,"ticket",{}]`)
			p.Say(`[5,"open sesame",{}]`)
			g.answers(`"*"`, answer)
			p.Hear(`[3,{"message":"*"},"wamp.error.authentication_failed"]`)
			p.Closed()
		})
	}
	house.Every(t, "a role that is not", func(s *stage.Scene) {
		g := stand(s, authenticate)
		p := s.Connect()
		p.Say(hello)
		p.Hear(`[4,"ticket",{}]`)
		p.Say(`[5,"open sesame",{}]`)
		g.answers(`"*"`, `"pilot"`)
		p.Hear(`[3,{"message":"*"},"wamp.error.no_such_role"]`)
		p.Closed()
	})
	house.Every(t, "it is not there", func(s *stage.Scene) {
		p := s.Connect()
		p.Say(hello)
		p.Hear(`[4,"ticket",{}]`)
		p.Say(`[5,"open sesame",{}]`)
		p.Hear(`[3,{"message":"*"},"wamp.error.authentication_failed"]`)
		p.Closed()
	})
}
