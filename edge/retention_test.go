package edge

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

func TestRetained(t *testing.T) {
	each(t, func(s *story, pub, sub *peer) {
		pub.say(`[16,1,{"retain":true},"com.a",["old"]]`)
		pub.say(`[16,2,{"retain":true,"disclose_me":true},"com.a",["new"],{"k":"\u0000AQID"}]`)
		pub.say(`[16,3,{},"com.a",["not kept"]]`)
		pub.say(`[16,4,{"retain":true,"acknowledge":true},"com.a.b",["b"]]`)
		pub.hear(`[17,4,"$b"]`)
		sub.say(`[32,1,{},"com.a"]`)
		sub.hear(`[33,1,"$sub"]`)
		sub.silent() // not requested
		who := `"publisher":"*","publisher_authid":"*","publisher_authrole":"all"`
		sub.say(`[32,2,{"get_retained":true},"com.a"]`)
		sub.hear(`[33,2,"$sub"]`, `[36,"$sub","*",{"retained":true,`+who+`},["new"],{"k":"\u0000AQID"}]`)
		sub.say(`[32,3,{"get_retained":true,"match":"prefix"},"com."]`) // one per topic
		sub.hear(`[33,3,"$prefix"]`,
			`[36,"$prefix","*",{"retained":true,"topic":"com.a",`+who+`},["new"],{"k":"\u0000AQID"}]`,
			`[36,"$prefix","$b",{"retained":true,"topic":"com.a.b"},["b"]]`)
		pub.say(`[16,5,{},"com.a.b",["live"]]`)
		sub.hear(`[36,"$prefix","*",{"topic":"com.a.b"},["live"]]`)

		pub.say(`[16,6,{"retain":true},"com.a"]`) // no payload: cleared
		sub.hear(`[36,"$sub","*",{}]`, `[36,"$prefix","*",{"topic":"com.a"}]`)
		sub.say(`[32,4,{"get_retained":true},"com.a"]`)
		sub.hear(`[33,4,"$sub"]`)
		sub.silent()
		if _, bytes := s.router.realms["realm1"].retained.Size(); bytes == 0 {
			t.Error("nothing is accounted for what is kept")
		}
	})
}

func TestRetainedExpires(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		pub, sub := s.join(hello), s.join(hello)
		pub.say(`[16,1,{"retain":true,"_ttl":1000,"acknowledge":true},"com.a",[1]]`)
		pub.hear(`[17,1,"*"]`)
		time.Sleep(999 * time.Millisecond)
		sub.say(`[32,1,{"get_retained":true},"com.a"]`)
		sub.hear(`[33,1,"$sub"]`, `[36,"$sub","*",{"_ttl":1,"retained":true},[1]]`)
		time.Sleep(time.Millisecond)
		sub.say(`[32,2,{"get_retained":true},"com.a"]`)
		sub.hear(`[33,2,"$sub"]`)
		sub.silent()
		if topics, bytes := s.router.realms["realm1"].retained.Size(); topics != 0 || bytes != 0 {
			t.Errorf("%d bytes are accounted for %d topics", bytes, topics)
		}
	})
}

// A subscriber gets the latest event that it would have received when it was published.
func TestRetainedRights(t *testing.T) {
	realm := openRealm()
	realm.Roles = append(realm.Roles, auth.NewRole("guest", []auth.Permission{
		{Match: wamp.Prefix, Allow: auth.Everything}, {URI: "com.secret", Match: wamp.Prefix},
	}))
	tell(t, Options{}, realm, func(s *story) {
		pub := s.join(hello)
		pub.say(`[16,1,{"retain":true},"com.a",["all"]]`)
		pub.say(`[16,2,{"retain":true,"eligible_authrole":["guest"]},"com.a",["guests"]]`)
		pub.say(`[16,3,{"retain":true,"exclude_authid":["ann"]},"com.a",["not ann"]]`)
		pub.say(`[16,4,{"retain":true,"acknowledge":true},"com.secret",["secret"]]`)
		pub.hear(`[17,4,"*"]`)
		for _, c := range []struct{ authid, role, want string }{
			{"ann", "guest", "guests"}, {"ann", "all", "all"}, {"bob", "all", "not ann"},
		} {
			p := s.connect(memory.Options{Authid: c.authid, Role: c.role})
			p.say(hello)
			p.hear(`[2,"*","*"]`)
			p.say(`[32,1,{"get_retained":true},"com.a"]`)
			p.hear(`[33,1,"$sub"]`, `[36,"$sub","*",{"retained":true},["`+c.want+`"]]`)
			p.silent()
			if c.role == "guest" {
				p.say(`[32,1,{"get_retained":true,"match":"prefix"},"com."]`)
				p.hear(`[33,1,"$prefix"]`, `[36,"$prefix","*",{"retained":true,"topic":"com.a"},["guests"]]`)
				p.silent()
			}
		}
		pub.say(`[32,1,{"get_retained":true},"com.a"]`) // exclude_me applies to the publisher
		pub.hear(`[33,1,"*"]`)
		pub.silent()
		for i := range 24 { // few restricted events are kept, and the event for all stays
			pub.say(fmt.Sprintf(`[16,5,{"retain":true,"eligible":[]},"com.a",[%d]]`, i))
		}
		p := s.join(hello)
		p.say(`[32,1,{"get_retained":true},"com.a"]`)
		p.hear(`[33,1,"*"]`, `[36,"*","*",{"retained":true},["all"]]`)
	})
}

func TestRetentionIsBounded(t *testing.T) {
	tell(t, Options{MaxRetained: 10_000}, RealmOptions{}, func(s *story) {
		pub, sub := s.join(hello), s.join(hello)
		for i := range 20 {
			pub.say(fmt.Sprintf(`[16,1,{"retain":true},"com.a%d",[%q]]`, i, strings.Repeat("x", 600)))
		}
		pub.say(`[16,2,{"retain":true,"acknowledge":true},"com.a0",["again"]]`) // replaces the one that is kept
		pub.hear(`[17,2,"*"]`)
		if topics, bytes := s.router.realms["realm1"].retained.Size(); bytes > 10_000 || topics == 0 || topics == 20 {
			t.Errorf("%d bytes, %d topics", bytes, topics)
		}
		sub.say(`[32,1,{"get_retained":true},"com.a0"]`)
		sub.hear(`[33,1,"*"]`, `[36,"*","*",{"retained":true},["again"]]`)
	})
}

// A subscriber that does not read keeps as few retained events in memory as other events, however many are retained.
func TestRetainedEventsWaitForTheSubscriber(t *testing.T) {
	tell(t, Options{OutboxBytes: 8 << 10}, RealmOptions{}, func(s *story) {
		const topics, octets = 200, 1000
		publisher := s.join(hello)
		for i := range topics {
			publisher.say(fmt.Sprintf(`[16,%d,{"acknowledge":true,"retain":true},"com.%03d",[%q]]`, i+1, i, strings.Repeat("x", octets)))
			publisher.hear(`[17,"*","*"]`)
		}
		deaf := s.deaf(memory.Options{Buffer: 1 << 10})
		deaf.say(hello)
		deaf.say(`[32,1,{"match":"prefix","get_retained":true},"com."]`)
		synctest.Wait()
		r := s.router.realm([]byte("realm1"))
		for _, member := range r.sessions() {
			member.out.mu.Lock()
			if n := member.out.waiting(); n > 12<<10 {
				t.Errorf("%d octets wait for one peer", n)
			}
			member.out.mu.Unlock()
		}
		if !r.mu.TryLock() {
			t.Fatal("the realm waits for the peer")
		}
		r.mu.Unlock()
		// A subscriber that reads gets all of them, in order.
		p := s.join(hello)
		p.say(`[32,1,{"match":"prefix","get_retained":true},"com."]`)
		p.hear(`[33,1,"$s"]`)
		for i := range topics {
			p.hear(fmt.Sprintf(`[36,"$s","*",{"topic":"com.%03d","retained":true},"*"]`, i))
		}
		p.silent()
	})
}
