package edge

import "testing"

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
		for i, wrong := range []string{`1`, `[1]`, `[["com.a"]]`, `[["com.a","odd"]]`, `[["com a","exact"]]`, `[[1,"exact"]]`} {
			one.say(`[48,1` + string(rune('0'+i)) + `,{},"wamp.subscription.list",[],{"_overlaps":` + wrong + `}]`)
			one.hear(`[8,48,"*",{},"wamp.error.invalid_argument",["*"]]`)
		}
	})
}
