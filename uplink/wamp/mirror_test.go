package wamp

import (
	"testing"

	"runnel/edge/wamp"
	"runnel/uplink"
)

// An offer crosses as far as the rule covers it.
func TestNarrow(t *testing.T) {
	prefix := func(uri string) wamp.Pattern { return wamp.Pattern{URI: uri, Match: wamp.Prefix} }
	exact := func(uri string) wamp.Pattern { return wamp.Pattern{URI: uri} }
	for _, c := range []struct {
		name        string
		rule, given wamp.Pattern
		want        wamp.Pattern
		ok          bool
	}{
		{"within", prefix("com."), exact("com.a"), exact("com.a"), true},
		{"the same", prefix("com."), prefix("com."), prefix("com."), true},
		{"wider", prefix("com.example."), prefix("com."), prefix("com.example."), true},
		{"crosswise", prefix("com.example."), wamp.Pattern{URI: "com..a", Match: wamp.Wildcard}, prefix("com.example."), true},
		{"elsewhere", prefix("com."), exact("org.a"), wamp.Pattern{}, false},
		{"the router's own", prefix(""), exact("wamp.session.on_join"), wamp.Pattern{}, false},
	} {
		o, ok := narrow(c.rule, offer{Pattern: c.given, invoke: wamp.RoundRobin})
		if ok != c.ok || ok && (o.Pattern != c.want || o.invoke != wamp.RoundRobin) {
			t.Errorf("%s: %+v, %v", c.name, o, ok)
		}
	}
}

// A static rule crosses as it is, whatever else is offered.
func TestStaticRuleHasOneShare(t *testing.T) {
	r := &rule{Rule: uplink.Rule{Topic: "com.", Match: wamp.Prefix, Static: true}, direction: exports, kind: "topic", uri: "com."}
	m := &mirror{rules: []*rule{r}, seen: (*rule).home, named: func(_ *rule, uri string) string { return uri }}
	isStatic := func(r *rule) bool { return r.Static }
	want := m.wants(isStatic, []offer{{Pattern: wamp.Pattern{URI: "com.a"}}, {Pattern: wamp.Pattern{URI: "com.b"}}})
	if whole := (share{r, offer{Pattern: r.home()}}); len(want) != 1 || !want[whole] {
		t.Errorf("shares: %v", want)
	}
}

// The policy of an offered procedure does not matter to its import. A second share of the same pattern would be refused.
func TestImportHasOneShare(t *testing.T) {
	r := &rule{Rule: uplink.Rule{Procedure: "com.", Match: wamp.Prefix}, direction: imports, kind: "procedure", uri: "com."}
	m := &mirror{rules: []*rule{r}, seen: (*rule).home, named: (*rule).rewrite, eager: true}
	static := func(r *rule) bool { return r.Static || m.eager }
	eager, known := m.wants(static, nil), m.wants(func(r *rule) bool { return r.Static }, []offer{{r.home(), wamp.First}, {r.home(), wamp.Single}})
	for s := range eager {
		if len(eager) != 1 || len(known) != 1 || !known[s] {
			t.Errorf("shares before and after the offers are known: %v, %v", eager, known)
		}
	}
}
