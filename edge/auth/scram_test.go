package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

func digest(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

func octets(t testing.TB, text string) Octets {
	t.Helper()
	var o Octets
	if err := o.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestSCRAMVector is the exchange of RFC 7677, section 3. The specification has the same proof and verifier.
func TestSCRAMVector(t *testing.T) {
	s := &scram{
		record:      SCRAM{KDF: kdfPBKDF2, Salt: octets(t, "W22ZaJ0SNY7soEsUEjb6gQ=="), Iterations: 4096},
		authid:      "user",
		clientNonce: "rOprNGfwEbeRWgbNEkqO",
		nonce:       "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	}
	if err := s.record.derive("pencil"); err != nil {
		t.Fatal(err)
	}
	welcome, err := s.verify("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", map[string]any{"nonce": s.nonce})
	if err != nil {
		t.Fatal(err)
	}
	if want := "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="; welcome["verifier"] != want || len(welcome) != 1 {
		t.Errorf("authextra %v", welcome)
	}
}

// TestSCRAMDraft is an exchange of Autobahn for Python 22.7.1 (class AuthScram) with the Argon2 reference library.
func TestSCRAMDraft(t *testing.T) {
	record := SCRAM{KDF: kdfArgon2Draft, Salt: octets(t, "AAECAwQFBgcICQoLDA0ODw=="), Iterations: 3, Memory: 64}
	if err := record.derive("pencil"); err != nil {
		t.Fatal(err)
	}
	if record.StoredKey.String() != "vLV6wjKbMe5jPkS3B742fPjOmrjPdU+spSGj27ci9yo=" || record.ServerKey.String() != "42Q9qtTySxKe6v7mHJIojZ91jL2FWTW3/nxaqTpR50Q=" {
		t.Errorf("keys %v, %v", record.StoredKey, record.ServerKey)
	}
	s := &scram{record: record, draft: true, authid: "peter", clientNonce: "EBESExQVFhcYGRobHB0eHw=="}
	s.nonce = s.clientNonce + "ICEiIyQlJicoKSorLC0uLzAx"
	const proof = "XK1gtEu0K4p+IK69Ibcy5JzzUf7BBRcmb9sBx/DzIyI="
	welcome, err := s.verify(proof, nil)
	if err != nil {
		t.Fatal(err)
	}
	const signature = "BoHMLVgfevnbemXsJN5mHOrMSnNpKPJaUuYxpTXmUAE="
	if welcome["scram_server_signature"] != signature || welcome["verifier"] != "v="+signature {
		t.Errorf("authextra %v", welcome)
	}
	s.draft = false
	if _, err := s.verify(proof, map[string]any{"nonce": s.nonce}); err == nil {
		t.Error("wamp-scram takes the draft's AuthMessage")
	}
}

func TestSCRAMChallenge(t *testing.T) {
	p := principals(t, cast(t))
	for _, c := range []struct {
		authid, method, keys string
	}{
		{"sam", "wamp-scram", "iterations kdf memory nonce salt"},
		{"sam", "scram", "iterations kdf memory nonce salt"},
		{"pam", "wamp-scram", "iterations kdf memory nonce salt"},
		{"pam", "scram", "iterations kdf nonce salt"},
	} {
		_, e, err := p.Begin(Request{Authid: c.authid, Methods: []string{c.method}, Extra: map[string]any{"nonce": "egVDf3DMJh0="}})
		if err != nil {
			t.Fatal(err)
		}
		extra := e.Challenge()
		nonce := extra["nonce"].(string)
		if own, ok := strings.CutPrefix(nonce, "egVDf3DMJh0="); !ok || len(own) < 22 {
			t.Errorf("nonce %s", nonce)
		}
		for _, key := range strings.Fields(c.keys) {
			if _, ok := extra[key]; !ok {
				t.Errorf("%s %s: no %s in %v", c.authid, c.method, key, extra)
			}
		}
		if len(extra) != len(strings.Fields(c.keys)) {
			t.Errorf("%s %s: %v", c.authid, c.method, extra)
		}
	}
}

func TestNewSCRAM(t *testing.T) {
	for _, c := range []struct {
		kdf                string
		iterations, memory int
		want               SCRAM
	}{
		{"argon2id13", 1, 8, SCRAM{Iterations: 1, Memory: 8}},
		{"argon2id-13", 0, 8, SCRAM{Iterations: argon2Iterations, Memory: 8}},
		{"argon2id13", 1, 0, SCRAM{Iterations: 1, Memory: argon2Memory}},
		{"pbkdf2", 10, 0, SCRAM{Iterations: 10}},
		{"pbkdf2", 0, 0, SCRAM{Iterations: pbkdf2Iterations}},
	} {
		s, err := NewSCRAM("pencil", c.kdf, c.iterations, c.memory)
		if err != nil || s.check() != nil || s.KDF != c.kdf || s.Iterations != c.want.Iterations || s.Memory != c.want.Memory || len(s.Salt) != 16 {
			t.Errorf("%+v: %+v, %v", c, s, err)
		}
	}
	for _, c := range []struct {
		password, kdf      string
		iterations, memory int
		want               string
	}{
		{"", "pbkdf2", 0, 0, "the password is empty"},
		{"a\x00", "pbkdf2", 1, 0, "normalize password: prohibited character U+0000"},
		{"a\xff", "pbkdf2", 1, 0, "normalize password: not UTF-8"},
		{"a", "", 0, 0, `unknown kdf ""; use argon2id13, pbkdf2 or argon2id-13`},
		{"a", "pbkdf2", -1, 0, "pbkdf2 with -1 iterations; the range is 1 to 10000000"},
		{"a", "argon2id13", 1, 7, "argon2id13 with 7 KiB of memory; the range is 8 to 1048576"},
		{"a", "argon2id13", 10001, 8, "argon2id13 with 10001 iterations; the range is 1 to 10000"},
	} {
		if _, err := NewSCRAM(c.password, c.kdf, c.iterations, c.memory); err == nil || err.Error() != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestArgon2 compares with keys of the Argon2 reference library.
func TestArgon2(t *testing.T) {
	s := SCRAM{KDF: kdfArgon2, Salt: octets(t, "AAECAwQFBgcICQoLDA0ODw=="), Iterations: 3, Memory: 64}
	if err := s.derive("pencil"); err != nil {
		t.Fatal(err)
	}
	if s.StoredKey.String() != "/nzvopBR1FB/abnZX+zLQ5hHapnCxV1vLfNJ8X4MtZg=" || s.ServerKey.String() != "AeMfWEy8PBh5xZXqZg+Y9NMUWo0iED1IXz9UGWsi9sI=" {
		t.Errorf("keys %v, %v", s.StoredKey, s.ServerKey)
	}
}

func TestOctets(t *testing.T) {
	text, err := octets(t, "AAEC").MarshalText()
	if err != nil || string(text) != "AAEC" {
		t.Errorf("%s, %v", text, err)
	}
	for _, text := range []string{"AAE", "AA\nEC", "AAF=", "A-_C", "!"} {
		var o Octets
		if err := o.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if b, err := base64.StdEncoding.DecodeString(octets(t, "AAEC").String()); err != nil || len(b) != 3 {
		t.Error(b, err)
	}
}

// Without channel binding, cbind_data may be missing, null or empty: clients differ.
func TestNoBindingData(t *testing.T) {
	for _, c := range []struct {
		data any
		ok   bool
	}{{nil, true}, {"", true}, {"AAAA", false}, {false, false}} {
		if err := new(scram).verifyBinding(c.data); (err == nil) != c.ok {
			t.Errorf("cbind_data %v: %v", c.data, err)
		}
	}
}
