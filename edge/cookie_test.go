package edge

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// browsers is a realm with users whose passwords are tickets.
func browsers(t *testing.T, password string, users ...string) RealmOptions {
	var list []auth.Principal
	for _, authid := range users {
		list = append(list, auth.Principal{Authid: authid, Role: authid + "s", Ticket: auth.Secret(password)})
	}
	principals, err := auth.NewPrincipals(list)
	if err != nil {
		t.Fatal(err)
	}
	realm := openRealm()
	realm.Principals = principals
	for _, authid := range users {
		realm.Roles = append(realm.Roles, auth.NewRole(authid+"s", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}))
	}
	return realm
}

func withCookies() Options {
	return Options{Cookies: auth.OpenCookies("", slog.New(slog.DiscardHandler))}
}

// browser connects a web client with a cookie; "": without one.
func (s *story) browser(cookie, remote string, fresh bool) *peer {
	ours, theirs := memory.Pipe(memory.Options{})
	theirs.Transport().Remote = remote
	if cookie != "" {
		theirs.Transport().Cookie = &wamp.Cookie{Value: cookie, Fresh: fresh, Age: time.Hour}
	}
	p := s.serve(ours, theirs)
	p.listen()
	return p
}

const home = "10.0.0.1:5000"

// login joins a web client that proves its identity by a ticket, so that its cookie identifies it.
func (s *story) login(cookie, authid, remote string) *peer {
	s.Helper()
	p := s.browser(cookie, remote, false)
	p.say(helloAs(authid, `["ticket"]`))
	p.hear(`[4,"ticket",{}]`)
	p.say(`[5,"secret",{}]`)
	p.hear(`[2,"*","*"]`)
	return p
}

// isCookieOf checks the owner of a cookie; "" means that the cookie has none.
func (s *story) isCookieOf(cookie, authid string) {
	s.Helper()
	p := s.browser(cookie, home, false)
	p.say(helloAs("", `["cookie"]`))
	if authid == "" {
		p.hear(noMethod)
		return
	}
	p.hear(welcomeAs(authid, authid+"s", "cookie"))
	p.say(`[6,{},"wamp.close.normal"]`)
	p.hear(`[6,{},"wamp.close.goodbye_and_out"]`)
}

const noMethod = `[3,{"message":"*"},"wamp.error.no_matching_auth_method"]`

func TestCookieIdentifies(t *testing.T) {
	for _, c := range []struct {
		what, hello, cookie string
		fresh               bool
		answer              string
	}{
		{"no method named", `[1,"realm1",{"roles":{"caller":{}}}]`, "mine", false, welcomeAs("ann", "anns", "cookie")},
		{"cookie", helloAs("ann", `["cookie"]`), "mine", false, welcomeAs("ann", "anns", "cookie")},
		{"no authid", helloAs("", `["ticket","cookie"]`), "mine", false, welcomeAs("ann", "anns", "cookie")},
		{"another authid", helloAs("bob", `["cookie"]`), "mine", false, noMethod},
		{"another method", helloAs("ann", `["ticket"]`), "mine", false, `[4,"ticket",{}]`},
		{"a fresh cookie", helloAs("ann", `["cookie"]`), "mine", true, noMethod},
		{"an unknown cookie", helloAs("ann", `["cookie"]`), "other", false, noMethod},
		{"no cookie", helloAs("ann", `["cookie"]`), "", false, noMethod},
	} {
		tell(t, withCookies(), browsers(t, "secret", "ann", "bob"), func(s *story) {
			s.login("mine", "ann", home)
			p := s.browser(c.cookie, home, c.fresh)
			p.say(c.hello)
			got := <-p.heard
			if err := s.kept.Check(c.answer, got); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
		})
	}
}

// A router that keeps no cookies ignores them.
func TestCookiesAreIgnored(t *testing.T) {
	tell(t, Options{}, browsers(t, "secret", "ann"), func(s *story) {
		p := s.login("mine", "ann", home)
		s.isCookieOf("mine", "")
		other := s.login("other", "ann", home)
		p.say(`[48,1,{},"wamp.session.kill_all"]`)
		p.hear(`[50,1,{},[1]]`)
		other.hear(`[6,{},"wamp.close.killed"]`)
		p.say(`[6,{},"wamp.close.logout"]`)
		p.hear(`[6,{},"wamp.close.goodbye_and_out"]`)
	})
}

// A cookie changes hands at the address where its owner has logged in. From elsewhere it becomes invalid.
func TestCookieGetsAnotherOwner(t *testing.T) {
	tell(t, withCookies(), browsers(t, "secret", "ann", "bob"), func(s *story) {
		s.login("mine", "ann", home)
		s.login("mine", "bob", "10.0.0.1:6000")
		s.isCookieOf("mine", "bob")
		s.login("mine", "ann", "10.0.0.2:5000")
		s.isCookieOf("mine", "")
		s.login("odd", "ann", "no port")
		s.isCookieOf("odd", "ann")
	})
}

func TestLogoutEndsTheCookie(t *testing.T) {
	tell(t, withCookies(), browsers(t, "secret", "ann"), func(s *story) {
		for _, c := range []struct{ cookie, reason, owner string }{
			{"mine", "wamp.close.normal", "ann"}, {"mine", "wamp.close.logout", ""}, {"", "wamp.close.logout", ""},
		} {
			p := s.login(c.cookie, "ann", home)
			p.say(fmt.Sprintf(`[6,{},%q]`, c.reason))
			p.hear(`[6,{},"wamp.close.goodbye_and_out"]`)
			s.isCookieOf(c.cookie, c.owner)
		}
	})
}

// A kill ends the cookies of those whom it is for, connected or not. The caller's own cookie stays.
func TestKillEndsCookies(t *testing.T) {
	const ann, bob, away = "ann's", "bob's", "ann's at home"
	for _, c := range []struct {
		call, answer string
		left         map[string]string
	}{
		{`"wamp.session.kill_by_authid",["ann"]`, `[50,1,{},[["*"]]]`, map[string]string{"own": "ann", ann: "", away: "", bob: "bob"}},
		{`"wamp.session.kill_by_authrole",["bobs"]`, `[50,1,{},[1]]`, map[string]string{"own": "ann", ann: "ann", away: "ann", bob: ""}},
		{`"wamp.session.kill_all"`, `[50,1,{},[2]]`, map[string]string{"own": "ann", ann: "", away: "", bob: ""}},
		{`"wamp.session.kill",["$bob"]`, `[50,1,{}]`, map[string]string{"own": "ann", ann: "ann", away: "ann", bob: ""}},
	} {
		tell(t, withCookies(), browsers(t, "secret", "ann", "bob"), func(s *story) {
			p := s.login("own", "ann", home)
			s.login(ann, "ann", home)
			s.login(away, "ann", home).conn.Close()
			q := s.browser(bob, home, false)
			q.say(helloAs("bob", `["ticket"]`))
			q.hear(`[4,"ticket",{}]`)
			q.say(`[5,"secret",{}]`)
			q.hear(`[2,"$bob","*"]`)
			synctest.Wait()
			p.say(`[48,1,{},` + c.call + `]`)
			p.hear(c.answer)
			for cookie, owner := range c.left {
				s.isCookieOf(cookie, owner)
			}
		})
	}
}

// A session that does not use its cookie can be killed without an end to the cookie's owner.
func TestKillLeavesOthersCookies(t *testing.T) {
	tell(t, withCookies(), browsers(t, "secret", "ann", "bob"), func(s *story) {
		p := s.login("own", "bob", home)
		s.login("mine", "ann", home)
		q := s.browser("mine", home, false)
		q.say(helloAs("", `["anonymous"]`))
		q.hear(`[2,"$guest","*"]`)
		s.join(hello) // without a cookie
		p.say(`[48,1,{},"wamp.session.kill",["$guest"]]`)
		p.hear(`[50,1,{}]`)
		s.isCookieOf("mine", "ann")
		p.say(`[48,2,{},"wamp.session.kill_by_authrole",["all"]]`)
		p.hear(`[50,2,{},"*"]`)
		s.isCookieOf("mine", "ann")
	})
}

// A cookie is valid as long as its owner could log in as before.
func TestUpdateEndsCookies(t *testing.T) {
	users := browsers(t, "secret", "ann", "bob")
	withoutRole := users
	withoutRole.Roles = users.Roles[:2]
	withoutPrincipals := users
	withoutPrincipals.Principals = nil
	asked := users
	asked.Authenticators = map[string]string{"ticket": "com.auth"}
	other := browsers(t, "other secret", "ann", "bob")
	other.Authenticators = asked.Authenticators
	for _, c := range []struct {
		what          string
		before, after RealmOptions
		ann, bob      string
	}{
		{"nothing changes", users, users, "ann", "bob"},
		{"bob's role is removed", users, withoutRole, "ann", ""},
		{"bob is removed", users, browsers(t, "secret", "ann"), "ann", ""},
		{"all are removed", users, withoutPrincipals, "", ""},
		{"a procedure decides about others", users, asked, "ann", "bob"},
		{"the passwords change", asked, other, "", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			opts := withCookies()
			tell(t, opts, c.before, func(s *story) {
				s.login("ann's", "ann", home)
				s.login("bob's", "bob", home)
				s.update(c.after)
				if opts.Cookies.Known("bob's") != (c.bob != "" || c.before.Principals != c.after.Principals && c.after.Authenticators != nil) {
					t.Errorf("bob's cookie is known: %v", opts.Cookies.Known("bob's"))
				}
				s.isCookieOf("ann's", c.ann)
				s.isCookieOf("bob's", c.bob)
			})
		})
	}
}

// A session and a cookie of a client that a procedure has admitted are valid as long as that procedure decides.
func TestUpdateOfAuthenticators(t *testing.T) {
	for _, c := range []struct {
		what  string
		after map[string]string
		stays bool
	}{
		{"same", map[string]string{"ticket": "com.auth"}, true},
		{"another method as well", map[string]string{"ticket": "com.auth", "wampcra": "com.auth.2"}, true},
		{"another procedure", map[string]string{"ticket": "com.auth.2"}, false},
		{"another method", map[string]string{"wampcra": "com.auth"}, false},
		{"none", nil, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			opts, realm := withCookies(), decided(t, "ticket")
			tell(t, opts, realm, func(s *story) {
				s.desk(authenticator, `["sensor"]`)
				first := s.login("mine", "joe", home)
				second := s.browser("mine", home, false)
				second.say(helloAs("joe", `["cookie"]`))
				second.hear(welcomed("joe", "sensor", "cookie"))
				after := realm
				after.Authenticators = c.after
				s.update(after)
				if !c.stays {
					for _, p := range []*peer{first, second} {
						p.hear(`[6,{"message":"*"},"wamp.close.killed"]`)
					}
				}
				p := s.browser("mine", home, false)
				p.say(helloAs("joe", `["cookie"]`))
				if c.stays {
					first.silent()
					second.silent()
					p.hear(welcomed("joe", "sensor", "cookie"))
				} else {
					p.hear(noMethod)
				}
			})
		})
	}
}
