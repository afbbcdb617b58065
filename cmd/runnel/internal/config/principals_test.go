package config

import "testing"

// What is made of a password stays the same over reloads, and differs from principal to principal.
func TestDerivedKeysStay(t *testing.T) {
	salt := func(authid, password string) string {
		s := SCRAM{Secret: Secret{text: password}, KDF: "pbkdf2", Iterations: 10}
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
