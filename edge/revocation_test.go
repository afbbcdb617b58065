package edge

import "testing"

func TestRevokeSubscription(t *testing.T) {
	each(t, func(s *story, p, admin *peer) {
		simple := s.join(hello)
		p.say(`[32,1,{"match":"prefix"},"com."]`)
		p.hear(`[33,1,"$sub"]`)
		simple.say(`[32,1,{"match":"prefix"},"com."]`)
		simple.hear(`[33,1,"$sub"]`)
		admin.say(`[48,1,{},"wamp.subscription.list_subscribers",["$sub"]]`)
		admin.hear(`[50,1,{},[["$p","$simple"]]]`)
		admin.say(`[48,2,{},"wamp.subscription.remove_subscriber",["$sub","$p","no longer authorized"]]`)
		p.hear(`[35,0,{"subscription":"$sub","reason":"no longer authorized"}]`)
		admin.hear(`[50,2,{}]`)
		admin.say(`[48,3,{},"wamp.subscription.remove_subscriber",["$sub","$simple"]]`) // did not announce the feature
		admin.hear(`[50,3,{}]`)
		admin.say(`[16,4,{},"com.a"]`)
		p.silent()
		simple.silent()
		for call, answer := range map[string]string{
			`["$sub","$p"]`: `[8,48,5,{},"wamp.error.no_such_subscription"]`,
			`["$sub",5]`:    `[8,48,5,{},"wamp.error.no_such_session"]`,
			`["$sub"]`:      `[8,48,5,{},"wamp.error.invalid_argument",["*"]]`,
			`[]`:            `[8,48,5,{},"wamp.error.invalid_argument",["*"]]`,
		} {
			admin.say(`[48,5,{},"wamp.subscription.remove_subscriber",` + call + `]`)
			admin.hear(answer)
		}
	})
}

func TestRevokeRegistration(t *testing.T) {
	each(t, func(s *story, p, admin *peer) {
		p.say(`[64,1,{},"com.x"]`)
		p.hear(`[65,1,"$reg"]`)
		admin.say(`[48,1,{},"com.x"]`)
		p.hear(`[68,1,"$reg",{}]`)
		admin.say(`[48,2,{},"wamp.registration.list_callees",["$reg"]]`)
		admin.hear(`[50,2,{},[["$p"]]]`)
		admin.say(`[48,3,{},"wamp.registration.remove_callee",["$reg","$p"]]`)
		p.hear(`[67,0,{"registration":"$reg"}]`)
		admin.hear(`[50,3,{}]`)
		p.say(`[70,1,{},["under way"]]`)
		admin.hear(`[50,1,{},["under way"]]`)
		admin.say(`[48,4,{},"com.x"]`)
		admin.hear(`[8,48,4,{},"wamp.error.no_such_procedure",["*"]]`)
		admin.say(`[48,5,{},"wamp.registration.remove_callee",["$reg","$p"]]`)
		admin.hear(`[8,48,5,{},"wamp.error.no_such_registration"]`)
	})
}
