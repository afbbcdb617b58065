package auth

import (
	"strings"
	"testing"
)

// The bounds of a configuration's cost for a client, and the values just beyond them.
func TestCosts(t *testing.T) {
	salt := strings.Repeat("s", maxSalt)
	for _, c := range []struct {
		cra CRA
		ok  bool
	}{
		{CRA{Iterations: 1, KeyLen: 1}, true},
		{CRA{Iterations: maxCRAIterations, Salt: salt, KeyLen: maxCRAKeyLen}, true},
		{CRA{Iterations: 0, KeyLen: 1}, false}, {CRA{Iterations: maxCRAIterations + 1, KeyLen: 1}, false},
		{CRA{Iterations: 1, KeyLen: 0}, false}, {CRA{Iterations: 1, KeyLen: maxCRAKeyLen + 1}, false},
		{CRA{Iterations: 1, KeyLen: 1, Salt: salt + "s"}, false},
	} {
		if err := c.cra.checkCost(); (err == nil) != c.ok {
			t.Errorf("wampcra with %d iterations, a key of %d and a salt of %d bytes: %v", c.cra.Iterations, c.cra.KeyLen, len(c.cra.Salt), err)
		}
	}
	for _, c := range []struct {
		kdf                string
		iterations, memory int
		ok                 bool
	}{
		{kdfArgon2, 1, minArgon2Memory, true}, {kdfArgon2, maxArgon2Iterations, maxArgon2Memory, true},
		{kdfArgon2, 1, minArgon2Memory - 1, false}, {kdfArgon2Draft, 1, maxArgon2Memory + 1, false},
		{kdfArgon2, 0, minArgon2Memory, false}, {kdfArgon2, maxArgon2Iterations + 1, minArgon2Memory, false},
		{kdfPBKDF2, 1, 0, true}, {kdfPBKDF2, maxPBKDF2Iterations, 0, true}, {kdfPBKDF2, maxPBKDF2Iterations + 1, 0, false}, {kdfPBKDF2, 1, 8, false},
	} {
		s := SCRAM{KDF: c.kdf, Iterations: c.iterations, Memory: c.memory}
		if err := s.checkCost(); (err == nil) != c.ok {
			t.Errorf("%s with %d iterations and %d KiB: %v", c.kdf, c.iterations, c.memory, err)
		}
	}
	for octets, ok := range map[int]bool{0: false, 1: true, maxSalt: true, maxSalt + 1: false} {
		s := *cheap(t, kdfPBKDF2)
		s.Salt = make(Octets, octets)
		if err := s.check(); (err == nil) != ok {
			t.Errorf("scram with a salt of %d bytes: %v", octets, err)
		}
	}
}

func TestNonces(t *testing.T) {
	for text, want := range map[string]bool{
		"a": true, "!": true, "~": true, "a=b+/": true, strings.Repeat("n", maxNonce): true,
		"": false, " ": false, "a b": false, "a,b": false, "a\x7f": false, "ä": false, strings.Repeat("n", maxNonce+1): false,
	} {
		if isNonce(text) != want {
			t.Errorf("%.20q: %v", text, !want)
		}
	}
}

// Root is a user like any other.
func TestPrincipalsOfProcesses(t *testing.T) {
	for id, ok := range map[int]bool{0: true, 7: true, -1: false} {
		byUser, byGroup := Principal{Authid: "a", Role: "r", UID: &id}, Principal{Authid: "a", Role: "r", GID: &id}
		if err := byUser.check(); (err == nil) != ok {
			t.Errorf("uid %d: %v", id, err)
		}
		if err := byGroup.check(); (err == nil) != ok {
			t.Errorf("gid %d: %v", id, err)
		}
	}
}
