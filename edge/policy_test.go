package edge

import (
	"testing"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// TestListenersAnonymousRole: a listener may give anonymous sessions another role than the realm, if the realm has it.
func TestListenersAnonymousRole(t *testing.T) {
	local, operator := auth.NewRole("local", nil), auth.NewRole("operator", nil)
	both := RealmOptions{Name: "realm1", Anonymous: "local", Roles: []*auth.Role{local, operator}}
	for _, c := range []struct {
		listener string
		realm    RealmOptions
		want     *auth.Role
	}{
		{"", both, local},
		{"operator", both, operator},
		{"other", both, local},
		{"operator", RealmOptions{Name: "realm1", Roles: []*auth.Role{operator}}, operator},
		{"", RealmOptions{Name: "realm1", Roles: []*auth.Role{operator}}, nil},
	} {
		p, err := newPolicy(&c.realm)
		if err != nil {
			t.Fatal(err)
		}
		conn := &sink{transport: wamp.Transport{Anonymous: c.listener}}
		if got := p.anonymousBy(conn.Transport()); got != c.want {
			t.Errorf("%q: %v, want %v", c.listener, got, c.want)
		}
		if c.want == nil {
			continue
		}
		s := &session{conn: conn, authmethod: "anonymous", policy: p}
		s.rights.Store(c.want)
		if !p.permits(s, p) {
			t.Errorf("%q: the session may not stay", c.listener)
		}
		if less, _ := newPolicy(&RealmOptions{Name: "realm1", Roles: []*auth.Role{local}}); less.permits(s, p) {
			t.Errorf("%q: the session stays without its role", c.listener)
		}
	}
}

// CheckRealm finds the errors for which AddRealm and UpdateRealm would reject a realm.
func TestCheckRealm(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		for what, change := range map[string]func(*RealmOptions){
			"":                    func(*RealmOptions) {},
			"a name":              func(o *RealmOptions) { o.Name = "realm 1" },
			"a role":              func(o *RealmOptions) { o.Anonymous = "none" },
			"a rule of a history": func(o *RealmOptions) { o.History = []HistoryRule{{URI: "com..a"}} },
		} {
			realm := openRealm()
			change(&realm)
			if err := s.router.CheckRealm(realm); (err == nil) != (what == "") {
				t.Errorf("%s: %v", what, err)
			}
			if err := s.router.UpdateRealm(realm); (err == nil) != (what == "") {
				t.Errorf("update, %s: %v", what, err)
			}
		}
	})
}
