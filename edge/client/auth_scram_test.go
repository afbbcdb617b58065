package client

import (
	"strings"
	"testing"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

func dict(t *testing.T, m map[string]any) codec.Dict {
	t.Helper()
	d, err := codec.NewDict(wamp.CBOR, m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// started returns a method prepared for one attempt to join.
func started(t *testing.T, a Auth) Auth {
	t.Helper()
	methods, err := startAttempts([]Auth{a}, new(wamp.Transport))
	if err != nil {
		t.Fatal(err)
	}
	return methods[0]
}

// The exchange of RFC 7677, section 3. The specification has the same proof and verifier.
func TestSCRAMVector(t *testing.T) {
	a := started(t, SCRAM("user", "pencil")).(*scramAttempt)
	a.clientNonce = "rOprNGfwEbeRWgbNEkqO"
	const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	proof, err := a.Answer(Challenge{Method: "wamp-scram", Extra: dict(t, map[string]any{
		"nonce": nonce, "salt": "W22ZaJ0SNY7soEsUEjb6gQ==", "kdf": "pbkdf2", "iterations": 4096, "memory": nil,
	})})
	if err != nil || proof != "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" {
		t.Errorf("proof %s, %v", proof, err)
	}
	if extra := a.AnswerExtra(); extra["nonce"] != nonce {
		t.Errorf("AUTHENTICATE.Extra %v", extra)
	}
	for verifier, ok := range map[string]bool{
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=": true,
		"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=":   true, // without "v=", as other implementations send it
		"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=": false,
		"v=":   false,
		"":     false,
		"v=$$": false,
	} {
		if err := a.check(dict(t, map[string]any{"authextra": map[string]any{"verifier": verifier}})); (err == nil) != ok {
			t.Errorf("verifier %q: %v", verifier, err)
		}
	}
	if err := a.check(dict(t, nil)); err == nil {
		t.Error("a WELCOME without a verifier")
	}
}

func TestSCRAMIsNewEachTime(t *testing.T) {
	methods := []Auth{Ticket("x"), SCRAM("a", "b")}
	one, err := startAttempts(methods, new(wamp.Transport))
	if err != nil {
		t.Fatal(err)
	}
	two, err := startAttempts(methods, new(wamp.Transport))
	if err != nil {
		t.Fatal(err)
	}
	if first, second := one[1].Extra()["nonce"], two[1].Extra()["nonce"]; first == second || first == "" || one[0] != methods[0] {
		t.Errorf("nonces %v, %v", first, second)
	}
}

// A router can neither reuse an old nonce nor keep the client busy for ever.
func TestSCRAMChallenges(t *testing.T) {
	good := map[string]any{"salt": "W22ZaJ0SNY7soEsUEjb6gQ==", "kdf": "argon2id13", "iterations": 1, "memory": 8}
	for want, change := range map[string]map[string]any{
		"":                          {},
		"scram: the router's nonce": {"nonce": "another"},
		"scram: the router's salt":  {"salt": "?"},
		"scram: the router asks for unknown key derivation ":                         {"kdf": "md5"},
		"scram: the router asks for argon2id13 with 0 iterations and 8 KiB":          {"iterations": 0},
		"scram: the router asks for argon2id13 with 65 iterations and 8 KiB":         {"iterations": 65},
		"scram: the router asks for argon2id13 with 1 iterations and 7 KiB":          {"memory": 7},
		"scram: the router asks for argon2id13 with 1 iterations and 1073741824 KiB": {"memory": 1 << 30},
		"scram: the router asks for argon2id13 with 1 iterations and 0 KiB":          {"memory": nil},
		"scram: the router asks for pbkdf2 with 1000001 iterations and 0 KiB":        {"kdf": "pbkdf2", "iterations": 1_000_001},
	} {
		a := started(t, SCRAM("user", "pencil")).(*scramAttempt)
		extra := map[string]any{"nonce": a.clientNonce + "x"}
		for _, m := range []map[string]any{good, change} {
			for key, value := range m {
				extra[key] = value
			}
		}
		_, err := a.Answer(Challenge{Extra: dict(t, extra)})
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
