package edge

import (
	"testing"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

func TestTrustLevels(t *testing.T) {
	low, high := 0, 5
	realm := openRealm()
	realm.Roles = []*auth.Role{auth.NewRole("all", []auth.Permission{
		{Match: wamp.Prefix, Allow: auth.Everything},
		{URI: "com.low", Match: wamp.Prefix, Allow: auth.Everything, Trust: &low},
		{URI: "com.high", Allow: auth.Everything, Trust: &high},
	})}
	tell(t, Options{}, realm, func(s *story) {
		p, q := s.join(hello), s.join(hello)
		for uri, details := range map[string]string{"com.low.a": `{"trustlevel":0}`, "com.high": `{"trustlevel":5}`, "com.other": `{}`} {
			q.say(`[32,1,{},"` + uri + `"]`)
			q.hear(`[33,1,"*"]`)
			p.say(`[16,1,{},"` + uri + `"]`)
			q.hear(`[36,"*","*",` + details + `]`)
			q.say(`[64,2,{},"` + uri + `"]`)
			q.hear(`[65,2,"*"]`)
			p.say(`[48,1,{},"` + uri + `"]`)
			q.hear(`[68,"$call","*",` + details + `]`)
			q.say(`[70,"$call",{}]`)
			p.hear(`[50,1,{}]`)
			delete(s.kept, "call")
		}
	})
}
