package conn

import (
	"bytes"
	"crypto/ed25519"
	"path/filepath"
	"strings"
	"testing"

	"runnel/test/kit"
)

// A key pair from the documentation of NATS.
const (
	userSeed   = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY"
	userPublic = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"
)

const userCreds = `-----BEGIN NATS USER JWT-----
head.claims
.signature
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
` + userSeed + `
------END USER NKEY SEED------

*************************************************************
`

// seedOf returns the nkey of a seed of a kind of key, such as prefixUser.
func seedOf(kind byte, seed []byte) string {
	raw := append([]byte{prefixSeed | kind>>5, kind << 3}, seed...)
	sum := crc16(raw)
	return nkeyEncoding.EncodeToString(append(raw, byte(sum), byte(sum>>8)))
}

func TestSeed(t *testing.T) {
	for _, text := range []string{userSeed, "# the gateway's\n\n  " + userSeed + "\r\n", userCreds} {
		key, err := ParseSeed([]byte(text))
		kit.Must(t, err)
		if public := PublicKey(key); public != userPublic {
			t.Errorf("public key %s", public)
		}
	}
	seed := bytes.Repeat([]byte{9}, ed25519.SeedSize)
	key, err := ParseSeed([]byte(seedOf(prefixUser, seed)))
	if err != nil || !bytes.Equal(key.Seed(), seed) {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"":                                  "not the seed",
		"#" + userSeed:                      "not the seed",
		userPublic:                          "not the seed", // a public key is two bytes shorter
		userSeed[1:]:                        "not the seed",
		userSeed + "A":                      "not the seed",
		strings.ToLower(userSeed):           "not the seed",
		userSeed[:20] + "A" + userSeed[21:]: "wrong checksum",
		seedOf(0, seed):                     "not the seed of a user", // of an account
		seedOf(prefixUser+8, seed):          "not the seed of a user",
	} {
		if _, err := ParseSeed([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v instead of %q", text, err, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	for _, text := range []string{userCreds, strings.ReplaceAll(userCreds, "\n", "\r\n")} {
		l, err := ParseCredentials([]byte(text))
		if err != nil || l.JWT != "head.claims.signature" || PublicKey(l.Key) != userPublic {
			t.Errorf("%+v %v", l, err)
		}
	}
	for _, c := range []struct{ from, to, want string }{
		{"BEGIN NATS", "BEGIN", "not hold a user's JWT and seed"},
		{"END NATS", "END", "not hold a user's JWT and seed"},
		{"head.claims\n.signature", "", "not hold a user's JWT and seed"},
		{userSeed, "", "not hold a user's JWT and seed"},
		{"BEGIN USER", "BEGIN", "not hold a user's JWT and seed"},
		{".signature", "", "JWT is damaged"},
		{"SUACS", "SUACA", "wrong checksum"},
		{userCreds, userSeed, "not hold a user's JWT and seed"},
		{userCreds, "", "not hold a user's JWT and seed"},
	} {
		l, err := ParseCredentials([]byte(strings.Replace(userCreds, c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40q to %.40q: %v instead of %q", c.from, c.to, err, c.want)
		}
		if l.Key != nil {
			t.Errorf("%.40q to %.40q: a key besides the error", c.from, c.to)
		}
	}
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	l, err := ReadCredentials(kit.Write(t, dir, "a.creds", userCreds))
	if err != nil || l.JWT == "" || l.Key == nil {
		t.Error(err)
	}
	l, err = ReadSeed(kit.Write(t, dir, "a.nk", userSeed+"\n"))
	if err != nil || l.JWT != "" || PublicKey(l.Key) != userPublic {
		t.Error(err)
	}
	for file, want := range map[string]string{
		kit.Write(t, dir, "empty", ""):                                     "empty: the file is empty",
		kit.Write(t, dir, "long", strings.Repeat("x", maxCredentials)):     "long: the file is too long",
		kit.Write(t, dir, "almost", strings.Repeat("x", maxCredentials-1)): "almost: the ",
		filepath.Join(dir, "none"):                                         "none: no such file or directory",
		dir:                                                                "the file is empty or unreadable",
	} {
		for what, read := range map[string]func(string) (Login, error){"read credentials ": ReadCredentials, "read nkey ": ReadSeed} {
			l, err := read(file)
			if err == nil || !strings.HasPrefix(err.Error(), what) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v instead of %q", err, want)
			}
			if l.Key != nil {
				t.Error("a key besides the error")
			}
		}
	}
}

// The fields of CONNECT depend on the login.
func TestSign(t *testing.T) {
	key, err := ParseSeed([]byte(userSeed))
	kit.Must(t, err)
	var c connect
	kit.Must(t, (&Login{Key: key}).sign(&c, "nonce"))
	if c.NKey != userPublic || c.JWT != "" || len(c.Signature) != 86 || strings.ContainsAny(c.Signature, "+/=") {
		t.Errorf("%+v", c)
	}
	c = connect{}
	kit.Must(t, (&Login{Key: key, JWT: "a.b.c"}).sign(&c, "nonce"))
	if c.NKey != "" || c.JWT != "a.b.c" || c.Signature == "" {
		t.Errorf("%+v", c)
	}
	c = connect{}
	kit.Must(t, (&Login{User: "u", Password: "p", Token: "t"}).sign(&c, ""))
	if c != (connect{User: "u", Pass: "p", Token: "t"}) {
		t.Errorf("%+v", c)
	}
	if err := (&Login{Key: key}).sign(&c, ""); err == nil {
		t.Error("nothing was signed, without an error")
	}
}
