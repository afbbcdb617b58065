package conformance

import (
	"fmt"
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
		match  string
		uris   []string
		valid  bool
		strict bool // only there
	}{
		{"prefix", []string{"~", "~.", "~.a.", "~.a"}, true, false},
		{"prefix", []string{"~..a", ".~", "~.a b", "~.#"}, false, false},
		{"wildcard", []string{"~", "~.", ".~", "~..a", "~...", "~.a"}, true, false},
		{"wildcard", []string{"~. .a", "~..#"}, false, false},
		{"exact", []string{"~.", "~..a", ""}, false, false},
		{"prefix", []string{"~", "~.", "~.a_1."}, true, true},
		{"prefix", []string{"~..a", "~.A", "~.a-b", "~.ä."}, false, true},
		{"wildcard", []string{"~.", ".~", "~..a_1"}, true, true},
		{"wildcard", []string{"~..A", "~..a-b", "~..ä"}, false, true},
	} {
		name, every := c.match+" valid", house.Every
		if !c.valid {
			name = c.match + " invalid"
		}
		if c.strict {
			name, every = name+", strictly", house.EveryStrict
		}
		every(t, name, func(s *stage.Scene) {
			p := s.Login("bob", stage.Simple) // with all permissions: a pattern is registered whole or not at all
			for i, uri := range c.uris {
				subscribe, register := 2*i+1, 2*i+2
				p.Say(fmt.Sprintf(`[32,%d,{"match":%q},%q]`, subscribe, c.match, uri), fmt.Sprintf(`[64,%d,{"match":%q},%q]`, register, c.match, uri))
				if c.valid {
					p.Hear(fmt.Sprintf(`[33,%d,"*"]`, subscribe), fmt.Sprintf(`[65,%d,"*"]`, register))
				} else {
					p.Hear(fmt.Sprintf(`[8,32,%d,{},"wamp.error.invalid_uri"]`, subscribe), fmt.Sprintf(`[8,64,%d,{},"wamp.error.invalid_uri"]`, register))
				}
			}
		})
	}
}
