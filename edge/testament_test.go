package edge

import (
	"fmt"
	"testing"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// A testament that the authorizer rejects, or does not answer for, is not published, and does not delay the session's
// end.
func TestAuthorizerRefusesATestamentLater(t *testing.T) {
	for _, last := range []string{`[false]`, ``} {
		tell(t, Options{AskTimeout: 3 * time.Second}, authorized(), func(s *story) {
			d := s.desk(authorizer, `[true]`, `[true]`, `[true]`, `[true]`, last)
			watcher, p := s.trusted("all"), s.join(hello)
			watcher.say(`[32,1,{"match":"prefix"},"com.will"]`)
			watcher.hear(`[33,1,"*"]`)
			watcher.say(`[32,2,{},"wamp.session.on_leave"]`)
			watcher.hear(`[33,2,"*"]`)
			for i, topic := range []string{"com.will.one", "com.will.two", "com.will.three"} {
				p.say(fmt.Sprintf(`[48,%d,{},"wamp.session.add_testament",[%q,["gone"],{}]]`, i+1, topic))
				p.hear(fmt.Sprintf(`[50,%d,{}]`, i+1))
			}
			d.count(4)
			start := time.Now()
			p.conn.Close()
			watcher.hear(`[36,"*","*",{},["*","*","guest"]]`)
			if took := time.Since(start); took > 3*time.Second {
				t.Errorf("it took %v", took)
			}
			watcher.silent()
		})
	}
}

// A testament is published with the permissions that its session has when it ends.
func TestTestamentsOfARoleThatHasChanged(t *testing.T) {
	may := func(uri string) []*auth.Role {
		return []*auth.Role{auth.NewRole("all", []auth.Permission{
			{Match: wamp.Prefix, Allow: auth.Everything}, {URI: "com.will", Allow: 0}, {URI: uri, Allow: auth.Everything, Disclose: uri == "com.will.kept"},
		})}
	}
	tell(t, Options{}, RealmOptions{Name: "realm1", Anonymous: "all", Roles: may("com.will")}, func(s *story) {
		p, gone, watcher := s.join(hello), s.join(hello), s.join(hello)
		watcher.say(`[32,1,{"match":"prefix","get_retained":true},"com.will"]`)
		watcher.hear(`[33,1,"*"]`)
		for _, topic := range []string{"com.will", "com.will.kept"} {
			for _, peer := range []*peer{p, gone} {
				peer.say(`[48,1,{},"wamp.session.add_testament",["` + topic + `",["gone"],{}],{"publish_options":{"retain":true}}]`)
				peer.hear(`[50,1,{}]`)
			}
		}
		if err := s.router.UpdateRealm(RealmOptions{Name: "realm1", Anonymous: "all", Roles: may("com.will.kept")}); err != nil {
			s.Fatal(err)
		}
		p.conn.Close()
		watcher.hear(`[36,"*","*",{"topic":"com.will.kept","publisher":"*","publisher_authid":"*","publisher_authrole":"all"},["gone"]]`)
		watcher.silent()
		if err := s.router.UpdateRealm(RealmOptions{Name: "realm1", Roles: may("com.will.kept")}); err != nil { // no session may stay
			s.Fatal(err)
		}
		gone.hear(`[6,"*","wamp.close.killed"]`)
		watcher.hear(`[6,"*","wamp.close.killed"]`)
		late := s.connect(memory.Options{Role: "all", Realm: "realm1"})
		late.say(hello)
		late.hear(`[2,"*","*"]`)
		late.say(`[32,1,{"match":"prefix","get_retained":true},"com.will"]`)
		late.hear(`[33,1,"*"]`, `[36,"*","*",{"topic":"com.will.kept","publisher":"*","publisher_authid":"*","publisher_authrole":"all","retained":true},["gone"]]`)
		late.silent()
	})
}
