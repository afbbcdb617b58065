package edge

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

func TestSteps(t *testing.T) {
	for _, c := range []struct {
		methods []string
		want    [][]string
	}{
		{nil, [][]string{{}, nil}},
		{[]string{"ticket"}, [][]string{{"ticket"}}},
		{[]string{"anonymous"}, [][]string{nil}},
		{[]string{"anonymous", "ticket"}, [][]string{nil, {"ticket"}}},
		{[]string{"ticket", "anonymous"}, [][]string{{"ticket"}, nil}},
		{[]string{"cryptosign", "anonymous", "ticket"}, [][]string{{"cryptosign"}, nil, {"ticket"}}},
	} {
		got := methodRuns(c.methods)
		if !slices.EqualFunc(got, c.want, func(a, b []string) bool { return slices.Equal(a, b) && (a == nil) == (b == nil) }) {
			t.Errorf("%v: %v", c.methods, got)
		}
	}
}

var private = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

func guarded(t *testing.T, anonymous string) RealmOptions {
	uid := 1001
	principals, err := auth.NewPrincipals([]auth.Principal{
		{Authid: "pump-7", Role: "sensor", Ticket: "secret"},
		{Authid: "ann", Role: "all", CRA: &auth.CRA{Secret: "secret"}},
		{Authid: "key", Role: "all", Keys: []ed25519.PublicKey{private.Public().(ed25519.PublicKey)}},
		{Authid: "local", Role: "sensor", UID: &uid},
		{Authid: "lost", Role: "no such role", Ticket: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	realm := openRealm()
	realm.Anonymous, realm.Principals = anonymous, principals
	realm.Roles = append(realm.Roles, auth.NewRole("sensor", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Publish}}))
	return realm
}

func helloAs(authid, methods string) string {
	return fmt.Sprintf(`[1,"realm1",{"roles":{"caller":{}},"authid":%q,"authmethods":%s}]`, authid, methods)
}

func welcomeAs(authid, role, method string) string {
	return fmt.Sprintf(`[2,"*",{"roles":"*","agent":"runnel","realm":"realm1","authid":%q,"authrole":%q,"authmethod":%q,"authprovider":"static"}]`,
		authid, role, method)
}

func TestTicket(t *testing.T) {
	tell(t, Options{}, guarded(t, ""), func(s *story) {
		p := s.connect(memory.Options{})
		p.say(helloAs("pump-7", `["cryptosign","ticket"]`))
		p.hear(`[4,"ticket",{}]`)
		p.say(`[5,"secret",{}]`)
		p.hear(welcomeAs("pump-7", "sensor", "ticket"))
		p.say(`[32,1,{},"com.a"]`)
		p.hear(`[8,32,1,{},"wamp.error.not_authorized"]`)
	})
}

// A wrong guess gets the same late answer, whether the principal exists or not.
func TestWrongTicket(t *testing.T) {
	tell(t, Options{}, guarded(t, "all"), func(s *story) {
		for _, authid := range []string{"pump-7", "nobody", "ann"} {
			start := time.Now()
			p := s.connect(memory.Options{})
			p.say(helloAs(authid, `["ticket","anonymous"]`))
			p.hear(`[4,"ticket",{}]`)
			p.say(`[5,"guess",{}]`)
			p.hear(`[3,{"message":"$message"},"wamp.error.authentication_failed"]`)
			p.closed()
			if time.Since(start) != failureDelay {
				t.Errorf("answered after %v", time.Since(start))
			}
		}
		p := s.connect(memory.Options{})
		p.say(helloAs("lost", `["ticket"]`))
		p.hear(`[4,"ticket",{}]`)
		p.say(`[5,"secret",{}]`)
		p.hear(`[3,{"message":"*"},"wamp.error.no_such_role"]`)
	})
}

func TestWampCRA(t *testing.T) {
	tell(t, Options{}, guarded(t, ""), func(s *story) {
		p := s.connect(memory.Options{})
		p.say(helloAs("ann", `["wampcra"]`))
		p.hear(`[4,"wampcra",{"challenge":"$challenge"}]`)
		challenge := s.kept["challenge"].(string)
		mac := hmac.New(sha256.New, []byte("secret"))
		mac.Write([]byte(challenge))
		p.say(fmt.Sprintf(`[5,%q,{}]`, base64.StdEncoding.EncodeToString(mac.Sum(nil))))
		p.hear(`[2,"$id","*"]`)
		var signed struct{ Session json.Number }
		json.Unmarshal([]byte(challenge), &signed)
		if any(signed.Session) != s.kept["id"] {
			t.Errorf("signed for session %v, joined as %v", signed.Session, s.kept["id"])
		}
	})
}

func TestCryptosign(t *testing.T) {
	tell(t, Options{}, guarded(t, ""), func(s *story) {
		p := s.connect(memory.Options{})
		p.say(`[1,"realm1",{"roles":{"caller":{}},"authmethods":["cryptosign"],"authextra":{"pubkey":"` +
			hex.EncodeToString(private.Public().(ed25519.PublicKey)) + `"}}]`)
		heard := decode(t, <-p.heard).([]any)
		challenge, err := hex.DecodeString(heard[2].(map[string]any)["challenge"].(string))
		if err != nil || len(challenge) != 32 {
			t.Fatalf("challenge %v", heard)
		}
		p.say(fmt.Sprintf(`[5,"%x%x",{}]`, ed25519.Sign(private, challenge), challenge))
		p.hear(welcomeAs("key", "all", "cryptosign"))
	})
}

func TestAuthenticationOrder(t *testing.T) {
	for _, c := range []struct{ name, anonymous, methods, answer string }{
		{"nothing named", "all", `[]`, `[2,"*","*"]`},
		{"nothing named, nobody anonymous", "", `[]`, `[3,{"message":"*"},"wamp.error.authentication_required"]`},
		{"anonymous first", "all", `["anonymous","ticket"]`, `[2,"*","*"]`},
		{"anonymous first, but refused", "", `["anonymous","ticket"]`, `[4,"ticket",{}]`},
		{"anonymous last", "all", `["ticket","anonymous"]`, `[4,"ticket",{}]`},
		{"unknown, then anonymous", "all", `["kerberos","anonymous"]`, `[2,"*","*"]`},
		{"unknown", "all", `["kerberos"]`, `[3,{"message":"*"},"wamp.error.no_matching_auth_method"]`},
		{"not a list", "all", `"ticket"`, `[3,{"message":"*"},"wamp.error.protocol_violation"]`},
		{"not texts", "all", `[1]`, `[3,{"message":"*"},"wamp.error.protocol_violation"]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tell(t, Options{}, guarded(t, c.anonymous), func(s *story) {
				p := s.connect(memory.Options{})
				p.say(helloAs("pump-7", c.methods))
				p.hear(c.answer)
			})
		})
	}
}

func TestPeerCredentials(t *testing.T) {
	tell(t, Options{}, guarded(t, ""), func(s *story) {
		p := s.deaf(memory.Options{})
		p.conn.Transport().HasCred, p.conn.Transport().UID = true, 1001
		p.listen()
		p.say(hello)
		p.hear(welcomeAs("local", "sensor", "unix"))
	})
}

func TestBrokenAuthentication(t *testing.T) {
	for _, c := range []struct{ say, answer string }{
		{`[32,1,{},"com.a"]`, `[3,{"message":"*"},"wamp.error.protocol_violation"]`},
		{hello, `[3,{"message":"*"},"wamp.error.protocol_violation"]`},
	} {
		tell(t, Options{}, guarded(t, ""), func(s *story) {
			p := s.connect(memory.Options{})
			p.say(helloAs("pump-7", `["ticket"]`))
			p.hear(`[4,"ticket",{}]`)
			p.say(c.say)
			p.hear(c.answer)
			p.closed()
		})
	}
	tell(t, Options{HelloTimeout: 3 * time.Second}, guarded(t, ""), func(s *story) { // no answer at all
		p := s.connect(memory.Options{})
		p.say(helloAs("pump-7", `["ticket"]`))
		p.hear(`[4,"ticket",{}]`)
		start := time.Now()
		p.hear(`[3,{"message":"no AUTHENTICATE within 3s"},"wamp.error.timeout"]`)
		p.closed()
		if time.Since(start) != 3*time.Second {
			t.Errorf("closed after %v", time.Since(start))
		}
	})
}
