package edge

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// ruled is a realm with the permissions for role "guest". Anonymous sessions have role "all".
func ruled(permissions ...auth.Permission) RealmOptions {
	realm := openRealm()
	realm.Roles = append(realm.Roles, auth.NewRole("guest", permissions))
	return realm
}

func (s *story) update(realm RealmOptions) {
	s.Helper()
	if err := s.router.UpdateRealm(realm); err != nil {
		s.Fatal(err)
	}
}

func (s *story) guest() *peer { return s.joinAs(memory.Options{Authid: "g", Role: "guest"}, helloAll) }

func TestUpdateRevokes(t *testing.T) {
	both := auth.Permission{URI: "com.", Match: wamp.Prefix, Allow: auth.Everything}
	tell(t, Options{}, ruled(both), func(s *story) {
		p, other := s.guest(), s.join(helloAll)
		for _, each := range []*peer{p, other} {
			each.say(`[32,1,{},"com.a"]`)
			each.hear(`[33,1,"$a"]`)
			each.say(`[32,2,{},"com.b"]`)
			each.hear(`[33,2,"$b"]`)
		}
		p.say(`[64,3,{},"com.p"]`)
		p.hear(`[65,3,"$p"]`)
		p.say(`[64,4,{},"com.q"]`)
		p.hear(`[65,4,"$q"]`)

		s.update(ruled(both, auth.Permission{URI: "com.a", Allow: auth.Publish}, auth.Permission{URI: "com.p", Allow: auth.Call}))
		p.hear(`[35,0,{"subscription":"$a","reason":"no longer permitted"}]`, `[67,0,{"registration":"$p","reason":"no longer permitted"}]`)
		p.say(`[32,5,{},"com.a"]`)
		p.hear(`[8,32,5,{},"wamp.error.not_authorized"]`)
		p.say(`[16,6,{"acknowledge":true},"com.a"]`)
		p.hear(`[17,6,"*"]`)
		other.hear(`[36,"$a","*",{}]`)
		other.say(`[16,3,{"exclude_me":false},"com.b",[7]]`)
		other.hear(`[36,"$b","*",{},[7]]`)
		p.hear(`[36,"$b","*",{},[7]]`)
		other.say(`[48,4,{},"com.q"]`)
		p.hear(`[68,1,"$q",{}]`)
		p.say(`[70,1,{}]`)
		other.hear(`[50,4,{}]`)
		other.say(`[48,5,{},"com.p"]`)
		other.hear(`[8,48,5,{},"wamp.error.no_such_procedure",["*"]]`)

		s.update(ruled(both))
		p.say(`[32,7,{},"com.a"]`)
		p.hear(`[33,7,"$a"]`)
	})
}

// A pattern that is allowed in part stays, without the topics that are not allowed.
func TestUpdateGuardsPatterns(t *testing.T) {
	prefix := auth.Permission{URI: "com.", Match: wamp.Prefix, Allow: auth.Everything}
	tell(t, Options{}, ruled(prefix), func(s *story) {
		p, pub := s.guest(), s.join(hello)
		p.say(`[32,1,{"match":"prefix"},"com.x."]`)
		p.hear(`[33,1,"$sub"]`)
		p.say(`[64,2,{"match":"prefix"},"com.y."]`)
		p.hear(`[65,2,"$reg"]`)
		s.update(ruled(prefix, auth.Permission{URI: "com.x.secret"}, auth.Permission{URI: "com.y.secret"}))
		p.hear(`[67,0,{"registration":"$reg","reason":"no longer permitted"}]`) // a pattern is registered as a whole or not at all
		pub.say(`[16,1,{},"com.x.secret"]`)
		p.silent()
		pub.say(`[16,2,{},"com.x.open"]`)
		p.hear(`[36,"$sub","*",{"topic":"com.x.open"}]`)
		s.update(ruled(prefix))
		pub.say(`[16,3,{},"com.x.secret"]`)
		p.hear(`[36,"$sub","*",{"topic":"com.x.secret"}]`)
	})
}

func TestUpdateEndsSessions(t *testing.T) {
	realm := func(list ...auth.Principal) RealmOptions {
		who, err := auth.NewPrincipals(list)
		if err != nil {
			t.Fatal(err)
		}
		o := ruled()
		o.Roles = append(o.Roles, auth.NewRole("user", nil), auth.NewRole("admin", nil))
		o.Principals = who
		return o
	}
	joe := auth.Principal{Authid: "joe", Role: "user", Ticket: "x"}
	jim := auth.Principal{Authid: "jim", Role: "user", Ticket: "x"}
	mary := auth.Principal{Authid: "mary", Role: "user", Ticket: "x"}
	tell(t, Options{}, realm(joe, jim, mary), func(s *story) {
		byTicket := func(authid string) *peer {
			p := s.connect(memory.Options{})
			p.say(`[1,"realm1",{"roles":{"caller":{}},"authmethods":["ticket"],"authid":"` + authid + `"}]`)
			p.hear(`[4,"ticket",{}]`)
			p.say(`[5,"x",{}]`)
			p.hear(`[2,"*","*"]`)
			return p
		}
		stays, leaves, changes, anonymous, guest := byTicket("joe"), byTicket("jim"), byTicket("mary"), s.join(hello), s.guest()
		mary.Role, joe.Ticket = "admin", "another"
		next := realm(joe, mary)
		next.Roles = append(next.Roles[:1:1], next.Roles[2:]...) // without "guest"
		s.update(next)
		for _, p := range []*peer{leaves, changes, guest} {
			p.hear(`[6,{"message":"*"},"wamp.close.killed"]`)
			p.say(`[6,{},"wamp.close.goodbye_and_out"]`)
			if err := p.closed(); err != nil {
				t.Error(err)
			}
		}
		stays.silent()
		anonymous.silent()
		stranger := s.connect(memory.Options{Role: "guest", Authid: "g"})
		stranger.say(hello)
		stranger.hear(`[3,{"message":"*"},"wamp.error.no_such_role"]`)
		next.Anonymous = ""
		s.update(next)
		anonymous.hear(`[6,{"message":"*"},"wamp.close.killed"]`)
		stays.silent()
	})
}

// A peer that ignores GOODBYE gets no more messages, and is disconnected.
func TestUpdateExpels(t *testing.T) {
	tell(t, Options{}, ruled(auth.Permission{Match: wamp.Prefix, Allow: auth.Everything}), func(s *story) {
		p, pub := s.guest(), s.join(hello)
		p.say(`[32,1,{},"com.a"]`)
		p.hear(`[33,1,"*"]`)
		s.update(openRealm())
		p.hear(`[6,{"message":"*"},"wamp.close.killed"]`)
		pub.say(`[16,1,{},"com.a"]`)
		if err := p.closed(); err == nil {
			t.Error("no error")
		}
	})
}

func TestUpdateRefused(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		p := s.join(hello)
		wrong := openRealm()
		wrong.Anonymous = "nobody"
		if err := s.router.UpdateRealm(wrong); err == nil {
			t.Error("an anonymous role that is not there")
		}
		wrong.Name = "realm2"
		if err := s.router.UpdateRealm(wrong); err == nil {
			t.Error("a realm that is not there")
		}
		p.say(`[16,1,{"acknowledge":true},"com.a"]`)
		p.hear(`[17,1,"*"]`)
	})
}

// A policy that changes while a session joins applies to that session.
func TestUpdateWhileJoining(t *testing.T) {
	realm := ruled()
	who, err := auth.NewPrincipals([]auth.Principal{{Authid: "joe", Role: "guest", Ticket: "x"}})
	if err != nil {
		t.Fatal(err)
	}
	realm.Principals = who
	tell(t, Options{}, realm, func(s *story) {
		joining := func() *peer {
			p := s.connect(memory.Options{})
			p.say(`[1,"realm1",{"roles":{"publisher":{}},"authmethods":["ticket"],"authid":"joe"}]`)
			p.hear(`[4,"ticket",{}]`)
			return p
		}
		stays, leaves := joining(), joining()
		next := ruled(auth.Permission{URI: "com.a", Allow: auth.Publish})
		next.Principals = who
		s.update(next)
		stays.say(`[5,"x",{}]`)
		stays.hear(`[2,"*","*"]`)
		stays.say(`[16,1,{"acknowledge":true},"com.a"]`)
		stays.hear(`[17,1,"*"]`)
		next.Principals = nil
		s.update(next)
		leaves.say(`[5,"x",{}]`)
		leaves.hear(`[3,{"message":"*"},"wamp.error.not_authorized"]`)
		stays.hear(`[6,{"message":"*"},"wamp.close.killed"]`)
	})
}

// The decisions of an authorizer stay valid as long as the authorizer is the same.
func TestUpdateAndAuthorizers(t *testing.T) {
	with := func(procedure string, permissions ...auth.Permission) RealmOptions {
		realm := openRealm()
		role := auth.NewRole("guest", permissions)
		if procedure != "" {
			role = role.WithAuthorizer(procedure)
		}
		realm.Roles = append(realm.Roles, role)
		return realm
	}
	tell(t, Options{}, with("may"), func(s *story) {
		judge := s.join(hello)
		judge.say(`[64,1,{},"may"]`)
		judge.hear(`[65,1,"$may"]`)
		p := s.guest()
		p.say(`[32,1,{},"com.a"]`)
		judge.hear(`[68,1,"$may","*",["*","com.a","subscribe","*"]]`)
		judge.say(`[70,1,{},[true]]`)
		p.hear(`[33,1,"$a"]`)
		p.say(`[64,2,{},"com.p"]`)
		judge.hear(`[68,2,"$may","*",["*","com.p","register","*"]]`)
		judge.say(`[70,2,{},[true]]`)
		p.hear(`[65,2,"$p"]`)
		s.update(with("may", auth.Permission{URI: "com.b", Allow: auth.Publish}))
		p.silent()
		s.update(with("may", auth.Permission{URI: "com.a", Allow: auth.Publish}))
		p.hear(`[35,0,{"subscription":"$a","reason":"no longer permitted"}]`)
		s.update(with("may.another"))
		p.hear(`[67,0,{"registration":"$p","reason":"no longer permitted"}]`)
	})
}

func TestRemoveRealm(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		second := openRealm()
		second.Name = "realm2"
		if err := s.router.AddRealm(second); err != nil {
			t.Fatal(err)
		}
		const hello2 = `[1,"realm2",{"roles":{"publisher":{}}}]`
		stays, polite, stubborn := s.join(hello), s.join(hello2), s.join(hello2)
		done := make(chan error, 1)
		go func() { done <- s.router.RemoveRealm("realm2") }()
		polite.hear(`[6,{"message":"*"},"wamp.close.close_realm"]`)
		polite.say(`[6,{},"wamp.close.goodbye_and_out"]`)
		if err := polite.closed(); err != nil {
			t.Error(err)
		}
		stubborn.hear(`[6,{"message":"*"},"wamp.close.close_realm"]`)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if synctest.Wait(); len(stubborn.ended) != 1 {
			t.Error("RemoveRealm returns while a session is there")
		}
		stubborn.closed()
		stays.silent()
		late := s.connect(memory.Options{})
		late.say(hello2)
		late.hear(`[3,{"message":"*"},"wamp.error.no_such_realm"]`)
		if err := s.router.RemoveRealm("realm2"); err == nil {
			t.Error("removed twice")
		}
		if err := s.router.AddRealm(second); err != nil {
			t.Error(err)
		}
		s.join(hello2)
	})
}

func TestEnd(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		stays, leaves := s.joinAs(memory.Options{Name: "a"}, hello), s.joinAs(memory.Options{Name: "b"}, hello)
		joining := s.connect(memory.Options{Name: "b"})
		joining.silent()
		n := s.router.CloseSessions(func(t *wamp.Transport) bool { return t.Listener == "b" }, wamp.CloseNormal, "bye")
		if n != 1 {
			t.Errorf("%d sessions", n)
		}
		leaves.hear(`[6,{"message":"bye"},"wamp.close.normal"]`)
		joining.closed()
		stays.silent()
	})
}

// Requests that are checked while the policy changes are decided by the new policy.
func TestUpdateWhileAsking(t *testing.T) {
	for message, refused := range map[string]string{
		`[32,1,{},"com.a"]`: `[8,32,1,{},"wamp.error.not_authorized"]`,
		`[64,1,{},"com.a"]`: `[8,64,1,{},"wamp.error.not_authorized"]`,
	} {
		asking, decided := openRealm(), ruled()
		asking.Roles = append(asking.Roles, auth.NewRole("guest", nil).WithAuthorizer("may"))
		tell(t, Options{}, asking, func(s *story) {
			judge := s.join(hello)
			judge.say(`[64,1,{},"may"]`)
			judge.hear(`[65,1,"$may"]`)
			p := s.guest()
			p.say(message)
			judge.hear(`[68,1,"$may","*","*"]`)
			s.update(decided)
			judge.say(`[70,1,{},[true]]`)
			p.hear(refused)
		})
	}
}

func TestUpdateLimits(t *testing.T) {
	tell(t, Options{MaxSubscriptions: 1, MaxRegistrations: 1, MaxCalls: 1, MaxRetained: 1, MaxSessions: 1}, RealmOptions{}, func(s *story) {
		p := s.join(helloAll)
		s.connect(memory.Options{}).hear(`[3,"*","wamp.error.unavailable"]`)
		p.say(`[32,1,{},"com.a"]`)
		p.hear(`[33,1,"$a"]`)
		p.say(`[32,2,{},"com.b"]`)
		p.hear(`[8,32,2,{},"wamp.error.unavailable","*"]`)
		p.say(`[64,3,{},"com.p"]`)
		p.hear(`[65,3,"$p"]`)
		p.say(`[64,4,{},"com.q"]`)
		p.hear(`[8,64,4,{},"wamp.error.unavailable","*"]`)
		p.say(`[48,5,{},"com.p"]`)
		p.hear(`[68,1,"$p",{}]`)
		p.say(`[48,6,{},"com.p"]`)
		p.hear(`[8,48,6,{},"wamp.error.unavailable","*"]`)
		p.say(`[16,7,{"retain":true},"com.kept",["x"]]`) // no room

		s.router.Update(Options{MaxSubscriptions: 2, MaxRegistrations: 2, MaxCalls: 2, MaxSessions: 2})
		s.join(hello)
		p.say(`[32,8,{"get_retained":true},"com.kept"]`)
		p.hear(`[33,8,"*"]`)
		p.silent()
		p.say(`[64,9,{},"com.q"]`)
		p.hear(`[65,9,"*"]`)
		p.say(`[48,10,{},"com.p"]`)
		p.hear(`[68,2,"$p",{}]`)
		p.say(`[16,11,{"acknowledge":true,"retain":true,"exclude_me":false},"com.kept",["x"]]`)
		p.hear(`[36,"$s","$kept",{},["x"]]`, `[17,11,"$kept"]`)

		// Items beyond the lowered limits stay, but no more can be added.
		s.router.Update(Options{MaxSubscriptions: 1, MaxRegistrations: 1, MaxCalls: 1, MaxRetained: 1, MaxSessions: 1})
		p.say(`[32,12,{"get_retained":true},"com.kept"]`)
		p.hear(`[33,12,"$s"]`, `[36,"$s","$kept","*",["x"]]`)
		p.say(`[48,13,{},"com.p"]`)
		p.hear(`[8,48,13,{},"wamp.error.unavailable","*"]`)
		p.sayAll(`[70,1,{}]`, `[70,2,{}]`)
		p.hear(`[50,5,{}]`, `[50,10,{}]`)
	})
}

func TestUpdateStrict(t *testing.T) {
	tell(t, Options{}, RealmOptions{}, func(s *story) {
		lax := s.join(hello)
		realm := openRealm()
		realm.Strict = true
		s.update(realm)
		lax.say(`[16,500,{"acknowledge":true},"com.UPPER"]`)
		lax.hear(`[17,500,"*"]`)
		strict := s.join(hello)
		strict.say(`[16,1,{"acknowledge":true},"com.UPPER"]`)
		strict.hear(`[8,16,1,{},"wamp.error.invalid_uri"]`)
		realm.Strict = false
		s.update(realm)
		strict.say(`[16,3,{"acknowledge":true},"com.t"]`)
		strict.hear(`[3,"*","wamp.error.protocol_violation"]`)
		again := s.join(hello)
		again.say(`[16,3,{"acknowledge":true},"com.UPPER"]`)
		again.hear(`[17,3,"*"]`)
	})
}

func TestUpdateHistory(t *testing.T) {
	for _, kept := range []bool{false, true} {
		t.Run(map[bool]string{true: "on disk", false: "in memory"}[kept], func(t *testing.T) {
			realm := withHistory(comRule)
			if kept {
				realm.State = t.TempDir()
			}
			one, two := HistoryRule{URI: "com.", Match: wamp.Prefix, Events: 2}, HistoryRule{URI: "com.a"}
			tell(t, Options{}, realm, func(s *story) {
				p := s.join(helloAll)
				for i, text := range []string{"1", "2", "3"} {
					p.say(fmt.Sprintf(`[16,%d,{"acknowledge":true},"com.a",[%q]]`, i+1, text))
					p.hear(`[17,"*","*"]`)
				}
				p.say(`[32,4,{"match":"prefix"},"com."]`)
				p.hear(`[33,4,"$sub"]`)
				p.past(`{}`, "1", "2", "3")

				// Other limits, and one rule more.
				realm.History = []HistoryRule{one, two}
				s.update(realm)
				time.Sleep(2 * stateDelay) // so that the state on disk is known
				p.past(`{}`, "2", "3")
				p.say(`[16,5,{"acknowledge":true,"exclude_me":false},"com.a",["4"]]`)
				p.hear(`[36,"$sub","*",{"topic":"com.a"},["4"]]`, `[17,5,"*"]`)
				p.past(`{}`, "3", "4")
				delete(s.kept, "sub")
				p.findsHistory("sub", "com.a", wamp.Exact)
				p.past(`{}`, "4")

				// The first history is removed. Its subscribers do not notice.
				realm.History = []HistoryRule{two}
				s.update(realm)
				p.say(`[16,6,{"acknowledge":true,"exclude_me":false},"com.a",["5"]]`)
				p.hear(`[36,"*","*",{"topic":"com.a"},["5"]]`, `[17,6,"*"]`)
				p.past(`{}`, "4", "5")
				delete(s.kept, "sub")
				p.findsHistory("sub", "com.", wamp.Prefix)
				p.past(`{}`)

				// It is added again: from disk, or empty.
				realm.History = []HistoryRule{comRule, two}
				s.update(realm)
				if kept {
					p.past(`{}`, "2", "3", "4")
				} else {
					p.past(`{}`)
				}
				p.say(`[16,7,{"acknowledge":true},"com.a",["6"]]`)
				p.hear(`[17,7,"*"]`)

				// An invalid change has no effect.
				for _, wrong := range [][]HistoryRule{{two, two}, {{URI: "a b"}}, {{URI: "com.", Match: wamp.Prefix, Events: -1}}} {
					realm.History = wrong
					if err := s.router.UpdateRealm(realm); err == nil {
						t.Errorf("%+v is accepted", wrong)
					}
				}
				if kept {
					p.past(`{}`, "2", "3", "4", "6")
				} else {
					p.past(`{}`, "6")
				}
				realm.History = nil
				s.update(realm)
				p.say(`[48,8,{},"wamp.subscription.lookup",["com.a"]]`)
				p.hear(`[50,8,{},[null]]`)
			})
			if !kept {
				return
			}
			realm.History = []HistoryRule{comRule, two}
			tell(t, Options{}, realm, func(s *story) {
				p := s.join(helloAll)
				p.findsHistory("sub", "com.", wamp.Prefix)
				p.past(`{}`, "2", "3", "4", "6")
				delete(s.kept, "sub")
				p.findsHistory("sub", "com.a", wamp.Exact)
				p.past(`{}`, "4", "5", "6")
			})
		})
	}
}

// Histories are added and removed while events are published.
func TestUpdateHistoryRaces(t *testing.T) {
	realm := openRealm()
	realm.State = t.TempDir()
	tell(t, Options{}, realm, func(s *story) {
		p := s.join(helloAll)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 100 {
				realm.History = nil
				if i%2 == 0 {
					realm.History = []HistoryRule{comRule, {URI: "com.a", Events: i + 1}}
				}
				s.update(realm)
			}
		}()
		for i := range 500 {
			p.say(fmt.Sprintf(`[16,%d,{"acknowledge":true},"com.a"]`, i+1))
			p.hear(`[17,"*","*"]`)
		}
		<-done
	})
}
