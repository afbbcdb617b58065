package uplink

import (
	"testing"

	"runnel/edge/wamp"
)

// The most specific pattern decides, and among equal ones the first.
func TestBestRule(t *testing.T) {
	var s RuleSet[string]
	if _, ok := s.Best("a.b"); ok {
		t.Error("an empty set has a rule")
	}
	for _, r := range []struct {
		uri   string
		match wamp.Match
		name  string
	}{
		{"a.", wamp.Prefix, "short prefix"},
		{"a.b.", wamp.Prefix, "long prefix"},
		{"a..c", wamp.Wildcard, "wildcard"},
		{"x..", wamp.Wildcard, "other wildcard"},
		{"a.b.c", wamp.Exact, "first"},
		{"a.b.c", wamp.Exact, "second"},
	} {
		s.Add(wamp.Pattern{URI: r.uri, Match: r.match}, r.name)
	}
	for uri, want := range map[string]string{
		"a.b.c": "first", "a.b.d": "long prefix", "a.z.c": "short prefix", "x.y.z": "other wildcard", "b": "",
	} {
		if got, ok := s.Best(uri); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", uri, got, ok, want)
		}
	}
}

// A rule names a URI on both sides of the link.
func TestRuleNames(t *testing.T) {
	same := Rule{Procedure: "a.b"}
	if same.URI() != "a.b" || same.ToRemote("a.b") != "a.b" || same.ToLocal("a.b") != "a.b" {
		t.Error("a rule without prefixes changes names")
	}
	r := Rule{Topic: "site.", LocalPrefix: "site.", RemotePrefix: "com.example.berlin."}
	if r.URI() != "site." || r.ToRemote("site.temperature") != "com.example.berlin.temperature" || r.ToLocal("com.example.berlin.temperature") != "site.temperature" {
		t.Errorf("%s, %s, %s", r.URI(), r.ToRemote("site.temperature"), r.ToLocal("com.example.berlin.temperature"))
	}
}
