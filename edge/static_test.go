package edge

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"runnel/edge/auth"
	"runnel/transport/memory"
)

// seen holds the messages that an unknown peer gets in a failed authentication, without the random parts.
func (s *story) seen(hello, answer, authid string) (what string) {
	s.Helper()
	start := time.Now()
	p := s.connect(memory.Options{})
	p.say(hello)
	m := decode(p.T, <-p.heard).([]any)
	if fmt.Sprint(m[0]) != "4" {
		s.Fatalf("%s: heard %v", authid, m)
	}
	extra := m[2].(map[string]any)
	what = fmt.Sprint(m[1], " ", slices.Sorted(maps.Keys(extra)), " after ", time.Since(start), " ", extra["kdf"], extra["iterations"], extra["memory"], extra["keylen"])
	if text, ok := extra["challenge"].(string); ok && text[0] == '{' {
		words := decode(p.T, text).(map[string]any)
		if words["authid"] != authid {
			s.Errorf("%s: challenge %s", authid, text)
		}
		what += fmt.Sprint(words["authrole"], words["authprovider"], words["authmethod"], slices.Sorted(maps.Keys(words)))
	}
	if answer == "" {
		return what
	}
	start = time.Now()
	p.say(answer)
	p.hear(refusedHello)
	return what + fmt.Sprint(" refused after ", time.Since(start))
}

// TestStrangersLookLikePrincipals: where an authenticator decides, too, static principals are challenged and refused in the
// same form and after the same time as unknown peers, whatever the authenticator does.
func TestStrangersLookLikePrincipals(t *testing.T) {
	scram, err := auth.NewSCRAM("secret", "pbkdf2", 5000, 0)
	if err != nil {
		t.Fatal(err)
	}
	principals, err := auth.NewPrincipals([]auth.Principal{
		{Authid: "ann", Role: "all", Ticket: "secret", CRA: &auth.CRA{Secret: "secret"}, SCRAM: &scram, Keys: []ed25519.PublicKey{private.Public().(ed25519.PublicKey)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	proof := "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for method, c := range map[string]struct{ extra, answer string }{
		"ticket":     {"{}", `[5,"wrong",{}]`},
		"wampcra":    {"{}", `[5,"` + proof + `",{}]`},
		"wamp-scram": {`{"nonce":"abcd"}`, ""},
		"cryptosign": {"{}", `[5,"` + fmt.Sprintf("%0128d", 0) + `",{}]`},
	} {
		for _, latency := range []time.Duration{0, 700 * time.Millisecond} {
			t.Run(fmt.Sprint(method, " ", latency), func(t *testing.T) {
				realm := decided(t, method)
				realm.Principals = principals
				tell(t, Options{}, realm, func(s *story) {
					d := s.trusted("all")
					d.say(authenticator)
					d.hear(`[65,1,"*"]`)
					go func() {
						for text := range d.heard {
							m := decode(d.T, text).([]any)
							if fmt.Sprint(m[0]) != "68" {
								continue
							}
							time.Sleep(latency)
							d.say(fmt.Sprintf(`[70,%v,{},[null]]`, m[1]))
						}
					}()
					hello := func(authid string) string {
						return fmt.Sprintf(`[1,"realm1",{"roles":{"caller":{}},"authid":%q,"authmethods":[%q],"authextra":%s}]`, authid, method, c.extra)
					}
					known := s.seen(hello("ann"), c.answer, "ann")
					for _, authid := range []string{"bob", "joe", "eve"} {
						if stranger := s.seen(hello(authid), c.answer, authid); stranger != known {
							t.Errorf("a stranger sees %s\na principal sees %s", stranger, known)
						}
					}
				})
			})
		}
	}
}
