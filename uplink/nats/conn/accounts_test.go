package conn_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"runnel/test/kit"
	"runnel/uplink/nats/conn"
)

// nkey is a key of an operator, an account or a user, as nsc makes them.
type nkey struct {
	prefix byte
	key    ed25519.PrivateKey
}

func newKey(prefix byte, seed byte) nkey {
	return nkey{prefix, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))}
}

// encode returns bytes in the form of nkeys.
func encode(raw ...byte) string {
	var crc uint16
	for _, b := range raw {
		crc ^= uint16(b) << 8
		for range 8 {
			crc = crc<<1 ^ crc>>15*0x1021
		}
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(append(raw, byte(crc), byte(crc>>8)))
}

func (k nkey) public() string {
	return encode(append([]byte{k.prefix << 3}, k.key.Public().(ed25519.PublicKey)...)...)
}

func (k nkey) seed() string {
	return encode(append([]byte{18<<3 | k.prefix>>2, k.prefix << 6 >> 1}, k.key.Seed()...)...)
}

// sign returns a JWT about a key.
func (k nkey) sign(t *testing.T, about nkey, claims map[string]any) string {
	claims["version"] = 2
	body, err := json.Marshal(map[string]any{"jti": "X", "iat": 1700000000, "iss": k.public(), "sub": about.public(), "name": "test", "nats": claims})
	kit.Must(t, err)
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.key, []byte(text)))
}

// A creds file logs in at a server of an operator with accounts.
func TestAccounts(t *testing.T) {
	operator, account, user, other := newKey(14, 1), newKey(0, 2), newKey(20, 3), newKey(20, 4)
	all := map[string]any{"subs": -1, "data": -1, "payload": 1000, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1}
	config := fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s }",
		operator.sign(t, operator, map[string]any{"type": "operator"}), account.public(),
		operator.sign(t, account, map[string]any{"type": "account", "limits": all}))
	creds := func(seed string) string {
		token := account.sign(t, user, map[string]any{"type": "user", "subs": -1, "data": -1, "payload": -1, "pub": map[string]any{}, "sub": map[string]any{}})
		return kit.Write(t, t.TempDir(), "gateway.creds", fmt.Sprintf(
			"-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", token, seed))
	}
	good, bad := creds(user.seed()), creds(other.seed())
	kit.EachNATS(t, func(t *testing.T, binary string) {
		s := kit.StartNATS(t, binary, config)
		c := open(t, s.Address, conn.Options{Login: func() (conn.Login, error) { return conn.ReadCredentials(good) }})
		if limit := c.Info().MaxPayload; limit != 1000 {
			t.Errorf("Open has returned before the limits of the account were known: %d bytes", limit)
		}
		messages, _ := subscribe(t, c, "a", "")
		d := open(t, s.Address, conn.Options{Login: func() (conn.Login, error) { return conn.ReadCredentials(good) }})
		kit.Must(t, d.Publish(conn.Out{Subject: "a"}))
		kit.Receive(t, "message", messages)
		var refused *conn.ServerError
		if _, err := tryOpen(t, s.Address, conn.Options{Login: func() (conn.Login, error) { return conn.ReadCredentials(bad) }}); !errors.As(err, &refused) {
			t.Error(err)
		}
		if _, err := tryOpen(t, s.Address, conn.Options{}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "check credentials") {
			t.Error(err)
		}
	})
}
