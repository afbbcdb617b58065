package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// CRA is a principal's secret for WAMP-CRA (advanced/authentication_cra.md). Without Salt, Secret is the password
// itself. With Salt it is the key that DeriveCRA derives from it, in base64. Then the router does not know the
// password, but the key is enough to join.
type CRA struct {
	Secret     Secret
	Salt       string
	Iterations int // 0: 1000, the default of clients
	KeyLen     int // in octets; 0: 32
}

// Limits that clients accept; Runnel's own client rejects more.
const (
	maxCRAIterations = 1_000_000
	maxCRAKeyLen     = 64
)

// DeriveCRA returns a salted CRA of a password. An empty salt is replaced by a random one. iterations and keyLen of 0
// mean 1000 and 32.
func DeriveCRA(password, salt string, iterations, keyLen int) (CRA, error) {
	if salt == "" {
		salt = base64.RawURLEncoding.EncodeToString(random(16))
	}
	c := CRA{Salt: salt, Iterations: iterations, KeyLen: keyLen}.withDefaults()
	if err := c.checkCost(); err != nil {
		return CRA{}, err
	}
	key, err := pbkdf2.Key(sha256.New, password, []byte(salt), c.Iterations, c.KeyLen)
	if err != nil {
		return CRA{}, fmt.Errorf("derive key: %w", err)
	}
	c.Secret = Secret(base64.StdEncoding.EncodeToString(key))
	return *c, nil
}

// withDefaults returns a copy with the defaults in place of zeros.
func (c CRA) withDefaults() *CRA {
	if c.Iterations == 0 {
		c.Iterations = 1000
	}
	if c.KeyLen == 0 {
		c.KeyLen = 32
	}
	return &c
}

func (c *CRA) check() error {
	if c.Secret == "" {
		return errors.New("the secret is empty")
	}
	if c.Salt == "" {
		return nil
	}
	if err := c.checkCost(); err != nil {
		return err
	}
	if key, err := decode64(string(c.Secret)); err != nil || len(key) != c.KeyLen {
		return fmt.Errorf("with a salt, the secret must be the derived key: %d bytes in base64", c.KeyLen)
	}
	return nil
}

func (c *CRA) checkCost() error {
	if c.Iterations < 1 || c.Iterations > maxCRAIterations {
		return fmt.Errorf("%d iterations; the range is 1 to %d", c.Iterations, maxCRAIterations)
	}
	if len(c.Salt) > maxSalt {
		return fmt.Errorf("a salt of %d bytes; the range is 1 to %d", len(c.Salt), maxSalt)
	}
	if c.KeyLen < 1 || c.KeyLen > maxCRAKeyLen {
		return fmt.Errorf("a key of %d bytes; the range is 1 to %d", c.KeyLen, maxCRAKeyLen)
	}
	return nil
}

type cra struct {
	record CRA
	text   string // the challenge
}

func newCRA(a attempt) cra {
	c := cra{record: *a.who.CRA, text: craChallenge(a, time.Now(), random(16))}
	if a.decoy != "" && c.record.Salt != "" {
		length := len(c.record.Salt)
		c.record.Salt = base64.RawURLEncoding.EncodeToString(a.salt(length))[:length]
	}
	return c
}

// undisclosed replaces the role in a challenge that must not disclose it.
const undisclosed = "undisclosed"

// craChallenge returns the JSON text that the client signs.
func craChallenge(a attempt, now time.Time, nonce []byte) string {
	role, provider := a.who.Role, a.who.Provider
	if a.Provider != "" {
		role, provider = undisclosed, a.Provider
	}
	text, _ := json.Marshal(struct { // strings and a number cannot fail
		Authid       string `json:"authid"`
		Authrole     string `json:"authrole"`
		Authmethod   string `json:"authmethod"`
		Authprovider string `json:"authprovider"`
		Nonce        string `json:"nonce"`
		Timestamp    string `json:"timestamp"`
		Session      uint64 `json:"session"`
	}{
		a.Authid, role, byCRA.String(), provider,
		base64.RawURLEncoding.EncodeToString(nonce), now.UTC().Format("2006-01-02T15:04:05.000Z"), a.Session,
	})
	return string(text)
}

func (c cra) challenge() map[string]any {
	extra := map[string]any{"challenge": c.text}
	if c.record.Salt != "" {
		extra["salt"], extra["iterations"], extra["keylen"] = c.record.Salt, c.record.Iterations, c.record.KeyLen
	}
	return extra
}

func (c cra) verify(signature string, _ map[string]any) (map[string]any, *Refused) {
	have, err := decode64(signature)
	if err != nil || len(have) != sha256.Size {
		return nil, malformed("wampcra: the signature is not %d octets in base64", sha256.Size)
	}
	if !hmac.Equal(have, hmac256([]byte(c.record.Secret), c.text)) {
		return nil, failed("wrong signature")
	}
	return nil, nil
}

func hmac256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
