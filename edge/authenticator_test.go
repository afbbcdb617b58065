package edge

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

const authenticator = `[64,1,{},"com.auth"]`

// decided is a realm where a procedure decides about the methods; static principals take precedence.
func decided(t *testing.T, methods ...string) RealmOptions {
	realm := guarded(t, "")
	realm.Authenticators = map[string]string{}
	for _, method := range methods {
		realm.Authenticators[method] = "com.auth"
	}
	return realm
}

func welcomed(authid, role, method string) string {
	return fmt.Sprintf(`[2,"*",{"roles":"*","agent":"runnel","realm":"realm1","authid":%q,"authrole":%q,"authmethod":%q,"authprovider":"dynamic"}]`,
		authid, role, method)
}

const refusedHello = `[3,{"message":"authentication failed"},"wamp.error.authentication_failed"]`

func TestAuthenticatorSeesTheTicket(t *testing.T) {
	tell(t, Options{}, decided(t, "ticket"), func(s *story) {
		d := s.desk(authenticator, `["sensor"]`, `[{"role":"sensor","authid":"jane","extra":{"a":1}}]`)
		p := s.connect(memory.Options{Serializer: wamp.JSON})
		p.say(`[1,"realm1",{"roles":{"caller":{}},"authid":"joe","authmethods":["cryptosign","ticket"],"authextra":{"x":1}}]`)
		p.hear(`[4,"ticket",{}]`)
		d.count(0)
		p.say(`[5,"secret of joe",{}]`)
		p.hear(`[2,"$id",{"roles":"*","agent":"runnel","realm":"realm1","authid":"joe","authrole":"sensor","authmethod":"ticket","authprovider":"dynamic"}]`)
		asked := d.count(1)[0]
		want := `["realm1","joe",{"authmethod":"ticket","authextra":{"x":1},"session":"$id","ticket":"secret of joe",
			"transport":{"protocol":"memory","network":"memory","serializer":"json","listener":"*","peer":"*"}}]`
		if err := s.kept.Check(want, asked); err != nil {
			t.Error(err)
		}
		q := s.connect(memory.Options{}) // the ticket may identify the peer
		q.say(`[1,"realm1",{"roles":{"caller":{}},"authmethods":["ticket"]}]`)
		q.hear(`[4,"ticket",{}]`)
		q.say(`[5,"secret of jane",{}]`)
		q.hear(`[2,"*",{"roles":"*","agent":"runnel","realm":"realm1","authid":"jane","authrole":"sensor","authmethod":"ticket","authprovider":"dynamic","authextra":{"a":1}}]`)
		if asked := d.count(2)[1]; !strings.HasPrefix(asked, `["realm1",null,`) {
			t.Errorf("asked %s", asked)
		}
		q.say(`[48,1,{},"com.auth",[]]`) // joining does not imply the permission to call it
		q.hear(`[8,48,1,{},"wamp.error.not_authorized"]`)
	})
}

// joe returns a peer that has sent joe's ticket.
func (s *story) joe() *peer {
	s.Helper()
	p := s.connect(memory.Options{})
	p.say(helloAs("joe", `["ticket"]`))
	p.hear(`[4,"ticket",{}]`)
	p.say(`[5,"secret",{}]`)
	return p
}

// The peer gets the same answer for every failure.
func TestAuthenticatorDoesNotAdmit(t *testing.T) {
	for _, answer := range []string{
		`[null]`, `[]`, `[false]`, `!com.error.who_are_you`, `!wamp.error.not_authorized`, // refusals
		`!wamp.error.runtime_error`, `[true]`, `[""]`, `[1]`, `[["sensor"]]`, `[{}]`, `[{"role":""}]`, `[{"role":1}]`,
		`[{"role":"sensor","authid":2}]`, `[{"role":"sensor","extra":[]}]`, `[{"role":"sensor","realm":"realm2"}]`,
		`["` + strings.Repeat("x", maxAnswer) + `"]`,
	} {
		tell(t, Options{}, decided(t, "ticket"), func(s *story) {
			d := s.desk(authenticator, answer)
			start := time.Now()
			p := s.joe()
			p.hear(refusedHello)
			p.closed()
			d.count(1)
			if time.Since(start) != failureDelay {
				t.Errorf("%.100s: refused after %v", answer, time.Since(start))
			}
		})
	}
	tell(t, Options{}, decided(t, "ticket"), func(s *story) { // it names no authid, nor does HELLO
		s.desk(authenticator, `["sensor"]`)
		p := s.connect(memory.Options{})
		p.say(`[1,"realm1",{"roles":{"caller":{}},"authmethods":["ticket"]}]`)
		p.hear(`[4,"ticket",{}]`)
		p.say(`[5,"secret",{}]`)
		p.hear(refusedHello)
	})
	tell(t, Options{}, decided(t, "ticket"), func(s *story) { // it names a role that there is not
		s.desk(authenticator, `["emperor"]`)
		p := s.joe()
		p.hear(`[3,{"message":"*"},"wamp.error.no_such_role"]`)
	})
}

func TestAuthenticatorDoesNotWork(t *testing.T) {
	attempt := func(s *story, after time.Duration) {
		t.Helper()
		start := time.Now()
		p := s.joe()
		p.hear(refusedHello)
		p.closed()
		if got := time.Since(start); got != after+failureDelay {
			t.Errorf("refused after %v, not %v", got, after+failureDelay)
		}
	}
	tell(t, Options{AskTimeout: 3 * time.Second}, decided(t, "ticket"), func(s *story) {
		attempt(s, 0) // it is not there
		d := s.desk(authenticator, ``)
		attempt(s, 3*time.Second) // it is slow
		d.interrupted(1)
		time.AfterFunc(time.Second, func() { d.conn.Close() })
		attempt(s, time.Second) // it crashes
		s.desk(authenticator, `["sensor"]`)
		p := s.connect(memory.Options{}) // it is back
		p.say(helloAs("joe", `["ticket"]`))
		p.hear(`[4,"ticket",{}]`)
		p.say(`[5,"secret",{}]`)
		p.hear(welcomed("joe", "sensor", "ticket"))
	})
}

func TestStaticPrincipalsAreAskedFirst(t *testing.T) {
	tell(t, Options{}, decided(t, "ticket", "wampcra", "anonymous"), func(s *story) {
		d := s.desk(authenticator, `["all"]`)
		p := s.connect(memory.Options{})
		p.say(helloAs("pump-7", `["wampcra","ticket"]`))
		p.hear(`[4,"ticket",{}]`)
		p.say(`[5,"secret",{}]`)
		p.hear(welcomeAs("pump-7", "sensor", "ticket"))
		p = s.connect(memory.Options{})
		p.say(helloAs("pump-7", `["ticket"]`))
		p.hear(`[4,"ticket",{}]`)
		p.say(`[5,"guess",{}]`)
		p.hear(refusedHello)
		for _, asked := range d.count(2) { // without effect, so that it takes as long as with strangers
			if strings.Contains(asked, "secret") || strings.Contains(asked, "guess") {
				t.Errorf("whom the configuration names is not the authenticator's affair: %s", asked)
			}
		}
		p = s.connect(memory.Options{})
		p.say(helloAs("stranger", `["ticket"]`))
		p.hear(`[4,"ticket",{}]`)
		p.say(`[5,"guess",{}]`)
		p.hear(welcomed("stranger", "all", "ticket"))
		d.count(3)
		p = s.connect(memory.Options{})
		p.say(helloAs("x", `["kerberos"]`))
		p.hear(`[3,{"message":"the realm realm1 offers unix, cryptosign, wampcra, ticket, anonymous"},"wamp.error.no_matching_auth_method"]`)
		p = s.connect(memory.Options{})
		p.say(`[1,"realm1",{"roles":{"caller":{}},"authmethods":["wampcra"]}]`)
		p.hear(`[3,{"message":"wampcra: HELLO.Details has no authid"},"wamp.error.authentication_failed"]`)
	})
	realm := openRealm()
	realm.Anonymous, realm.Authenticators = "", map[string]string{"scram": "com.auth"}
	tell(t, Options{}, realm, func(s *story) {
		p := s.connect(memory.Options{})
		p.say(hello)
		p.hear(`[3,{"message":"the realm realm1 offers wamp-scram, scram"},"wamp.error.authentication_required"]`)
	})
}

// prove answers a WAMP-CRA challenge with the key and returns the rest of the challenge.
func (p *peer) prove(key string) map[string]any {
	p.Helper()
	m := decode(p.T, <-p.heard).([]any)
	extra, ok := m[2].(map[string]any)
	if !ok || m[1] != any("wampcra") {
		p.Fatalf("heard %v, not CHALLENGE", m)
	}
	text := extra["challenge"].(string)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	p.say(fmt.Sprintf(`[5,%q,{}]`, base64.StdEncoding.EncodeToString(mac.Sum(nil))))
	if !strings.Contains(text, `"authprovider":"dynamic"`) {
		p.Errorf("challenge %s", text)
	}
	return extra
}

func TestAuthenticatorForWampCRA(t *testing.T) {
	salted, err := auth.DeriveCRA("secret", "salty", 500, 24)
	if err != nil {
		t.Fatal(err)
	}
	realm := decided(t, "wampcra")
	realm.Principals = nil
	tell(t, Options{}, realm, func(s *story) {
		known := fmt.Sprintf(`[{"role":"sensor","secret":%q,"salt":"salty","iterations":500,"keylen":24}]`, string(salted.Secret))
		d := s.desk(authenticator, `[null]`, known, `!com.error.no`, `[{"role":"sensor"}]`, `["sensor"]`, known, `[{"role":"all","secret":"plain"}]`)
		attempt := func(authid, key, want string) map[string]any {
			t.Helper()
			p := s.connect(memory.Options{})
			p.say(helloAs(authid, `["wampcra"]`))
			extra := p.prove(key)
			p.hear(want)
			if want != refusedHello {
				return extra
			}
			var refused *auth.Refused
			if err := p.closed(); !errors.As(err, &refused) || key != "wrong" && !strings.Contains(refused.Cause, "com.auth") {
				t.Errorf("what the log may say: %v, %v", err, refused)
			}
			return extra
		}
		attempt("ghost", "any", refusedHello)
		ours := attempt("joe", string(salted.Secret), welcomed("joe", "sensor", "wampcra"))
		// From now on unknown peers get the same kind of challenge.
		stranger := attempt("ghost", "any", refusedHello)
		again := attempt("ghost", "any", refusedHello)
		other := attempt("spook", "any", refusedHello)
		for _, name := range []string{"iterations", "keylen"} {
			if ours[name] == nil || fmt.Sprint(ours[name]) != fmt.Sprint(stranger[name]) {
				t.Errorf("%s %v, and for strangers %v", name, ours[name], stranger[name])
			}
		}
		if stranger["salt"] != again["salt"] || stranger["salt"] == other["salt"] || len(other["salt"].(string)) != len("salty") {
			t.Errorf("salts of strangers: %v, %v, %v", stranger["salt"], again["salt"], other["salt"])
		}
		attempt("joe", "wrong", refusedHello)
		attempt("jim", "plain", welcomed("jim", "all", "wampcra"))
		if asked := d.count(7)[0]; strings.Contains(asked, "ticket") {
			t.Errorf("asked %s", asked)
		}
	})
}

func TestAuthenticatorForSCRAM(t *testing.T) {
	keys, err := auth.NewSCRAM("secret", "pbkdf2", 100, 0)
	if err != nil {
		t.Fatal(err)
	}
	in64 := base64.StdEncoding.EncodeToString
	forms := map[string]string{
		"base64": fmt.Sprintf(`"salt":%q,"stored_key":%q,"server_key":%q`, in64(keys.Salt), in64(keys.StoredKey), in64(keys.ServerKey)),
		"hex":    fmt.Sprintf(`"salt":"%x","stored-key":"%x","server-key":"%x"`, []byte(keys.Salt), []byte(keys.StoredKey), []byte(keys.ServerKey)),
		"binary": fmt.Sprintf(`"salt":"\u0000%s","stored_key":"\u0000%s","server_key":"\u0000%s"`, in64(keys.Salt), in64(keys.StoredKey), in64(keys.ServerKey)),
	}
	for form, fields := range forms {
		for _, method := range []string{"wamp-scram", "scram"} {
			tell(t, Options{}, decided(t, "wamp-scram"), func(s *story) {
				s.desk(authenticator, `[{"role":"sensor","authid":"joe@x","extra":{"a":1,"verifier":"forged"},"kdf":"pbkdf2","iterations":100,`+fields+`}]`)
				p := s.connect(memory.Options{})
				p.say(`[1,"realm1",{"roles":{"caller":{}},"authid":"joe","authmethods":["` + method + `"],"authextra":{"nonce":"abcd"}}]`)
				extra := decode(t, <-p.heard).([]any)[2].(map[string]any)
				if extra["salt"] != in64(keys.Salt) || extra["kdf"] != "pbkdf2" {
					t.Fatalf("%s: challenge %v", form, extra)
				}
				proof := scramProof("secret", keys, fmt.Sprintf("n=joe,r=abcd,r=%s,s=%s,i=100,c=%s,r=%s", extra["nonce"], extra["salt"], in64([]byte("n,,")), extra["nonce"]))
				p.say(fmt.Sprintf(`[5,%q,{"nonce":%q}]`, in64(proof), extra["nonce"]))
				welcome := decode(t, <-p.heard).([]any)
				details, _ := welcome[2].(map[string]any)
				proved, _ := details["authextra"].(map[string]any)
				if details["authid"] != "joe@x" || details["authprovider"] != "dynamic" || fmt.Sprint(proved["a"]) != "1" || proved["verifier"] == "forged" || proved["verifier"] == nil {
					t.Errorf("%s, %s: %v", form, method, welcome)
				}
			})
		}
	}
}

func scramProof(password string, keys auth.SCRAM, message string) []byte {
	salted, _ := pbkdf2.Key(sha256.New, password, keys.Salt, keys.Iterations, 32)
	sum := func(key []byte, text string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	proof := sum(salted, "Client Key")
	subtle.XORBytes(proof, proof, sum(keys.StoredKey, message))
	return proof
}

func TestAuthenticatorForSCRAMAnswersNonsense(t *testing.T) {
	good := `"kdf":"pbkdf2","iterations":100,"salt":"c2FsdA==","stored_key":"` + strings.Repeat("00", 32) + `","server_key":"` + strings.Repeat("00", 32) + `"`
	for _, fields := range []string{
		good, // the keys are in hex, and the salt is not
		`"kdf":"pbkdf2"`,
		`"kdf":1`,
		strings.Replace(good, `"iterations":100`, `"iterations":"100"`, 1),
		strings.Replace(good, `"iterations":100`, `"iterations":1e9`, 1),
		strings.Replace(good, `"iterations":100`, `"iterations":-1`, 1),
	} {
		tell(t, Options{}, decided(t, "scram"), func(s *story) {
			s.desk(authenticator, `[{"role":"sensor",`+fields+`}]`)
			p := s.connect(memory.Options{})
			p.say(`[1,"realm1",{"roles":{"caller":{}},"authid":"joe","authmethods":["wamp-scram"],"authextra":{"nonce":"abcd"}}]`)
			p.hear(`[4,"wamp-scram",{"nonce":"$nonce","salt":"*","kdf":"argon2id13","iterations":"*","memory":"*"}]`)
			p.say(`[5,"` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `",{"nonce":"$nonce"}]`)
			p.hear(refusedHello)
		})
	}
}

func TestAuthenticatorForCryptosign(t *testing.T) {
	private := ed25519.NewKeyFromSeed(append(make([]byte, 31), 7))
	public := private.Public().(ed25519.PublicKey)
	in64 := base64.StdEncoding.EncodeToString
	pubkey := `"authextra":{"pubkey":"` + hex.EncodeToString(public) + `"}`
	for _, c := range []struct{ hello, answer, want string }{
		{pubkey, fmt.Sprintf(`[{"role":"sensor","authid":"k","pubkey":"%x"}]`, []byte(public)), welcomed("k", "sensor", "cryptosign")},
		{pubkey, fmt.Sprintf(`[{"role":"sensor","authid":"k","pubkeys":["%064x",%q]}]`, 1, in64(public)), welcomed("k", "sensor", "cryptosign")},
		{pubkey, fmt.Sprintf(`[{"role":"sensor","authid":"k","pubkey":"\u0000%s"}]`, in64(public)), welcomed("k", "sensor", "cryptosign")},
		{`"authid":"joe"`, fmt.Sprintf(`[{"role":"sensor","pubkey":"%x"}]`, []byte(public)), welcomed("joe", "sensor", "cryptosign")},
		{`"authid":"joe",` + pubkey, fmt.Sprintf(`[{"role":"sensor","pubkey":"%064x"}]`, 1), refusedHello},
		{pubkey, fmt.Sprintf(`[{"role":"sensor","authid":"k","pubkey":"%064x"}]`, 1), refusedHello},
		{pubkey, fmt.Sprintf(`[{"role":"sensor","pubkey":"%x"}]`, []byte(public)), refusedHello}, // who is it?
		{pubkey, `[{"role":"sensor","authid":"k"}]`, refusedHello},
		{pubkey, `[{"role":"sensor","authid":"k","pubkey":1}]`, refusedHello},
		{pubkey, `[{"role":"sensor","authid":"k","pubkey":"\u0000AAAA"}]`, refusedHello},
		{pubkey, `["sensor"]`, refusedHello}, // a role is no key
		{pubkey, `[null]`, refusedHello},
	} {
		realm := decided(t, "cryptosign")
		realm.Principals = nil
		tell(t, Options{}, realm, func(s *story) {
			s.desk(authenticator, c.answer)
			p := s.connect(memory.Options{})
			p.say(`[1,"realm1",{"roles":{"caller":{}},"authmethods":["cryptosign"],` + c.hello + `}]`)
			heard := decode(t, <-p.heard).([]any)
			extra, ok := heard[2].(map[string]any)
			if !ok {
				t.Fatalf("%s: heard %v", c.answer, heard)
			}
			challenge, err := hex.DecodeString(extra["challenge"].(string))
			if err != nil || len(challenge) != 32 {
				t.Fatalf("challenge %v", heard)
			}
			p.say(fmt.Sprintf(`[5,"%x%x",{}]`, ed25519.Sign(private, challenge), challenge))
			p.hear(c.want)
		})
	}
}

func TestAuthenticatorForAnonymous(t *testing.T) {
	tell(t, Options{}, decided(t, "anonymous"), func(s *story) {
		d := s.desk(authenticator, `["sensor"]`, `[{"role":"sensor","authid":"guest-1"}]`, `[null]`)
		p := s.connect(memory.Options{})
		p.say(hello)
		p.hear(welcomed("*", "sensor", "anonymous"))
		d.count(1)
		p = s.connect(memory.Options{})
		p.say(helloAs("x", `["anonymous"]`))
		p.hear(welcomed("guest-1", "sensor", "anonymous"))
		start := time.Now()
		p = s.connect(memory.Options{})
		p.say(helloAs("x", `["anonymous","ticket"]`))
		p.hear(refusedHello)
		if time.Since(start) != failureDelay {
			t.Errorf("refused after %v", time.Since(start))
		}
	})
}

// The authenticator gets the details of the peer's connection.
func TestAuthenticatorSeesTheConnection(t *testing.T) {
	tell(t, Options{}, decided(t, "anonymous"), func(s *story) {
		d := s.desk(authenticator, `["sensor"]`)
		p := s.deaf(memory.Options{})
		transport := p.conn.Transport()
		transport.HasCred, transport.UID, transport.GID, transport.PID = true, 7, 8, 9
		transport.Certificate = &wamp.Certificate{CommonName: "pump", SHA256: "00"}
		p.listen()
		p.say(hello)
		p.hear(`[2,"*","*"]`)
		asked := d.count(1)[0]
		for _, want := range []string{`"credentials":{"gid":8,"pid":9,"uid":7}`, `"certificate":{"common_name":"pump","sha256":"00"}`} {
			if !strings.Contains(asked, want) {
				t.Errorf("asked %s", asked)
			}
		}
	})
}

// Peers that wait for a slow authenticator leave room for the calls about sessions that have joined.
func TestStrangersAskingAreBounded(t *testing.T) {
	tell(t, Options{}, decided(t, "ticket"), func(s *story) {
		d := s.desk(authenticator, ``)
		const crowd = maxAuthenticating + 10
		var peers []*peer
		for range crowd {
			p := s.connect(memory.Options{})
			p.say(helloAs("joe", `["ticket"]`))
			p.hear(`[4,"ticket",{}]`)
			p.say(`[5,"guess",{}]`)
			peers = append(peers, p)
		}
		d.count(maxAuthenticating)
		for _, p := range peers {
			p.hear(refusedHello)
		}
	})
}

func TestCloseWhileAnAuthenticatorIsAsked(t *testing.T) {
	tell(t, Options{AskTimeout: time.Hour}, decided(t, "ticket"), func(s *story) {
		d := s.desk(authenticator, ``)
		for range maxAuthenticating + 1 { // one of them waits before it
			s.joe()
		}
		d.count(maxAuthenticating)
		s.closesSoon()
	})
}

func TestStrangerLeavesWhileAnAuthenticatorIsAsked(t *testing.T) {
	tell(t, Options{}, decided(t, "ticket"), func(s *story) {
		d := s.desk(authenticator, ``)
		p := s.joe()
		d.count(1)
		p.conn.Close()
		synctest.Wait()
		d.say(`[70,1,{},["sensor"]]`)
		if err := <-p.ended; err == nil {
			t.Error("a session without a peer")
		}
	})
}

func TestAuthenticatorOptions(t *testing.T) {
	for name, change := range map[string]func(*RealmOptions){
		"an unknown method":     func(o *RealmOptions) { o.Authenticators = map[string]string{"kerberos": "com.auth"} },
		"by the transport":      func(o *RealmOptions) { o.Authenticators = map[string]string{"tls": "com.auth"} },
		"no URI":                func(o *RealmOptions) { o.Authenticators = map[string]string{"ticket": ""} },
		"a meta procedure":      func(o *RealmOptions) { o.Authenticators = map[string]string{"ticket": "wamp.session.count"} },
		"no strict URI":         func(o *RealmOptions) { o.Strict, o.Authenticators = true, map[string]string{"ticket": "com.Auth"} },
		"anonymous twice":       func(o *RealmOptions) { o.Authenticators = map[string]string{"anonymous": "com.auth"} },
		"an authorizer, no URI": func(o *RealmOptions) { o.Roles = append(o.Roles, auth.NewRole("x", nil).WithAuthorizer("a b")) },
	} {
		realm := openRealm()
		change(&realm)
		if err := NewRouter(Options{}).AddRealm(realm); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Log(err)
		}
	}
}
