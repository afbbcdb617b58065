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

const authorizer = `[64,1,{},"com.may"]`

// authorized is a realm whose anonymous sessions have an authorizer beside a few permissions.
func authorized() RealmOptions {
	realm := openRealm()
	realm.Anonymous = "guest"
	realm.Roles = append(realm.Roles, auth.NewRole("guest", []auth.Permission{
		{URI: "com.free.", Match: wamp.Prefix, Allow: auth.Everything},
		{URI: "com.free.secret", Allow: auth.Publish},
		{URI: "com.shut", Allow: 0},
	}).WithAuthorizer("com.may"))
	return realm
}

func TestAuthorizerIsAsked(t *testing.T) {
	tell(t, Options{}, authorized(), func(s *story) {
		d := s.desk(authorizer, `[true]`, `[true]`, `[true]`, `[true]`, `[false]`)
		p := s.connect(memory.Options{Serializer: wamp.JSON})
		p.say(hello)
		p.hear(`[2,"$id","*"]`)
		p.say(`[32,1,{"match":"wildcard","get_retained":true},"com..a"]`)
		p.hear(`[33,1,"$sub"]`)
		p.say(`[64,2,{},"com.x"]`)
		p.hear(`[65,2,"$reg"]`)
		p.say(`[48,3,{"x":1},"com.x"]`)
		p.hear(`[68,1,"$reg",{}]`)
		p.say(`[70,1,{}]`)
		p.hear(`[50,3,{}]`)
		p.say(`[16,4,{"exclude_me":false,"acknowledge":true},"com.b.a",["e"]]`)
		p.hear(`[36,"$sub","*",{"topic":"com.b.a"},["e"]]`, `[17,4,"*"]`)
		p.say(`[16,5,{"acknowledge":true},"com.c"]`)
		p.hear(`[8,16,5,{},"wamp.error.not_authorized"]`)
		p.say(`[48,6,{},"com.y"]`)
		p.hear(`[8,48,6,{},"wamp.error.not_authorized"]`)
		p.say(`[32,7,{},"com.y"]`)
		p.hear(`[8,32,7,{},"wamp.error.not_authorized"]`)
		p.say(`[64,8,{},"com.y"]`)
		p.hear(`[8,64,8,{},"wamp.error.not_authorized"]`)
		p.say(`[16,9,{},"com.d"]`)
		p.silent()
		asked := d.count(9)
		who := `{"session":"$id","authid":"*","authrole":"guest","authmethod":"anonymous","authprovider":"static","realm":"realm1","transport":"*"}`
		for i, want := range []string{
			`"com..a","subscribe",{"match":"wildcard","get_retained":true}`,
			`"com.x","register",{"match":"exact"}`,
			`"com.x","call",{"x":1}`,
			`"com.b.a","publish",{"exclude_me":false,"acknowledge":true}`,
		} {
			if ok, err := s.kept.Match(`[`+who+`,`+want+`]`, asked[i]); !ok {
				t.Errorf("asked %s, expected %s: %v", asked[i], want, err)
			}
		}
	})
}

func TestPermissionsDecideFirst(t *testing.T) {
	tell(t, Options{}, authorized(), func(s *story) {
		d := s.desk(authorizer, `[true]`)
		p := s.join(hello)
		for _, c := range []struct{ say, answer string }{
			{`[32,1,{},"com.free.a"]`, `[33,1,"*"]`},
			{`[32,1,{"match":"prefix"},"com.free.b"]`, `[33,1,"*"]`},
			{`[32,1,{},"com.free.secret"]`, `[8,32,1,{},"wamp.error.not_authorized"]`},
			{`[48,2,{},"com.shut"]`, `[8,48,2,{},"wamp.error.not_authorized"]`},
			{`[64,2,{},"com.shut"]`, `[8,64,2,{},"wamp.error.not_authorized"]`},
			{`[16,3,{"acknowledge":true},"com.shut"]`, `[8,16,3,{},"wamp.error.not_authorized"]`},
			{`[16,3,{"acknowledge":true},"com.free.secret"]`, `[17,3,"*"]`},
			{`[32,4,{},"com. a"]`, `[8,32,4,{},"wamp.error.invalid_uri"]`},
		} {
			p.say(c.say)
			p.hear(c.answer)
		}
		d.count(0)
		q := s.trusted("all") // a role without an authorizer
		q.say(`[48,1,{},"com.nobody"]`)
		q.hear(`[8,48,1,{},"wamp.error.no_such_procedure","*"]`)
		d.count(0)
	})
}

func TestAuthorizerAnswers(t *testing.T) {
	for answer, want := range map[string]string{
		`[true]`:                           "",
		`[{"allow":true}]`:                 "",
		`[],{"allow":true}`:                "",
		`[{"allow":true,"cache":null}]`:    "",
		`[false]`:                          "not_authorized",
		`[{"allow":false}]`:                "not_authorized",
		`!wamp.error.not_authorized`:       "not_authorized",
		`!wamp.error.runtime_error`:        "authorization_failed",
		`!com.error.out_of_order`:          "authorization_failed",
		`[]`:                               "authorization_failed",
		`[null]`:                           "authorization_failed",
		`[1]`:                              "authorization_failed",
		`["true"]`:                         "authorization_failed",
		`[{}]`:                             "authorization_failed",
		`[{"allow":1}]`:                    "authorization_failed",
		`[{"allow":true,"cache":"no"}]`:    "authorization_failed",
		`[{"allow":true,"disclose":"no"}]`: "authorization_failed",
		`[{"allow":true,"x":"` + strings.Repeat("x", maxAnswer) + `"}]`: "authorization_failed",
	} {
		tell(t, Options{}, authorized(), func(s *story) {
			d := s.desk(authorizer, answer)
			p := s.join(hello)
			p.say(`[32,1,{},"com.a"]`)
			if want == "" {
				p.hear(`[33,1,"*"]`)
			} else {
				p.hear(`[8,32,1,{},"wamp.error.` + want + `"]`)
			}
			d.count(1)
		})
	}
}

func TestAuthorizerDiscloses(t *testing.T) {
	tell(t, Options{}, authorized(), func(s *story) {
		s.desk(authorizer, `[{"allow":true,"disclose":true}]`)
		q := s.trusted("all")
		q.say(`[64,1,{},"com.x"]`)
		q.hear(`[65,1,"*"]`)
		q.say(`[32,2,{},"com.a"]`)
		q.hear(`[33,2,"*"]`)
		p := s.join(hello)
		p.say(`[16,1,{},"com.a"]`)
		q.hear(`[36,"*","*",{"publisher":"*","publisher_authid":"*","publisher_authrole":"guest"}]`)
		p.say(`[48,2,{},"com.x"]`)
		q.hear(`[68,1,"*",{"caller":"*","caller_authid":"*","caller_authrole":"guest"}]`)
	})
}

func TestDecisionsAreKept(t *testing.T) {
	tell(t, Options{}, authorized(), func(s *story) {
		d := s.desk(`[64,1,{"invoke":"roundrobin"},"com.may"]`, `[true]`)
		p := s.join(hello)
		publish := func(uri string, times int) {
			for range times {
				p.say(`[16,1,{"acknowledge":true},"` + uri + `"]`)
				p.hear(`[17,1,"*"]`)
			}
		}
		publish("com.a", 3)
		d.count(1)
		publish("com.b", 2) // another topic
		d.count(2)
		p.say(`[32,1,{},"com.a"]`) // another action
		p.hear(`[33,1,"*"]`)
		d.count(3)
		p.say(`[32,1,{"match":"prefix"},"com.a"]`) // another pattern
		p.hear(`[33,1,"*"]`)
		d.count(4)
		q := s.join(hello) // another session
		q.say(`[16,1,{"acknowledge":true},"com.a"]`)
		p.hear(`[36,"*","*",{}]`, `[36,"*","*",{"topic":"com.a"}]`)
		q.hear(`[17,1,"*"]`)
		d.count(5)
		time.Sleep(decisionAge - time.Second)
		publish("com.a", 1)
		d.count(5)
		time.Sleep(time.Second)
		publish("com.a", 2)
		d.count(6)
		other := s.desk(`[64,1,{"invoke":"roundrobin"},"com.may"]`, `[false]`) // may think otherwise
		for range 2 {
			p.say(`[16,1,{"acknowledge":true},"com.a"]`)
			p.say(`[16,1,{"acknowledge":true},"com.b"]`)
			<-p.heard
			<-p.heard
		}
		d.count(7)
		other.count(1)
	})
}

func TestDecisionsThatAreNotKept(t *testing.T) {
	tell(t, Options{}, authorized(), func(s *story) {
		d := s.desk(authorizer, `[{"allow":true,"cache":false}]`, `[{"allow":false,"cache":false}]`, `[false]`)
		p := s.join(hello)
		for i, want := range []string{`[33,1,"*"]`, `[8,32,1,{},"wamp.error.not_authorized"]`, `[8,32,1,{},"wamp.error.not_authorized"]`, `[8,32,1,{},"wamp.error.not_authorized"]`} {
			p.say(`[32,1,{},"com.a"]`)
			p.hear(want)
			d.count(min(i+1, 3))
		}
	})
}

// The cached answers of a session are bounded, and frequent ones stay.
func TestDecisionsAreBounded(t *testing.T) {
	tell(t, Options{}, authorized(), func(s *story) {
		d := s.desk(authorizer, `[true]`)
		p := s.join(hello)
		for i := range maxDecisions + 1 {
			time.Sleep(time.Millisecond)
			p.say(fmt.Sprintf(`[16,1,{"acknowledge":true},"com.%d"]`, i))
			p.hear(`[17,1,"*"]`)
		}
		d.count(maxDecisions + 1)
		for _, i := range []int{1, maxDecisions} {
			p.say(fmt.Sprintf(`[16,1,{"acknowledge":true},"com.%d"]`, i))
			p.hear(`[17,1,"*"]`)
		}
		d.count(maxDecisions + 1)
		p.say(`[16,1,{"acknowledge":true},"com.0"]`) // the oldest had to go
		p.hear(`[17,1,"*"]`)
		d.count(maxDecisions + 2)
		for _, member := range s.router.realm([]byte("realm1")).sessions() {
			synctest.Wait()
			if n := len(member.decisions.answers); n > maxDecisions {
				t.Errorf("%d decisions are kept", n)
			}
		}
	})
}

func TestAuthorizerDoesNotWork(t *testing.T) {
	tell(t, Options{AskTimeout: 3 * time.Second}, authorized(), func(s *story) {
		p := s.join(hello)
		attempt := func(want string, after time.Duration) {
			t.Helper()
			start := time.Now()
			p.say(`[32,1,{},"com.a"]`)
			p.hear(want)
			if got := time.Since(start); got != after {
				t.Errorf("answered after %v, not %v", got, after)
			}
		}
		const broken = `[8,32,1,{},"wamp.error.authorization_failed"]`
		attempt(broken, 0) // it is not there
		d := s.desk(authorizer, ``, ``, `[true]`)
		attempt(broken, 3*time.Second) // it is slow
		d.interrupted(1)
		time.AfterFunc(time.Second, func() { d.conn.Close() })
		attempt(broken, time.Second) // it crashes
		p.say(`[16,1,{},"com.b"]`)
		p.silent() // a PUBLISH without acknowledge is never answered
		s.desk(authorizer, `[true]`)
		attempt(`[33,1,"*"]`, 0) // it is back
	})
}

// While a session waits for the authorizer, its earlier messages are delivered and other sessions continue.
func TestOthersDoNotWaitForTheAuthorizer(t *testing.T) {
	tell(t, Options{}, authorized(), func(s *story) {
		s.desk(authorizer, ``)
		sub, p := s.join(hello), s.join(hello)
		sub.say(`[32,1,{},"com.free.a"]`)
		sub.hear(`[33,1,"*"]`)
		start := time.Now()
		p.sayAll(`[16,1,{},"com.free.a",["first"]]`, `[48,2,{},"com.asks"]`, `[16,3,{},"com.free.a",["second"]]`)
		sub.hear(`[36,"*","*",{},["first"]]`)
		sub.say(`[16,2,{"acknowledge":true,"exclude_me":false},"com.free.a",["own"]]`)
		sub.hear(`[36,"*","*",{},["own"]]`, `[17,2,"*"]`)
		if time.Since(start) != 0 {
			t.Errorf("the others waited for %v", time.Since(start))
		}
		p.hear(`[8,48,2,{},"wamp.error.authorization_failed"]`)
		sub.hear(`[36,"*","*",{},["second"]]`) // in order
	})
}

// A session that offers the authorizer does not wait for itself.
func TestAuthorizerIsNotAskedAboutItself(t *testing.T) {
	realm := authorized()
	realm.Roles = append(realm.Roles, auth.NewRole("guard", []auth.Permission{{URI: "com.may", Allow: auth.Register}}).WithAuthorizer("com.may"))
	tell(t, Options{}, realm, func(s *story) {
		p := s.trusted("guard")
		p.say(authorizer)
		p.hear(`[65,1,"*"]`)
		start := time.Now()
		p.say(`[48,2,{},"com.x"]`)
		p.hear(`[8,48,2,{},"wamp.error.authorization_failed"]`)
		if time.Since(start) != 0 {
			t.Errorf("after %v", time.Since(start))
		}
	})
}

// Two sessions that authorize each other wait for each other, but not forever.
func TestAuthorizersOfEachOther(t *testing.T) {
	realm := authorized()
	realm.Roles = append(realm.Roles,
		auth.NewRole("a", []auth.Permission{{URI: "com.a", Allow: auth.Register}}).WithAuthorizer("com.b"),
		auth.NewRole("b", []auth.Permission{{URI: "com.b", Allow: auth.Register}}).WithAuthorizer("com.a"))
	tell(t, Options{AskTimeout: time.Second}, realm, func(s *story) {
		a, b := s.trusted("a"), s.trusted("b")
		a.say(`[64,1,{},"com.a"]`)
		a.hear(`[65,1,"*"]`)
		b.say(`[64,1,{},"com.b"]`)
		b.hear(`[65,1,"*"]`)
		start := time.Now()
		a.say(`[48,2,{},"com.x"]`)
		b.say(`[48,2,{},"com.x"]`)
		for _, p := range []*peer{a, b} {
			p.hear(`[68,1,"*",{},"*"]`)
			for range 2 { // its own answer, and the end of the other's wait, in any order
				if got := <-p.heard; got != `[69,1,{"mode":"killnowait"}]` && got != `[8,48,2,{},"wamp.error.authorization_failed"]` {
					t.Errorf("heard %s", got)
				}
			}
		}
		if time.Since(start) != time.Second {
			t.Errorf("after %v", time.Since(start))
		}
	})
}

// An answer about a pattern is valid for its topics. It cannot allow URIs that the permissions forbid.
func TestAuthorizerAllowsAPattern(t *testing.T) {
	tell(t, Options{}, authorized(), func(s *story) {
		d := s.desk(authorizer, `[true]`)
		p, pub := s.join(hello), s.trusted("all")
		pub.say(`[16,1,{"acknowledge":true,"retain":true},"com.free.secret",["retained"]]`)
		pub.hear(`[17,1,"*"]`)
		pub.say(`[16,1,{"acknowledge":true,"retain":true},"com.old",["retained"]]`)
		pub.hear(`[17,1,"*"]`)
		p.say(`[32,1,{"match":"prefix","get_retained":true},"com."]`)
		p.hear(`[33,1,"$sub"]`, `[36,"$sub","*",{"topic":"com.old","retained":true},["retained"]]`)
		d.count(1)
		for _, topic := range []string{"com.free.a", "com.free.secret", "com.shut", "com.else"} {
			pub.say(`[16,1,{},"` + topic + `"]`)
		}
		p.hear(`[36,"$sub","*",{"topic":"com.free.a"}]`, `[36,"$sub","*",{"topic":"com.else"}]`)
		p.silent()
		d.count(1)
		p.say(`[64,2,{"match":"prefix"},"com.some."]`)
		p.hear(`[65,2,"*"]`)
		d.count(2)
		p.say(`[64,3,{"match":"prefix"},"com."]`) // procedures are offered by the whole pattern or not at all
		p.hear(`[8,64,3,{},"wamp.error.not_authorized"]`)
	})
}

func TestAuthorizerOfATestament(t *testing.T) {
	tell(t, Options{}, authorized(), func(s *story) {
		d := s.desk(authorizer, `[true]`, `[true]`, `[false]`, `[{"allow":true,"disclose":true}]`)
		sub, p := s.trusted("all"), s.join(hello)
		sub.say(`[32,1,{},"com.will"]`)
		sub.hear(`[33,1,"*"]`)
		p.say(`[48,1,{},"wamp.session.add_testament",["com.will",["gone"],{}],{"publish_options":{"exclude_me":true}}]`)
		p.hear(`[50,1,{}]`)
		p.say(`[48,2,{},"wamp.session.add_testament",["com.other",["gone"],{}]]`)
		p.hear(`[8,48,2,{},"wamp.error.not_authorized"]`)
		if asked := d.count(3)[1]; !strings.HasSuffix(asked, `,"com.will","publish",{"exclude_me":true}]`) {
			t.Errorf("asked %s", asked)
		}
		p.conn.Close()
		sub.hear(`[36,"*","*",{"publisher":"*","publisher_authid":"*","publisher_authrole":"guest"},["gone"]]`)
		d.count(4) // again for the publication
	})
}

// A call whose arguments arrive in chunks is authorized once.
func TestAuthorizerOfAProgressiveCall(t *testing.T) {
	tell(t, Options{}, authorized(), func(s *story) {
		d := s.desk(authorizer, `[{"allow":true,"cache":false}]`)
		callee, p := s.trusted("all"), s.join(helloAll)
		callee.say(`[64,1,{},"com.x"]`)
		callee.hear(`[65,1,"*"]`)
		p.sayAll(`[48,1,{"progress":true},"com.x",[1]]`, `[48,1,{"progress":true},"com.x",[2]]`, `[48,1,{},"com.x",[3]]`)
		callee.hear(`[68,1,"*",{"progress":true},[1]]`, `[68,1,"*",{"progress":true},[2]]`, `[68,1,"*",{},[3]]`)
		d.count(1)
	})
}

func TestCloseWhileAnAuthorizerIsAsked(t *testing.T) {
	tell(t, Options{AskTimeout: time.Hour}, authorized(), func(s *story) {
		d := s.desk(authorizer, ``)
		p := s.join(hello)
		p.say(`[48,1,{},"com.x"]`)
		d.count(1)
		s.closesSoon()
	})
}

// A session that ends while it waits for the authorizer leaves no state.
func TestPeerLeavesWhileAnAuthorizerIsAsked(t *testing.T) {
	tell(t, Options{AskTimeout: time.Minute}, authorized(), func(s *story) {
		d := s.desk(authorizer, ``)
		p := s.join(hello)
		p.say(`[48,1,{},"com.x"]`)
		d.count(1)
		p.conn.Close()
		synctest.Wait()
		d.say(`[70,1,{},[true]]`)
		if err := <-p.ended; err == nil {
			t.Error("a session without a peer")
		}
	})
}

// A cached decision, and a permission that decides first, cost a publisher no allocation beyond the URI.
func BenchmarkPublishAuthorized(b *testing.B) {
	list := seated(b, wamp.CBOR, wamp.CBOR)
	pub, sub := list[0], list[1]
	turn := turns.New().(*turn)
	if err := sub.handle(turn, encode(b, sub.serializer, `[32,1,{},"bench.topic.a"]`)); err != nil {
		b.Fatal(err)
	}
	pub.rights.Store(auth.NewRole("guest", nil).WithAuthorizer("com.may"))
	pub.decisions.keep(nil, question{auth.Publish, wamp.Exact, "bench.topic.a"}, decision{allow: true, made: time.Now()})
	data := encode(b, pub.serializer, published)
	benchmark(b, func() {
		if err := pub.handle(turn, data); err != nil {
			b.Fatal(err)
		}
		turn.flush()
	})
}

// A query for past events needs the permissions of a subscriber. The authorizer is called, and it cannot override a
// denial by the permissions.
func TestAuthorizerDecidesAboutHistory(t *testing.T) {
	realm := authorized()
	realm.History = []HistoryRule{comRule, {URI: "com.free.", Match: wamp.Prefix}, {URI: "com.shut"}}
	realm.Roles[1] = auth.NewRole("guest", []auth.Permission{
		{URI: "wamp.", Match: wamp.Prefix, Allow: auth.Call},
		{URI: "com.free.", Match: wamp.Prefix, Allow: auth.Everything},
		{URI: "com.free.secret", Allow: auth.Publish},
		{URI: "com.shut", Allow: 0},
	}).WithAuthorizer("com.may")
	tell(t, Options{}, realm, func(s *story) {
		d := s.desk(authorizer, `[false]`, `[{"allow":true,"cache":true}]`)
		publisher, p := s.trusted("all"), s.join(hello)
		for i, topic := range []string{"com.a", "com.free.b", "com.free.secret", "com.shut"} {
			publisher.say(fmt.Sprintf(`[16,%d,{"acknowledge":true},%q,[%q]]`, i+1, topic, topic))
			publisher.hear(`[17,"*","*"]`)
		}
		// Covered by permissions: the authorizer is not called.
		p.findsHistory("sub", "com.free.", wamp.Prefix)
		p.past(`{}`, "com.free.b")
		delete(s.kept, "sub")
		publisher.findsHistory("sub", "com.shut", wamp.Exact)
		p.say(`[48,1,{},"wamp.subscription.get_events",["$sub"]]`)
		p.hear(`[8,48,1,{},"wamp.error.not_authorized"]`)
		d.count(0)
		// Not covered: the authorizer refuses, then allows, and that is cached.
		delete(s.kept, "sub")
		publisher.findsHistory("sub", "com.", wamp.Prefix)
		p.say(`[48,2,{},"wamp.subscription.get_events",["$sub"]]`)
		p.hear(`[8,48,2,{},"wamp.error.not_authorized"]`)
		d.count(1)
		time.Sleep(decisionAge)
		p.past(`{}`, "com.a", "com.free.b")
		p.past(`{"limit":1}`, "com.a")
		const want = `["*","com.","subscribe",{"match":"prefix"}]`
		asked := d.count(2)
		if err := s.kept.Check(want, asked[1]); err != nil {
			t.Error(err)
		}
		// Another session has no cached answer.
		q := s.join(hello)
		q.past(`{}`, "com.a", "com.free.b")
		d.count(3)
	})
}

// A missing authorizer, or an invalid answer, gives no permission.
func TestAuthorizerFailsHistory(t *testing.T) {
	realm := authorized()
	realm.History = []HistoryRule{comRule}
	realm.Roles[1] = auth.NewRole("guest", []auth.Permission{{URI: "wamp.", Match: wamp.Prefix, Allow: auth.Call}}).WithAuthorizer("com.may")
	tell(t, Options{}, realm, func(s *story) {
		p := s.join(hello)
		p.findsHistory("sub", "com.", wamp.Prefix)
		p.say(`[48,1,{},"wamp.subscription.get_events",["$sub"]]`)
		p.hear(`[8,48,1,{},"wamp.error.authorization_failed"]`)
		s.desk(authorizer, `[1]`)
		p.say(`[48,2,{},"wamp.subscription.get_events",["$sub"]]`)
		p.hear(`[8,48,2,{},"wamp.error.authorization_failed"]`)
	})
}
