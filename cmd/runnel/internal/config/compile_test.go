package config

import (
	"testing"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// A role is applied with the settings that it has, and with no others. A role of links may report to the fleet.
func TestCompile(t *testing.T) {
	report := []byte(nodeProcedures + "report")
	for _, c := range []struct {
		role       Role
		authorizer string
		forwards   bool
		durable    bool
		reports    bool
	}{
		{Role{Name: "plain"}, "", false, false, false},
		{Role{Authorizer: "com.example.may"}, "com.example.may", false, false, false},
		{Role{Forward: true}, "", true, false, true},
		{Role{Forward: true, Authorizer: "com.example.may"}, "com.example.may", true, false, false},
		{Role{Forward: true, Permissions: []Permission{{URI: nodeProcedures, Match: Match(wamp.Prefix), Allow: []string{"subscribe"}}}}, "", true, false, false},
		{Role{Durable: true}, "", false, true, false},
	} {
		r := c.role.Compile()
		if reports, _ := r.Decide(auth.Call, report); r.Authorizer() != c.authorizer || r.Forwards() != c.forwards || r.Durable() != c.durable || reports != c.reports {
			t.Errorf("%+v: authorizer %q, forwards %v, durable %v, reports %v", c.role, r.Authorizer(), r.Forwards(), r.Durable(), reports)
		}
	}
}
