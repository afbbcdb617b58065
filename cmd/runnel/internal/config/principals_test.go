package config

import "testing"

// Keys derived from a password stay the same over reloads, and differ between principals.
func TestDerivedKeysStay(t *testing.T) {
	salt := func(authid, password string) string {
		s := SCRAM{Secret: NewSecret(password), KDF: "pbkdf2", Iterations: 10}
		made, err := s.compile(authid)
		if err != nil {
			t.Fatal(err)
		}
		return made.Salt.String()
	}
	joe := salt("joe", "pencil")
	if again := salt("joe", "pencil"); again != joe {
		t.Errorf("%s, then %s", joe, again)
	}
	if jim, other := salt("jim", "pencil"), salt("joe", "pen"); jim == joe || other == joe {
		t.Error("another's salt")
	}
}
