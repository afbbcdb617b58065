package conformance

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"runnel/test/stage"
)

// scramSalt and the costs are those of the principals in the configuration.
var scramSalt = []byte("0123456789abcdef")

func saltedPassword(kdf, password string) []byte {
	if kdf == "argon2id13" {
		return argon2.IDKey([]byte(password), scramSalt, 1, 64, 1, 32)
	}
	key, err := pbkdf2.Key(sha256.New, password, scramSalt, 4096, 32)
	if err != nil {
		panic(err)
	}
	return key
}

// record returns a principal's TOML for WAMP-SCRAM: the values that the specification tells a server to store.
func record(kdf, costs string) string {
	salted := saltedPassword(kdf, "pencil")
	stored := sha256.Sum256(mac(salted, "Client Key"))
	return fmt.Sprintf("scram = { kdf = %q, %s, salt = %q, stored_key = %q, server_key = %q }",
		kdf, costs, encode64(scramSalt), encode64(stored[:]), encode64(mac(salted, "Server Key")))
}

// scramClient is the client's side of WAMP-SCRAM, after the specification's pseudocode.
type scramClient struct {
	salted  []byte
	message string // AuthMessage
}

// prove computes the proof from the values of CHALLENGE, which are stored under names.
func (c *scramClient) prove(p *stage.Peer, authid, clientNonce string, binding []byte, kind string) string {
	p.Helper()
	nonce, _ := p.Names["nonce"].(string)
	if !strings.HasPrefix(nonce, clientNonce) || len(nonce) < len(clientNonce)+16 {
		p.Fatalf("nonce %q", nonce)
	}
	flag := "n"
	if kind != "" {
		flag = "p=" + kind
	}
	c.message = "n=" + authid + ",r=" + clientNonce + ",r=" + nonce + ",s=" + fmt.Sprint(p.Names["salt"]) + ",i=" + fmt.Sprint(p.Names["iterations"]) +
		",c=" + encode64(append([]byte(flag+",,"), binding...)) + ",r=" + nonce
	clientKey := mac(c.salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	signature := mac(stored[:], c.message)
	subtle.XORBytes(signature, signature, clientKey)
	return encode64(signature)
}

func (c *scramClient) verifier() string {
	return "v=" + encode64(mac(mac(c.salted, "Server Key"), c.message))
}

func TestWAMPSCRAM(t *testing.T) {
	const nonce = "egVDf3DMJh0SBmkFIh7sSo=="
	for authid, c := range map[string]struct{ kdf, memory string }{"argon": {"argon2id13", "64"}, "pbkdf": {"pbkdf2", "null"}} {
		salted := saltedPassword(c.kdf, "pencil")
		challenge := fmt.Sprintf(`[4,"wamp-scram",{"nonce":"$nonce","salt":"$salt","kdf":%q,"iterations":"$iterations","memory":%s}]`, c.kdf, c.memory)
		house.EveryIn(t, c.kdf, guarded, func(s *stage.Scene) {
			p, client := s.Connect(), scramClient{salted: salted}
			greet(p, authid, `["wamp-scram"]`, `{"nonce":"`+nonce+`","channel_binding":null}`)
			p.Hear(challenge)
			if s.Names["salt"] != any(encode64(scramSalt)) {
				s.Errorf("salt %v", s.Names["salt"])
			}
			p.Say(fmt.Sprintf(`[5,%q,{"nonce":"$nonce","channel_binding":null,"cbind_data":null}]`, client.prove(p, authid, nonce, nil, "")))
			welcomed(p, authid, "wamp-scram", `{"verifier":"`+client.verifier()+`"}`)
		})
		house.EveryIn(t, c.kdf+", wrong password", guarded, func(s *stage.Scene) {
			p, client := s.Connect(), scramClient{salted: make([]byte, 32)}
			greet(p, authid, `["wamp-scram"]`, `{"nonce":"`+nonce+`"}`)
			p.Hear(challenge)
			p.Say(fmt.Sprintf(`[5,%q,{"nonce":"$nonce"}]`, client.prove(p, authid, nonce, nil, "")))
			p.Hear(failed)
			p.Closed()
		})
		house.EveryIn(t, c.kdf+", another nonce", guarded, func(s *stage.Scene) {
			p, client := s.Connect(), scramClient{salted: salted}
			greet(p, authid, `["wamp-scram"]`, `{"nonce":"`+nonce+`"}`)
			p.Hear(challenge)
			p.Say(fmt.Sprintf(`[5,%q,{"nonce":"x$nonce"}]`, client.prove(p, authid, nonce, nil, "")))
			p.Hear(failed)
			p.Closed()
		})
	}
	// An unknown authid is challenged, too, always with the same salt.
	house.EveryIn(t, "mock challenge", guarded, func(s *stage.Scene) {
		for range 2 {
			p := s.Connect()
			delete(s.Names, "nonce")
			greet(p, "nobody", `["wamp-scram"]`, `{"nonce":"`+nonce+`"}`)
			p.Hear(`[4,"wamp-scram",{"nonce":"$nonce","salt":"$salt","kdf":"$kdf","iterations":"$iterations","memory":"$memory"}]`)
			client := scramClient{salted: saltedPassword("pbkdf2", "pencil")}
			p.Say(fmt.Sprintf(`[5,%q,{"nonce":"$nonce"}]`, client.prove(p, "nobody", nonce, nil, "")))
			p.Hear(failed)
			p.Closed()
		}
	})
	for name, extra := range map[string]string{
		"no nonce": `{}`, "empty nonce": `{"nonce":""}`, "a binding that is not there": `{"nonce":"` + nonce + `","channel_binding":"tls-sometimes"}`,
	} {
		house.EveryIn(t, name, guarded, func(s *stage.Scene) {
			p := s.Connect()
			greet(p, "pbkdf", `["wamp-scram"]`, extra)
			p.Hear(failed)
			p.Closed()
		})
	}
}
