package edge

import (
	"fmt"
	"testing"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// TestUpdateKeepsOrRevokes: a subscription and a registration survive a change of their session's role if the new role
// allows them. They also survive if it leaves the decision to the authorizer that has allowed them.
func TestUpdateKeepsOrRevokes(t *testing.T) {
	all := auth.Permission{URI: "com.", Match: wamp.Prefix, Allow: auth.Everything}
	role := func(authorizer string, permissions ...auth.Permission) *auth.Role {
		r := auth.NewRole("guest", permissions)
		if authorizer != "" {
			r = r.WithAuthorizer(authorizer)
		}
		return r
	}
	for name, c := range map[string]struct {
		before, after *auth.Role
		asks          bool // before the change
		match         string
		sub, reg      bool // stay
	}{
		"allowed as before":            {role("", all), role("", all), false, "exact", true, true},
		"allowed no more":              {role("", all), role(""), false, "exact", false, false},
		"granted as before":            {role("may"), role("may"), true, "exact", true, true},
		"granted by another":           {role("may"), role("may.another"), true, "exact", false, false},
		"granted, without authorizer":  {role("may"), role(""), true, "exact", false, false},
		"granted, then ruled out":      {role("may"), role("may", auth.Permission{URI: "com.p", Allow: auth.Publish}), true, "exact", false, false},
		"granted, then allowed":        {role("may"), role("", all), true, "exact", true, true},
		"allowed, then to be granted":  {role("may", all), role("may"), false, "exact", false, false},
		"a pattern, allowed in part":   {role("", all), role("", all, auth.Permission{URI: "com.p.secret", Allow: auth.Publish}), false, "prefix", true, false},
		"a granted pattern as before":  {role("may"), role("may"), true, "prefix", true, true},
		"a granted pattern, ruled out": {role("may"), role("may", auth.Permission{URI: "com.p", Match: wamp.Prefix, Allow: auth.Publish}), true, "prefix", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			realm := openRealm()
			realm.Roles = append(realm.Roles, c.before)
			tell(t, Options{}, realm, func(s *story) {
				judge, p := s.join(hello), s.guest()
				judge.say(`[64,1,{},"may"]`)
				judge.hear(`[65,1,"$may"]`)
				for i, kind := range []int{32, 64} {
					p.say(fmt.Sprintf(`[%d,%d,{"match":%q},"com.p"]`, kind, i+1, c.match))
					if c.asks {
						judge.hear(fmt.Sprintf(`[68,%d,"$may","*",["*","com.p","*","*"]]`, i+1))
						judge.say(fmt.Sprintf(`[70,%d,{},[true]]`, i+1))
					}
					p.hear(fmt.Sprintf(`[%d,%d,"$%d"]`, kind+1, i+1, kind))
				}
				realm := openRealm()
				realm.Roles = append(realm.Roles, c.after)
				s.update(realm)
				if !c.sub {
					p.hear(`[35,0,{"subscription":"$32","reason":"no longer permitted"}]`)
				}
				if !c.reg {
					p.hear(`[67,0,{"registration":"$64","reason":"no longer permitted"}]`)
				}
				p.silent()
			})
		})
	}
}
