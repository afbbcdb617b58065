package conformance

import (
	"strings"
	"testing"

	"runnel/test/stage"
)

func TestURIs(t *testing.T) {
	check := func(every func(*testing.T, string, func(*stage.Scene)), name string, uris []string, valid bool) {
		every(t, name, func(s *stage.Scene) {
			for _, uri := range uris {
				p := s.Join(stage.Simple)
				uri = strings.ReplaceAll(uri, "LONG", strings.Repeat("x", 1000))
				p.Say(`[32,1,{},"`+uri+`"]`, `[16,2,{"acknowledge":true},"`+uri+`"]`, `[64,3,{},"`+uri+`"]`, `[48,4,{},"`+uri+`"]`)
				if valid {
					p.Hear(`[33,1,"*"]`, `[17,2,"*"]`, `[65,3,"*"]`, `[68,1,"*",{}]`)
				} else {
					const failure = `{},"wamp.error.invalid_uri"]` // an ERROR, no ABORT
					p.Hear(`[8,32,1,`+failure, `[8,16,2,`+failure, `[8,64,3,`+failure, `[8,48,4,`+failure)
				}
				p.Goodbye()
			}
		})
	}
	loose := []string{"~", "~.a", "~.Ä.ß-1", "~.A/b:c", "~.😀", "~.LONG", "~.a+b=c", "wampum.~"}
	bad := []string{"", ".", "~.", ".~", "~..a", "~.a b", "~.a\\tb", "~.a\\n", "~.#", "~.a#b", "~.\\u007f", "~.\\u0000", "~.LONGLONG"}
	check(house.Every, "loose", loose, true)
	check(house.Every, "never", bad, false)
	check(house.EveryStrict, "strict", []string{"~", "~.a_1.b2"}, true)
	check(house.EveryStrict, "not strict", append(bad, "~.A", "~.a-b", "~.ä", "~.a/b"), false)
}

// Empty components are for patterns.
func TestPatternURIs(t *testing.T) {
	for _, c := range []struct {
		match string
		uris  []string
		valid bool
	}{
		{"prefix", []string{"~", "~.", "~.a.", "~.a"}, true},
		{"prefix", []string{"~..a", ".~", "~.a b", "~.#"}, false},
		{"wildcard", []string{"~", "~.", ".~", "~..a", "~...", "~.a"}, true},
		{"wildcard", []string{"~. .a", "~..#"}, false},
		{"exact", []string{"~.", "~..a", ""}, false},
	} {
		name := c.match + " valid"
		if !c.valid {
			name = c.match + " invalid"
		}
		house.Every(t, name, func(s *stage.Scene) {
			p := s.Login("bob", stage.Simple) // who may do everything: a pattern is registered whole or not at all
			for _, uri := range c.uris {
				p.Say(`[32,1,{"match":"`+c.match+`"},"`+uri+`"]`, `[64,2,{"match":"`+c.match+`"},"`+uri+`"]`)
				if c.valid {
					p.Hear(`[33,1,"*"]`, `[65,2,"*"]`)
				} else {
					p.Hear(`[8,32,1,{},"wamp.error.invalid_uri"]`, `[8,64,2,{},"wamp.error.invalid_uri"]`)
				}
			}
		})
	}
}
