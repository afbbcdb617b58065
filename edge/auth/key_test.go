package auth

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// The keys were made by ssh-keygen and openssl for this test.
const (
	keyHex = "36e90b1ca0f4a03a037864815ee21c22037b40ecd57244bf324e4a17e4ba5b0e"
	keySSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDbpCxyg9KA6A3hkgV7iHCIDe0Ds1XJEvzJOShfkulsO pump@site"
	keyPEM = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEANukLHKD0oDoDeGSBXuIcIgN7QOzVckS/Mk5KF+S6Ww4=
-----END PUBLIC KEY-----
`
	rsaSSH = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCpRnbPMzzVjZDhDwQMHaom30XO0GmZCTkiMmJTQxGMenkYFLcSOMY0ScukdOAvtMLe8Ml+PDlIBNxBw/C4QIdPrSTYEbL+c+Ro9R4mZdZwnyjqWfJ29o0q0O+QaalCN5A0zQ4VWE0BPpByEDee5crsVnKb288FFLcdYf9oZqnESw== x"
	ecPEM  = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEwbuBxviFAoriecrVIgbWNK+G7VDo
P50mC2BuJKBap5xTQ9qUQQOwitHMZkIe87Heut+oe7HKiyyPXigyC1c6ng==
-----END PUBLIC KEY-----
`
)

func TestParseKey(t *testing.T) {
	raw, err := hex.DecodeString(keyHex)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		keyHex, strings.ToUpper(keyHex), keyHex + "\n",
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		keySSH, "ssh-ed25519 " + strings.Fields(keySSH)[1], `from="10.0.0.1",no-pty ` + keySSH + "\n",
		keyPEM,
	} {
		if key, err := ParseKey(text); err != nil || hex.EncodeToString(key) != keyHex {
			t.Errorf("%q: %x, %v", text, []byte(key), err)
		}
	}
	const form = "the key is neither 32 bytes in hex or base64, nor an OpenSSH key"
	for text, want := range map[string]string{
		"":                 form,
		"hello":            form,
		keyHex[2:]:         form,
		keyHex + "00":      form,
		"ssh-ed25519":      form,
		rsaSSH:             "the key is not of type ssh-ed25519",
		"ssh-ed25519 !":    "decode OpenSSH key: illegal base64 data at input byte 0",
		"ssh-ed25519 AAAA": "decode OpenSSH key: not an Ed25519 key",
		"ssh-ed25519 " + strings.Fields(rsaSSH)[1]: "decode OpenSSH key: not an Ed25519 key",
		ecPEM: "the key is *ecdsa.PublicKey, not Ed25519",
	} {
		if _, err := ParseKey(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ParseKey("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"); err == nil || !strings.HasPrefix(err.Error(), "parse PUBLIC KEY: ") {
		t.Errorf("%v", err)
	}
}

// TestSecretsDoNotPrint prints a principal in every way that a log may use.
func TestSecretsDoNotPrint(t *testing.T) {
	p := Principal{Authid: "tom", Ticket: "xyzzy", CRA: &CRA{Secret: "xyzzy"}}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("principal", "p", p, "ticket", p.Ticket)
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s %q %x", p, p, p, p.Ticket, p.Ticket, p.Ticket), fmt.Sprint(*p.CRA), log.String(), string(text)} {
		if strings.Contains(s, "xyzzy") || strings.Contains(s, hex.EncodeToString([]byte("xyzzy"))) || !strings.Contains(s, "secret") {
			t.Errorf("%s", s)
		}
	}
}
