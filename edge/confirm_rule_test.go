package edge

import (
	"strings"
	"testing"

	"runnel/edge/wamp"
)

// A publication that needs a confirming subscriber is neither acknowledged nor routed without one.
func TestConfirmationIsRequired(t *testing.T) {
	realm := openRealm()
	realm.Confirmed = []ConfirmRule{{URI: "com.safe.", Match: wamp.Prefix}}
	tell(t, Options{}, realm, func(s *story) {
		sensor, watcher := s.join(hello), s.join(hello)
		watcher.say(`[32,1,{"match":"prefix","_confirm":true},"com."]`) // a client's _confirm is ignored
		watcher.hear(`[33,1,"$w"]`)
		watcher.say(`[32,2,{"match":"prefix","_confirm":true},"com.safe."]`)
		watcher.hear(`[33,2,"$ws"]`)
		refusal := `"wamp.error.unavailable","*"]`
		sensor.say(`[16,1,{"acknowledge":true,"retain":true},"com.safe.a",["x"]]`)
		sensor.hear(`[8,16,1,{},` + refusal)
		watcher.silent()
		sensor.say(`[16,2,{"acknowledge":true},"com.other"]`)
		watcher.hear(`[36,"$w","*",{"topic":"com.other"}]`)
		sensor.hear(`[17,2,"*"]`)
		sensor.say(`[16,3,{},"com.safe.a"]`) // it asks for no acknowledgement
		watcher.hear(`[36,"$w","*","*"]`, `[36,"$ws","*","*"]`)

		part := s.internal(hello)
		part.say(`[32,1,{"match":"prefix","_confirm":true},"com.safe."]`)
		part.hear(`[33,1,"$ws"]`)
		part.say(`[16,2,{"acknowledge":true,"_origin":["n",1,1],"exclude_me":false},"com.safe.a"]`)
		part.hear(`[36,"$ws","$p","*"]`)
		part.say(`[337,"$p"]`)
		part.hear(`[17,2,"$p"]`)
		watcher.hear(`[36,"$w","$p","*"]`, `[36,"$ws","$p","*"]`)

		part.say(`[34,3,"$ws"]`)
		part.hear(`[35,3]`)
		part.say(`[16,4,{"acknowledge":true,"_origin":["n",1,2]},"com.safe.a"]`)
		part.hear(`[8,16,4,{},` + refusal)
		watcher.silent()
		late := s.join(hello)
		late.say(`[32,1,{"get_retained":true},"com.safe.a"]`)
		late.hear(`[33,1,"*"]`)
		late.silent()

		realm.Confirmed = nil
		if err := s.router.UpdateRealm(realm); err != nil {
			s.Fatal(err)
		}
		part.say(`[16,5,{"acknowledge":true,"_origin":["n",1,2]},"com.safe.a"]`)
		part.hear(`[17,5,"*"]`)
		s.nothingWithheld()
		realm.Confirmed = []ConfirmRule{{URI: "com.a b"}}
		if err := s.router.UpdateRealm(realm); err == nil || !strings.Contains(err.Error(), `confirmation of "com.a b"`) {
			s.Error(err)
		}
	})
}

// If a rule needs two sessions, both have to confirm.
func TestConfirmationByTwoIsRequired(t *testing.T) {
	realm := openRealm()
	realm.Confirmed = []ConfirmRule{{URI: "com.t", By: 2}}
	tell(t, Options{}, realm, func(s *story) {
		sensor, one := s.join(hello), s.internal(hello)
		one.say(asking)
		one.hear(`[33,1,"$s"]`)
		sensor.say(`[16,1,{"acknowledge":true},"com.t"]`)
		sensor.hear(`[8,16,1,{},"wamp.error.unavailable","*"]`)
		two := s.internal(hello)
		two.say(asking)
		two.hear(`[33,1,"$s"]`)
		sensor.say(`[16,2,{"acknowledge":true},"com.t"]`)
		for _, part := range []*peer{one, two} {
			part.hear(`[36,"$s","$p","*"]`)
			part.say(`[337,"$p"]`)
		}
		sensor.hear(`[17,2,"$p"]`)
		one.conn.Close()
		two.conn.Close()
		s.nothingWithheld()
		sensor.say(`[48,3,{},"wamp.subscription.lookup",["com.t"]]`)
		sensor.hear(`[50,3,{},["$s"]]`) // it keeps its id
	})
}
