package edge

import (
	"fmt"
	"testing"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// each runs a story for every pair of serializers.
func each(t *testing.T, plot func(s *story, a, b *peer)) {
	for _, one := range wamp.Serializers {
		for _, other := range wamp.Serializers {
			t.Run(one.String()+" to "+other.String(), func(t *testing.T) {
				tell(t, Options{}, RealmOptions{}, func(s *story) {
					plot(s, s.joinAs(memory.Options{Serializer: one}, helloAll), s.joinAs(memory.Options{Serializer: other}, helloAll))
				})
			})
		}
	}
}

func TestPublish(t *testing.T) {
	each(t, func(s *story, pub, sub *peer) {
		sub.say(`[32,7,{},"com.a"]`)
		sub.hear(`[33,7,"$sub"]`)
		pub.say(`[16,1,{},"com.a",[1,"two",[3.5,null,true],"\u0000AQID",18446744073709551615,-9223372036854775808],{"k":{"n":1}}]`)
		pub.say(`[16,2,{"acknowledge":true},"com.a"]`)
		pub.hear(`[17,2,"$pub"]`)
		pub.say(`[16,3,{"acknowledge":true},"com.other"]`)
		pub.hear(`[17,3,"*"]`)
		sub.hear(`[36,"$sub","*",{},[1,"two",[3.5,null,true],"\u0000AQID",18446744073709551615,-9223372036854775808],{"k":{"n":1}}]`)
		sub.hear(`[36,"$sub","$pub",{}]`)
		sub.say(`[34,8,"$sub"]`)
		sub.hear(`[35,8]`)
		pub.say(`[16,4,{"acknowledge":true},"com.a"]`)
		pub.hear(`[17,4,"*"]`)
		sub.silent()
		sub.say(`[34,9,"$sub"]`)
		sub.hear(`[8,34,9,{},"wamp.error.no_such_subscription"]`)
	})
}

func TestPublisherExclusion(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		p.say(`[32,1,{},"com.a"]`)
		p.hear(`[33,1,"$sub"]`)
		p.say(`[16,2,{},"com.a",["no"]]`)
		p.say(`[16,3,{"exclude_me":true},"com.a",["no"]]`)
		p.say(`[16,4,{"exclude_me":false},"com.a",["yes"]]`)
		p.hear(`[36,"$sub","*",{},["yes"]]`)
		p.silent()
	})
}

func TestSubscribeAgain(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p, q := s.join(hello), s.join(hello)
		p.say(`[32,1,{},"com.a"]`)
		p.say(`[32,2,{"match":"exact"},"com.a"]`)
		p.hear(`[33,1,"$sub"]`, `[33,2,"$sub"]`)
		q.say(`[16,1,{},"com.a"]`)
		p.hear(`[36,"$sub","*",{}]`)
		p.silent()
	})
}

func TestPatternSubscription(t *testing.T) {
	each(t, func(s *story, pub, sub *peer) {
		sub.say(`[32,1,{},"com.a.b"]`)
		sub.say(`[32,2,{"match":"prefix"},"com.a"]`)
		sub.say(`[32,3,{"match":"wildcard"},"com..b"]`)
		sub.hear(`[33,1,"$exact"]`, `[33,2,"$prefix"]`, `[33,3,"$wildcard"]`)
		pub.say(`[16,1,{},"com.a.b",["x"]]`)
		sub.hear(`[36,"$exact","$pub",{},["x"]]`)
		sub.hear(`[36,"$prefix","$pub",{"topic":"com.a.b"},["x"]]`)
		sub.hear(`[36,"$wildcard","$pub",{"topic":"com.a.b"},["x"]]`)
		pub.say(`[16,2,{},"com.a-low"]`)
		sub.hear(`[36,"$prefix","*",{"topic":"com.a-low"}]`)
		pub.say(`[16,3,{"acknowledge":true},"com.b.a.b"]`)
		pub.hear(`[17,3,"*"]`)
		sub.silent()
	})
}

func TestDisclosedPublisher(t *testing.T) {
	each(t, func(s *story, pub, sub *peer) {
		sub.say(`[32,1,{},"com.a"]`)
		sub.hear(`[33,1,"$sub"]`)
		pub.say(`[16,1,{"disclose_me":true},"com.a"]`)
		sub.hear(`[36,"$sub","*",{"publisher":"*","publisher_authid":"*","publisher_authrole":"all"}]`)
		pub.say(`[16,2,{"disclose_me":false},"com.a"]`)
		sub.hear(`[36,"$sub","*",{}]`)
	})
}

func TestBlackAndWhiteLists(t *testing.T) {
	realm := openRealm()
	realm.Roles = append(realm.Roles, auth.NewRole("guest", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}))
	tell(t, Options{}, realm, func(s *story) {
		pub := s.join(hello)
		ann := s.connect(memory.Options{Authid: "ann", Role: "all"})
		bob := s.connect(memory.Options{Authid: "bob", Role: "guest"})
		for name, p := range map[string]*peer{"ann": ann, "bob": bob} {
			p.say(hello)
			p.hear(`[2,"$` + name + `","*"]`)
			p.say(`[32,1,{},"com.a"]`)
			p.hear(`[33,1,"$sub"]`)
		}
		for _, c := range []struct {
			options  string
			ann, bob bool
		}{
			{`{}`, true, true},
			{`{"exclude":["$ann"]}`, false, true},
			{`{"exclude":[]}`, true, true},
			{`{"exclude_authid":["bob"]}`, true, false},
			{`{"exclude_authrole":["guest","all"]}`, false, false},
			{`{"eligible":["$ann"]}`, true, false},
			{`{"eligible":[]}`, false, false},
			{`{"eligible_authid":["ann","bob"]}`, true, true},
			{`{"eligible_authid":[]}`, false, false},
			{`{"eligible_authrole":["guest"]}`, false, true},
			{`{"eligible_authrole":[]}`, false, false},
			{`{"eligible":["$ann","$bob"],"exclude_authid":["ann"]}`, false, true},
			{`{"eligible_authrole":["guest"],"eligible_authid":["ann"]}`, false, false},
		} {
			pub.say(`[16,1,` + c.options + `,"com.a",["` + fmt.Sprintf("%x", c.options) + `"]]`)
			if c.ann {
				ann.hear(`[36,"$sub","*",{},["` + fmt.Sprintf("%x", c.options) + `"]]`)
			}
			if c.bob {
				bob.hear(`[36,"$sub","*",{},["` + fmt.Sprintf("%x", c.options) + `"]]`)
			}
			ann.silent()
			bob.silent()
		}
	})
}

func TestRefusedPublish(t *testing.T) {
	for _, c := range []struct{ options, topic, failure string }{
		{`{}`, "com..a", "wamp.error.invalid_uri"},
		{`{}`, "", "wamp.error.invalid_uri"},
		{`{}`, "com.a b", "wamp.error.invalid_uri"},
		{`{}`, "wamp.session.on_join", "wamp.error.invalid_uri"},
		{`{}`, "com.secret.a", "wamp.error.not_authorized"},
	} {
		realm := openRealm()
		realm.Roles = []*auth.Role{auth.NewRole("all", []auth.Permission{
			{Match: wamp.Prefix, Allow: auth.Everything}, {URI: "com.secret.", Match: wamp.Prefix},
		})}
		tell(t, Options{}, realm, func(s *story) {
			p := s.join(hello)
			p.say(`[16,1,` + c.options + `,"` + c.topic + `"]`) // not acknowledged: never an ERROR
			p.silent()
			p.say(`[16,2,{"acknowledge":true},"` + c.topic + `"]`)
			p.hear(`[8,16,2,{},"` + c.failure + `"]`)
		})
	}
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		p.say(`[32,3,{},"com..a"]`)
		p.hear(`[8,32,3,{},"wamp.error.invalid_uri"]`)
	})
}

// An option of the wrong type is a violation, as in the specification's test vectors; null is taken as absent.
func TestWrongOptionTypes(t *testing.T) {
	for _, bad := range []string{
		`[16,1,{"exclude_me":1},"com.a"]`, // booleans are not ints
		`[16,1,{"exclude":[1.5]},"com.a"]`,
		`[16,1,{"exclude":[0]},"com.a"]`,
		`[16,1,{"exclude":7},"com.a"]`,
		`[16,1,{"eligible":["x"]},"com.a"]`,
		`[16,1,{"eligible_authid":[1]},"com.a"]`,
		`[32,1,{"match":"regex"},"com.a"]`,
		`[32,1,{"match":1},"com.a"]`,
		`[64,1,{"invoke":1},"com.a"]`,
		`[49,1,{"mode":true}]`,
	} {
		t.Run(bad, func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				p := s.joinAs(memory.Options{Serializer: wamp.JSON}, hello)
				p.raw([]byte(bad))
				p.hear(`[3,{"message":"*"},"wamp.error.protocol_violation"]`)
				p.closed()
			})
		})
	}
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		p.say(`[32,1,{"match":null},"com.a"]`)
		p.hear(`[33,1,"$sub"]`)
		p.say(`[16,2,{"acknowledge":true,"exclude_me":null,"exclude":null,"eligible":null},"com.a"]`)
		p.hear(`[17,2,"*"]`)
		p.say(`[64,3,{"match":null,"invoke":null,"forward_timeout":null},"com.a"]`)
		p.hear(`[65,3,"*"]`)
		p.say(`[48,4,{"timeout":null,"receive_progress":null,"progress":null},"com.a"]`)
		p.hear(`[68,1,"*",{}]`)
		p.say(`[49,4,{"mode":null}]`)
		p.hear(`[8,48,4,{},"wamp.error.canceled"]`)
	})
}

// A pattern subscription delivers no topic that its session may not subscribe to.
func TestPatternDoesNotLeak(t *testing.T) {
	realm := openRealm()
	realm.Roles = append(realm.Roles, auth.NewRole("guest", []auth.Permission{
		{Match: wamp.Prefix, Allow: auth.Subscribe}, {URI: "com.secret.", Match: wamp.Prefix}, {URI: "com.key", Allow: auth.Publish},
	}))
	tell(t, Options{}, realm, func(s *story) {
		pub := s.join(hello)
		guest := s.connect(memory.Options{Authid: "guest", Role: "guest"})
		guest.say(hello)
		guest.hear(`[2,"*","*"]`)
		guest.say(`[32,1,{"match":"prefix"},"com."]`)
		guest.hear(`[33,1,"$sub"]`)
		guest.say(`[32,2,{"match":"prefix"},"com.secret.a"]`)
		guest.hear(`[8,32,2,{},"wamp.error.not_authorized"]`)
		pub.say(`[16,1,{},"com.secret.a",[1]]`)
		pub.say(`[16,1,{},"com.key",[2]]`)
		pub.say(`[16,1,{},"com.open",[3]]`)
		guest.hear(`[36,"$sub","*",{"topic":"com.open"},[3]]`)
		guest.silent()
	})
}

// Events of one publisher reach one subscriber in order, in one batch or in many.
func TestOrder(t *testing.T) {
	each(t, func(s *story, pub, sub *peer) {
		sub.say(`[32,1,{},"com.a"]`)
		sub.hear(`[33,1,"$sub"]`)
		var batch []string
		for i := range 300 {
			batch = append(batch, fmt.Sprintf(`[16,%d,{},"com.a",[%d]]`, i+1, i))
		}
		pub.sayAll(batch[:200]...)
		pub.sayAll(batch[200:]...)
		for i := range 300 {
			sub.hear(fmt.Sprintf(`[36,"$sub","*",{},[%d]]`, i))
		}
	})
}
