package conformance

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/stage"
)

// The realms that require authentication.
const (
	guarded      = "stage.guarded"      // principals by each method with CHALLENGE
	credentials  = "stage.credentials"  // this user's processes, by Unix socket
	groups       = "stage.groups"       // this group's, likewise
	certificates = "stage.certificates" // TLS clients, by certificate
)

// privateKey is from the specification's test vectors.
var privateKey = ed25519.NewKeyFromSeed(unhex("4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510"))

func unhex(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err) // a constant
	}
	return b
}

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

var (
	unixUser    = os.Getuid()
	unixGroup   = os.Getgid()
	stageClient *tls.Config // of the client whose certificate's digest is in the configuration
)

func guardedRealms(h *stage.House) (map[string]string, error) {
	cra, err := pbkdf2.Key(sha256.New, "pencil", []byte("salt123"), 1000, 32)
	if err != nil {
		return nil, err
	}
	if stageClient, err = h.TLSClient("client"); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(stageClient.Certificates[0].Certificate[0])
	role := "[[realm.role]]\nname = \"user\"\n[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\", \"subscribe\", \"call\", \"register\"]\n"
	principal := func(authid, proof string) string {
		return fmt.Sprintf("[[realm.principal]]\nauthid = %q\nrole = \"user\"\n%s\n", authid, proof)
	}
	return map[string]string{
		guarded: role +
			principal("ticket", `ticket = "pencil"`) +
			principal("cra", `wampcra = { secret = "pencil" }`) +
			principal("salted", fmt.Sprintf(`wampcra = { secret = %q, salt = "salt123", iterations = 1000, keylen = 32 }`, encode64(cra))) +
			principal("argon", record("argon2id13", "iterations = 1, memory = 64")) +
			principal("pbkdf", record("pbkdf2", "iterations = 4096")) +
			principal("key", fmt.Sprintf(`authorized_keys = ["%x"]`, []byte(privateKey.Public().(ed25519.PublicKey)))),
		credentials:  role + principal("local", fmt.Sprintf("uid = %d", unixUser)),
		groups:       role + principal("others", fmt.Sprintf("uid = %d\ngid = %d", unixUser+1, unixGroup)) + principal("group", fmt.Sprintf("gid = %d", unixGroup)),
		certificates: role + principal("named", `certificate = "stage client"`) + principal("digested", fmt.Sprintf(`certificate = "%x"`, digest)),
	}, nil
}

// greet sends HELLO with an authid and authentication methods.
func greet(p *stage.Peer, authid, methods, extra string) {
	p.Helper()
	text := `[1,"@",{"roles":{"caller":{},"publisher":{}},"authmethods":` + methods
	if authid != "" {
		text += fmt.Sprintf(`,"authid":%q`, authid)
	}
	if extra != "" {
		text += `,"authextra":` + extra
	}
	p.Say(text + `}]`)
}

// welcomed checks WELCOME.
func welcomed(p *stage.Peer, authid, method, extra string) {
	p.Helper()
	if extra != "" {
		extra = `,"authextra":` + extra
	}
	p.Hear(fmt.Sprintf(`[2,"$id",{"agent":"*","realm":"@","_node":"*","_durable":"*","roles":"*","authid":%q,"authrole":"user","authmethod":%q,"authprovider":"static"%s}]`,
		authid, method, extra))
}

const failed = `[3,{"message":"*"},"wamp.error.authentication_failed"]`

func TestTicket(t *testing.T) {
	house.EveryIn(t, "right", guarded, func(s *stage.Scene) {
		p := s.Connect()
		greet(p, "ticket", `["ticket"]`, "")
		p.Hear(`[4,"ticket",{}]`)
		p.Say(`[5,"pencil",{}]`)
		welcomed(p, "ticket", "ticket", "")
	})
	for name, c := range map[string]struct{ authid, ticket string }{
		"wrong": {"ticket", "pen"}, "empty": {"ticket", ""}, "nobody": {"nobody", "pencil"}, "another method's secret": {"cra", "pencil"},
	} {
		house.EveryIn(t, name, guarded, func(s *stage.Scene) { // the peer's identity is unknown
			p := s.Connect()
			greet(p, c.authid, `["ticket"]`, "")
			p.Hear(`[4,"ticket",{}]`)
			p.Say(fmt.Sprintf(`[5,%q,{}]`, c.ticket))
			p.Hear(`[3,{"message":"authentication failed"},"wamp.error.authentication_failed"]`)
			p.Closed()
		})
	}
}

// hearCRA waits for CHALLENGE and returns the challenge to sign.
func hearCRA(p *stage.Peer, salt, authid, role, provider string) string {
	p.Helper()
	delete(p.Names, "challenge")
	p.Hear(`[4,"wampcra",{"challenge":"$challenge"` + salt + `}]`)
	text, _ := p.Names["challenge"].(string)
	var c struct {
		Authid, Authrole, Authmethod, Authprovider, Nonce, Timestamp string
		Session                                                      uint64
	}
	at, err := time.Time{}, json.Unmarshal([]byte(text), &c)
	if err == nil {
		at, err = time.Parse(time.RFC3339, c.Timestamp)
	}
	if err != nil || c.Authid != authid || c.Authrole != role || c.Authmethod != "wampcra" || c.Authprovider != provider ||
		len(c.Nonce) < 16 || !wamp.ValidID(c.Session) || time.Since(at).Abs() > time.Hour {
		p.Errorf("challenge %s: %v", text, err)
	}
	return text
}

func answerCRA(p *stage.Peer, secret, authid, role, provider string) {
	p.Helper()
	text := hearCRA(p, "", authid, role, provider)
	p.Say(fmt.Sprintf(`[5,%q,{}]`, encode64(mac([]byte(secret), text))))
}

func TestWAMPCRA(t *testing.T) {
	house.EveryIn(t, "plain", guarded, func(s *stage.Scene) {
		p := s.Connect()
		greet(p, "cra", `["wampcra"]`, "")
		answerCRA(p, "pencil", "cra", "user", "static")
		welcomed(p, "cra", "wampcra", "")
		if challenge := s.Names["challenge"].(string); !strings.Contains(challenge, fmt.Sprintf(`"session":%v`, s.Names["id"])) {
			s.Errorf("joined as %v after %s", s.Names["id"], challenge)
		}
	})
	house.EveryIn(t, "salted", guarded, func(s *stage.Scene) {
		p := s.Connect()
		greet(p, "salted", `["wampcra"]`, "")
		text := hearCRA(p, `,"salt":"salt123","iterations":1000,"keylen":32`, "salted", "user", "static")
		key, err := pbkdf2.Key(sha256.New, "pencil", []byte("salt123"), 1000, 32)
		if err != nil {
			s.Fatal(err)
		}
		p.Say(fmt.Sprintf(`[5,%q,{}]`, encode64(mac([]byte(encode64(key)), text))))
		welcomed(p, "salted", "wampcra", "")
	})
	house.EveryIn(t, "wrong secret", guarded, func(s *stage.Scene) {
		p := s.Connect()
		greet(p, "cra", `["wampcra"]`, "")
		answerCRA(p, "pen", "cra", "user", "static")
		p.Hear(failed)
		p.Closed()
	})
	house.EveryIn(t, "nobody is challenged too", guarded, func(s *stage.Scene) {
		p := s.Connect()
		greet(p, "nobody", `["wampcra"]`, "")
		p.HearOneOf(`[4,"wampcra",{"challenge":"$challenge"}]`, `[4,"wampcra",{"challenge":"$challenge","salt":"*","iterations":1000,"keylen":32}]`)
		p.Say(fmt.Sprintf(`[5,%q,{}]`, encode64(mac([]byte("pencil"), s.Names["challenge"].(string)))))
		p.Hear(failed)
		p.Closed()
	})
	house.EveryIn(t, "the answer to another challenge", guarded, func(s *stage.Scene) {
		p, q := s.Connect(), s.Connect()
		greet(p, "cra", `["wampcra"]`, "")
		first := hearCRA(p, "", "cra", "user", "static")
		greet(q, "cra", `["wampcra"]`, "")
		hearCRA(q, "", "cra", "user", "static")
		q.Say(fmt.Sprintf(`[5,%q,{}]`, encode64(mac([]byte("pencil"), first))))
		q.Hear(failed)
	})
}

func TestCryptosign(t *testing.T) {
	pubkey := hex.EncodeToString(privateKey.Public().(ed25519.PublicKey))
	challenged := func(p *stage.Peer, binding string) []byte {
		p.Helper()
		delete(p.Names, "challenge")
		p.Hear(`[4,"cryptosign",{"challenge":"$challenge","channel_binding":` + binding + `}]`)
		challenge, err := hex.DecodeString(p.Names["challenge"].(string))
		if err != nil || len(challenge) != 32 {
			p.Fatalf("challenge %v", p.Names["challenge"])
		}
		return challenge
	}
	house.EveryIn(t, "signed", guarded, func(s *stage.Scene) {
		p := s.Connect()
		greet(p, "key", `["cryptosign"]`, `{"pubkey":"`+pubkey+`"}`)
		challenge := challenged(p, "null")
		p.Say(fmt.Sprintf(`[5,"%x%x",{}]`, ed25519.Sign(privateKey, challenge), challenge))
		welcomed(p, "key", "cryptosign", "")
	})
	house.EveryIn(t, "without authid", guarded, func(s *stage.Scene) {
		p := s.Connect()
		greet(p, "", `["cryptosign"]`, `{"pubkey":"`+pubkey+`"}`)
		challenge := challenged(p, "null")
		p.Say(fmt.Sprintf(`[5,"%x%x",{}]`, ed25519.Sign(privateKey, challenge), challenge))
		welcomed(p, "key", "cryptosign", "")
	})
	other := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	for name, sign := range map[string]func(challenge []byte) string{
		"another key":       func(c []byte) string { return fmt.Sprintf("%x%x", ed25519.Sign(other, c), c) },
		"another challenge": func(c []byte) string { c[0]++; return fmt.Sprintf("%x%x", ed25519.Sign(privateKey, c), c) },
		"garbage":           func(c []byte) string { return "no hex" },
		"nothing":           func(c []byte) string { return "" },
	} {
		house.EveryIn(t, name, guarded, func(s *stage.Scene) {
			p := s.Connect()
			greet(p, "key", `["cryptosign"]`, `{"pubkey":"`+pubkey+`"}`)
			p.Say(fmt.Sprintf(`[5,%q,{}]`, sign(challenged(p, "null"))))
			p.Hear(failed)
			p.Closed()
		})
	}
	house.EveryIn(t, "an unknown key", guarded, func(s *stage.Scene) {
		p := s.Connect()
		greet(p, "", `["cryptosign"]`, fmt.Sprintf(`{"pubkey":"%x"}`, []byte(other.Public().(ed25519.PublicKey))))
		challenge := challenged(p, "null")
		p.Say(fmt.Sprintf(`[5,"%x%x",{}]`, ed25519.Sign(other, challenge), challenge))
		p.Hear(failed)
		p.Closed()
	})
}

// An authentication that is bound to a TLS connection is invalid on another one.
func TestChannelBinding(t *testing.T) {
	pubkey := hex.EncodeToString(privateKey.Public().(ed25519.PublicKey))
	for _, network := range []string{"tls", "wss"} {
		for _, serializer := range wamp.Serializers {
			t.Run(network+"_"+serializer.String(), func(t *testing.T) {
				s := house.Scene(t, stage.Way{Network: network, Serializer: serializer}, guarded)
				join := func(id func(tls.ConnectionState) []byte) *stage.Peer {
					p := s.Connect()
					delete(s.Names, "challenge")
					greet(p, "key", `["cryptosign"]`, `{"pubkey":"`+pubkey+`","channel_binding":"tls-exporter"}`)
					p.Hear(`[4,"cryptosign",{"challenge":"$challenge","channel_binding":"tls-exporter"}]`)
					signed := unhex(s.Names["challenge"].(string))
					subtle.XORBytes(signed, signed, id(p.TLS.ConnectionState()))
					p.Say(fmt.Sprintf(`[5,"%x%x",{}]`, ed25519.Sign(privateKey, signed), signed))
					return p
				}
				welcomed(join(func(c tls.ConnectionState) []byte {
					id, err := c.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
					if err != nil {
						t.Error(err)
					}
					return id
				}), "key", "cryptosign", "")
				join(func(tls.ConnectionState) []byte { return make([]byte, 32) }).Hear(failed)
			})
		}
	}
	// TLS 1.2 has tls-unique, whose length is not that of a challenge. The signature therefore covers its SHA-256.
	t.Run("tls-unique", func(t *testing.T) {
		s := house.Scene(t, stage.Way{Network: "tls", Serializer: wamp.CBOR}, guarded)
		old := freshTLS(t)
		old.MaxVersion = tls.VersionTLS12
		for _, right := range []bool{true, false} {
			p := s.ConnectBy(s.Way, old)
			delete(s.Names, "challenge")
			greet(p, "key", `["cryptosign"]`, `{"pubkey":"`+pubkey+`","channel_binding":"tls-unique"}`)
			p.Hear(`[4,"cryptosign",{"challenge":"$challenge","channel_binding":"tls-unique"}]`)
			signed := unhex(s.Names["challenge"].(string))
			id := sha256.Sum256(p.TLS.ConnectionState().TLSUnique)
			if right {
				subtle.XORBytes(signed, signed, id[:])
			}
			p.Say(fmt.Sprintf(`[5,"%x%x",{}]`, ed25519.Sign(privateKey, signed), signed))
			if right {
				welcomed(p, "key", "cryptosign", "")
			} else {
				p.Hear(failed)
			}
		}
	})
	t.Run("scram", func(t *testing.T) {
		s := house.Scene(t, stage.Way{Network: "tls", Serializer: wamp.CBOR}, guarded)
		p := s.ConnectBy(s.Way, freshTLS(t))
		end := sha256.Sum256(p.TLS.ConnectionState().PeerCertificates[0].Raw)
		const nonce, kind = "egVDf3DMJh0SBmkFIh7sSo==", "tls-server-end-point"
		greet(p, "pbkdf", `["wamp-scram"]`, `{"nonce":"`+nonce+`","channel_binding":"`+kind+`"}`)
		p.Hear(`[4,"wamp-scram",{"nonce":"$nonce","salt":"$salt","kdf":"pbkdf2","iterations":"$iterations","memory":null}]`)
		client := scramClient{salted: saltedPassword("pbkdf2", "pencil")}
		p.Say(fmt.Sprintf(`[5,%q,{"nonce":"$nonce","channel_binding":%q,"cbind_data":%q}]`, client.prove(p, "pbkdf", nonce, end[:], kind), kind, encode64(end[:])))
		welcomed(p, "pbkdf", "wamp-scram", `{"verifier":"`+client.verifier()+`"}`)
	})
	t.Run("where there is none", func(t *testing.T) { // the client decides whether to continue
		s := house.Scene(t, stage.Way{Network: "tcp", Serializer: wamp.JSON}, guarded)
		p := s.Connect()
		greet(p, "key", `["cryptosign"]`, `{"pubkey":"`+pubkey+`","channel_binding":"tls-unique"}`)
		p.Hear(`[4,"cryptosign",{"challenge":"*","channel_binding":null}]`)
	})
}

func TestAuthenticationOrder(t *testing.T) {
	for name, c := range map[string]struct{ authid, methods, answer string }{
		"the client's order": {"ticket", `["cryptosign","kerberos","ticket"]`, `[4,"ticket",{}]`},
		"none named":         {"ticket", `[]`, `[3,{"message":"*"},"wamp.error.authentication_required"]`},
		"null named":         {"ticket", `null`, `[3,{"message":"*"},"wamp.error.authentication_required"]`},
		"anonymous":          {"", `["anonymous"]`, `[3,{"message":"*"},"wamp.error.no_matching_auth_method"]`},
		"unknown":            {"ticket", `["kerberos"]`, `[3,{"message":"*"},"wamp.error.no_matching_auth_method"]`},
	} {
		house.EveryIn(t, name, guarded, func(s *stage.Scene) {
			p := s.Connect()
			greet(p, c.authid, c.methods, "")
			p.Hear(c.answer)
		})
	}
	house.Every(t, "anonymous where it may be", func(s *stage.Scene) {
		p, q := s.Connect(), s.Connect()
		greet(p, "", `["anonymous","ticket"]`, "")
		p.Hear(`[2,"*","*"]`)
		greet(q, "ann", `["ticket","anonymous"]`, "")
		q.Hear(`[4,"ticket",{}]`)
	})
	for _, say := range []string{`[32,1,{},"~.a"]`, `[1,"@",{"roles":{"caller":{}}}]`, `[5,7,{}]`, `[5,"secret"]`, `[2,1,{}]`} {
		house.EveryIn(t, "instead of AUTHENTICATE: "+say, guarded, func(s *stage.Scene) {
			p := s.Connect()
			greet(p, "ticket", `["ticket"]`, "")
			p.Hear(`[4,"ticket",{}]`)
			p.Say(say)
			p.Hear(violated)
			p.Closed()
		})
	}
}

func TestPeerCredentials(t *testing.T) {
	for _, serializer := range wamp.Serializers {
		t.Run(serializer.String(), func(t *testing.T) {
			s := house.Scene(t, stage.Way{Network: "unix", Serializer: serializer}, credentials)
			p := s.Connect()
			p.Say(stage.Simple)
			welcomed(p, "local", "unix", "")
			q := s.Connect()
			greet(q, "", `["unix"]`, "")
			delete(s.Names, "id")
			welcomed(q, "local", "unix", "")
			g := house.Scene(t, s.Way, groups).Connect()
			g.Say(stage.Simple)
			welcomed(g, "group", "unix", "")
			o := s.ConnectBy(stage.Way{Network: "tcp", Serializer: serializer}, nil)
			o.Say(stage.Simple)
			o.HearOneOf(`[3,{"message":"*"},"wamp.error.authentication_required"]`, `[3,{"message":"*"},"wamp.error.no_such_principal"]`)
		})
	}
}

func TestTLSCertificates(t *testing.T) {
	named, err := house.TLSClient("stage client")
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := house.TLSClient("stranger")
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range []string{"tls", "wss"} {
		t.Run(network, func(t *testing.T) {
			s := house.Scene(t, stage.Way{Network: network, Serializer: wamp.CBOR}, certificates)
			for authid, config := range map[string]*tls.Config{"named": named, "digested": stageClient} {
				for _, hello := range []string{stage.Simple, `[1,"@",{"roles":{"caller":{}},"authmethods":["tls"]}]`} {
					p := s.ConnectBy(s.Way, config)
					p.Say(hello)
					delete(s.Names, "id")
					welcomed(p, authid, "tls", "")
				}
			}
			for _, config := range []*tls.Config{stranger, nil} {
				p := s.ConnectBy(s.Way, config)
				p.Say(stage.Simple)
				p.HearOneOf(`[3,{"message":"*"},"wamp.error.authentication_required"]`, `[3,{"message":"*"},"wamp.error.no_such_principal"]`)
				p.Closed()
			}
		})
	}
}

// A serial line or a listener may identify its peers.
func TestFixedIdentity(t *testing.T) {
	for _, serializer := range wamp.Serializers {
		t.Run(serializer.String(), func(t *testing.T) {
			_, path, _ := strings.Cut(house.More[0], "://")
			w := stage.Way{Network: "unix", Serializer: serializer, Address: path}
			s := house.Scene(t, w, stage.Way{Network: "tcp", Serializer: wamp.JSON}.Realm())
			p, q := s.Connect(), s.Connect()
			p.Say(stage.Simple)
			p.Hear(`[2,"*",{"agent":"*","realm":"@","_node":"*","_durable":"*","roles":"*","authid":"door","authrole":"staff","authmethod":"transport","authprovider":"static"}]`)
			q.Say(`[1,"stage.strict",{"roles":{"caller":{}}}]`)
			q.Hear(`[3,{"message":"*"},"wamp.error.not_authorized"]`)
			q.Closed()
		})
	}
}

// freshTLS returns the configuration of a client that resumes no TLS session. It has a certificate that the router does not
// request.
func freshTLS(t *testing.T) *tls.Config {
	config, err := house.TLSClient("other")
	if err != nil {
		t.Fatal(err)
	}
	return config
}
