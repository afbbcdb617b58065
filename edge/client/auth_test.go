package client_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"strings"
	"testing"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

func challenge(t *testing.T, method string, extra map[string]any) client.Challenge {
	t.Helper()
	d, err := codec.NewDict(wamp.CBOR, extra)
	kit.Must(t, err)
	return client.Challenge{Method: method, Extra: d}
}

// The signatures were computed with Python's hashlib and hmac.
func TestCRA(t *testing.T) {
	const text = `{"nonce": "LHRTC9zeOIrt_9U3", "authprovider": "userdb", "authid": "peter"}`
	for _, c := range []struct {
		name  string
		extra map[string]any
		want  string
		err   string
	}{
		{"plain", map[string]any{"challenge": text}, "Hnb6IFx5shH0FSG2NXE7QMEoz0W6qA+tGad7PvTYDow=", ""},
		{"salted", map[string]any{"challenge": text, "salt": "salt123", "iterations": 100, "keylen": 16},
			"rVIgZt74lA8JmzKr+Rxgchi4hSVt/S77E7OEFqVSY1c=", ""},
		{"salted, defaults", map[string]any{"challenge": text, "salt": "salt123"}, "MowkuxYcgggby7lnvQonVTlHMWCbuH9VbCPfM/KJbWY=", ""},
		{"no challenge", nil, "", "wampcra: the router sent no challenge"},
		{"endless work", map[string]any{"challenge": text, "salt": "x", "iterations": int64(1) << 50}, "",
			"wampcra: the router asks for 1125899906842624 iterations and a key of 32 bytes"},
		{"no work", map[string]any{"challenge": text, "salt": "x", "iterations": 0}, "",
			"wampcra: the router asks for 0 iterations and a key of 32 bytes"},
		{"a huge key", map[string]any{"challenge": text, "salt": "x", "keylen": int64(1) << 40}, "",
			"wampcra: the router asks for 1000 iterations and a key of 1099511627776 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := client.CRA("secret1").Answer(challenge(t, "wampcra", c.extra))
			if got != c.want || errorText(err) != c.err {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// The vectors are the specification's (advanced/authentication_cryptosign.md, "Test Vectors").
func TestCryptosign(t *testing.T) {
	for _, c := range []struct{ key, challenge, want string }{
		{
			"4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
			"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
			"b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0cae80a357331bfc5cc9fb71081464e6e75013517c2cf067ad566a6b7b728e5d03ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		},
		{
			"d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
			"b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
			"d4209ad10d5aff6bfbc009d7e924795de138a63515efc7afc6b01b7fe5201372190374886a70207b042294af5bd64ce725cd8dceb344e6d11c09d1aaaf4d660fb26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
		},
		{
			"6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
			"b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
			"7beb282184baadd08f166f16dd683b39cab53816ed81e6955def951cb2ddad1ec184e206746fd82bda075af03711d3d5658fc84a76196b0fa8d1ebc92ef9f30bb05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
		},
	} {
		key, err := client.ParseKey([]byte(c.key + "\n"))
		kit.Must(t, err)
		a := client.Cryptosign(key)
		got, err := a.Answer(challenge(t, "cryptosign", map[string]any{"challenge": c.challenge}))
		if err != nil || got != c.want {
			t.Errorf("key %s: got %s, %v", c.key, got, err)
		}
		if pub, _ := hex.DecodeString(a.Extra()["pubkey"].(string)); !key.Public().(ed25519.PublicKey).Equal(ed25519.PublicKey(pub)) {
			t.Errorf("authextra %v", a.Extra())
		}
	}
}

func TestCryptosignSignsNothingElse(t *testing.T) {
	a := client.Cryptosign(ed25519.NewKeyFromSeed(make([]byte, 32)))
	for _, text := range []string{"", "ff", "zz", strings.Repeat("ff", 33)} {
		if got, err := a.Answer(challenge(t, "cryptosign", map[string]any{"challenge": text})); err == nil {
			t.Errorf("it signs %q: %s", text, got)
		}
	}
}

func TestParseKey(t *testing.T) {
	// Made by "openssl genpkey" for this test.
	const ed = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIOyPOfdKlDd+fff8EmIzoRgeenIhXwcX/BoL3K4s1hYW
-----END PRIVATE KEY-----
`
	const ec = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0sHv6Q+eaLaZfAhM
EcnhAHhDhJDvYtmalVRFYPtXoX+hRANCAATvX+dM2L/VRFI9alQxLjbkJfNfafpK
g4ZTFyK/zfzUX2Idt7H7jh3wvP+kERW7DPyBKQ3IR7KWuL5QIFroDwuT
-----END PRIVATE KEY-----
`
	key, err := client.ParseKey([]byte(ed))
	kit.Must(t, err)
	if pub := hex.EncodeToString(key.Public().(ed25519.PublicKey)); pub != "48464c05e97de91ade42d96a7e3a0fee44763d619bf4808297d5fcf759e38870" {
		t.Errorf("public key %s", pub)
	}
	for _, c := range []struct{ data, want string }{
		{ec, "the key is *ecdsa.PrivateKey, not Ed25519"},
		{"hello", "the key is neither 64 hex digits nor PEM"},
		{"abcd", "the key is neither 64 hex digits nor PEM"},
		{"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "parse PRIVATE KEY: "},
	} {
		if _, err := client.ParseKey([]byte(c.data)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v", c.data, err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
