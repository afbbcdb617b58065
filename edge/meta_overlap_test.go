package edge

import (
	"fmt"
	"strings"
	"testing"

	"runnel/edge/patterns"
	"runnel/edge/wamp"
)

func TestListsOfWhatOverlaps(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		one, other := s.join(helloAll), s.join(helloAll)
		one.say(`[32,1,{},"com.a"]`)
		one.hear(`[33,1,"$a"]`)
		one.say(`[32,2,{"match":"prefix"},"com."]`)
		one.hear(`[33,2,"$all"]`)
		one.say(`[32,3,{},"org.a"]`)
		one.hear(`[33,3,"$org"]`)
		other.say(`[32,1,{},"com.a"]`)
		other.hear(`[33,1,"$a"]`)
		other.say(`[48,2,{},"wamp.subscription.list",[],{"_overlaps":[["com.a","exact"]],"_members":true}]`)
		other.hear(
			`[50,2,{},[{"exact":["$a"],"prefix":["$all"],"wildcard":[]},[{"id":"$a","created":"*","uri":"com.a","match":"exact","members":["*","*"]},{"id":"$all","created":"*","uri":"com.","match":"prefix","members":["*"]}]]]`)
		other.say(`[64,3,{"invoke":"roundrobin"},"com.a"]`)
		other.hear(`[65,3,"$reg"]`)
		one.say(`[48,4,{},"wamp.registration.list",[],{"_overlaps":[["com.","prefix"]]}]`)
		one.hear(`[50,4,{},[{"exact":["$reg"],"prefix":[],"wildcard":[]},[{"id":"$reg","created":"*","uri":"com.a","match":"exact","invoke":"roundrobin"}]]]`)
		for i, wrong := range []string{`1`, `[1]`, `[["com.a"]]`, `[["com.a","exact","more"]]`, `[["com.a","odd"]]`, `[["com a","exact"]]`, `[[1,"exact"]]`} {
			one.say(`[48,1` + string(rune('0'+i)) + `,{},"wamp.subscription.list",[],{"_overlaps":` + wrong + `}]`)
			one.hear(`[8,48,"*",{},"wamp.error.invalid_argument",["*"]]`)
		}
	})
}

// The cost of a call does not grow with the product of its patterns and the realm's subscriptions.
func TestOverlapsAreBounded(t *testing.T) {
	wanted := make([]wamp.Pattern, 0, maxOverlaps)
	for i := range maxOverlaps {
		wanted = append(wanted, wamp.Pattern{URI: fmt.Sprintf("com.%d.%s", i, strings.Repeat("x", i)), Match: wamp.Prefix})
	}
	table := &patterns.Table[wamp.Pattern]{}
	for i := range 10000 {
		for _, m := range []wamp.Match{wamp.Exact, wamp.Prefix, wamp.Wildcard} {
			p := wamp.Pattern{URI: fmt.Sprintf("org.%d.a", i), Match: m}
			table.Set(m, p.URI, p)
		}
	}
	all := func(p wamp.Pattern) wamp.Pattern { return p }
	tell := func(p wamp.Pattern) map[string]any { return map[string]any{"id": p.URI} }
	if _, err := overlapping(wanted, all, tell, table); err == nil {
		t.Error("10000 wildcards times 256 patterns are compared")
	}
	for i := range 10000 {
		table.Remove(wamp.Wildcard, fmt.Sprintf("org.%d.a", i))
	}
	result, err := overlapping(wanted, all, tell, table)
	if err != nil || len(result[1].([]any)) != 0 {
		t.Errorf("%v, %v", result, err)
	}
}
