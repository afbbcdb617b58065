package edge

import (
	"testing"
	"testing/synctest"
	"time"
)

// A subscriber gets the time limit of an event, and no expired event: live, retained, from a history, and from a
// durable subscription.
func TestTimeLimit(t *testing.T) {
	realm := durableRealm(t)
	realm.History = []HistoryRule{{URI: "com.t"}}
	tell(t, Options{}, realm, func(s *story) {
		pub, sub := s.join(hello), s.join(hello)
		sub.say(`[32,1,{},"com.t"]`)
		sub.hear(`[33,1,"$sub"]`)
		pub.say(`[16,1,{"_ttl":60000,"retain":true,"acknowledge":true},"com.t",[1]]`)
		pub.hear(`[17,1,"*"]`)
		sub.hear(`[36,"$sub","*",{"_ttl":60000},[1]]`)
		pub.say(`[16,2,{"_ttl":0,"acknowledge":true},"com.t",[2]]`)
		pub.say(`[16,3,{"_ttl":120000,"acknowledge":true},"com.t",[3]]`)
		pub.hear(`[17,2,"*"]`, `[17,3,"*"]`)
		sub.hear(`[36,"$sub","*",{},[2]]`, `[36,"$sub","*",{"_ttl":120000},[3]]`)
		past := func(request, want string) {
			t.Helper()
			sub.say(`[48,` + request + `,{},"wamp.subscription.get_events",["$sub"]]`)
			sub.hear(`[50,` + request + `,{},[` + want + `]]`)
		}
		event := func(details, arg string) string {
			return `{"args":[` + arg + `],"details":{` + details + `},"kwargs":{},"publication":"*","subscription":"$sub","timestamp":"*"}`
		}
		time.Sleep(20 * time.Second)
		past("4", event(`"_ttl":40000`, "1")+","+event("", "2")+","+event(`"_ttl":100000`, "3"))
		late := s.join(hello)
		late.say(`[32,1,{"get_retained":true},"com.t"]`)
		late.hear(`[33,1,"*"]`, `[36,"*","*",{"_ttl":40000,"retained":true},[1]]`)
		time.Sleep(40 * time.Second)
		past("5", event("", "2")+","+event(`"_ttl":60000`, "3"))
		again := s.join(hello)
		again.say(`[32,1,{"get_retained":true},"com.t"]`)
		again.hear(`[33,1,"*"]`)
		again.silent()
	})
}

// A link at a centre has a durable subscription. Its events have the remaining lifetime and the origin. Rejected events
// delay later ones, and the link removes subscriptions that it no longer needs.
func TestDurableSubscriptionOfLink(t *testing.T) {
	const options = `[32,1,{"_durable":"import-1","_max_age":60000,"_origin":true},"com.t"]`
	tell(t, Options{}, durableRealm(t), func(s *story) {
		link, sensor := s.join(hello), s.join(hello)
		link.say(options)
		link.hear(`[33,1,"$s"]`)
		link.conn.Close()
		synctest.Wait()
		sensor.keeps(1, "com.t")
		sensor.say(`[16,2,{"acknowledge":true,"_ttl":40000},"com.t",[2]]`)
		sensor.hear(`[17,2,"*"]`)
		time.Sleep(30 * time.Second)
		sensor.keeps(3, "com.t")
		next := s.join(hello)
		next.say(options)
		details := func(ttl string) string {
			return `{"_confirm":true,"_origin":["import-1","$epoch","*"],"_position":"*","_time":"*","_ttl":` + ttl + `}`
		}
		next.hear(`[33,1,"$s"]`, `[36,"$s","$1",`+details("30000")+`,[1]]`, `[36,"$s","$2",`+details("10000")+`,[2]]`, `[36,"$s","$3",`+details("60000")+`,[3]]`)
		next.say(`[337,"$1"]`)
		next.say(`[337,"$2"]`)
		next.say(`[8,36,"$3",{},"wamp.error.unavailable"]`)
		synctest.Wait() // the router has the refusal
		sensor.keeps(4, "com.t")
		next.silent()
		time.Sleep(2 * time.Second)
		next.hear(`[36,"$s","*",{"_confirm":true,"_origin":"*","_position":"*","_time":"*","_ttl":"*","redelivered":true},[3]]`,
			`[36,"$s","*",{"_confirm":true,"_origin":"*","_position":"*","_time":"*","_ttl":"*"},[4]]`)
		next.say(`[32,2,{"_durable":"import-2"},"com.u"]`)
		next.say(`[32,3,{"_durable":"other"},"com.u"]`)
		next.hear(`[33,2,"*"]`, `[33,3,"*"]`)
		next.say(`[48,4,{},"runnel.durable.keep",["import-",["import-1"]]]`)
		next.hear(`[50,4,{},[["import-2"]]]`)
		next.say(`[48,5,{},"runnel.durable.keep",["",[]]]`)
		next.say(`[48,6,{},"runnel.durable.keep",["import-",7]]`)
		next.hear(`[8,48,5,{},"wamp.error.invalid_argument",["*"]]`, `[8,48,6,{},"wamp.error.invalid_argument",["*"]]`)
		next.say(`[48,7,{},"runnel.durable.keep",["",[]]]`)
		next.hear(`[8,48,7,{},"wamp.error.invalid_argument",["*"]]`)
		next.say(`[32,8,{"_origin":true},"com.t"]`)
		next.say(`[32,9,{"_durable":"d","_max_age":"1s"},"com.t"]`)
		next.say(`[32,10,{"_durable":"d","_origin":1},"com.t"]`)
		for _, request := range []string{"8", "9", "10"} {
			next.hear(`[8,32,` + request + `,{},"wamp.error.invalid_argument",["*"]]`)
		}
	})
}
