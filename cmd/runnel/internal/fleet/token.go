package fleet

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/auth"
)

type ed25519Key = ed25519.PublicKey

// Token is a credential with which nodes enrol.
type Token struct {
	ID      string    `json:"id"`
	Realm   string    `json:"realm"`
	Role    string    `json:"role"` // of the nodes
	Uses    int       `json:"uses"` // number of nodes that may enrol with it
	Used    int       `json:"used"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Proof   proof     `json:"proof"`
}

// proof verifies the secret of a token without revealing it (RFC 5802, StoredKey and ServerKey).
type proof struct {
	Salt       auth.Octets `json:"salt"`
	Iterations int         `json:"iterations"`
	StoredKey  auth.Octets `json:"stored_key"`
	ServerKey  auth.Octets `json:"server_key"`
}

// Bounds and defaults of a token.
const (
	MostUses    = 65536
	LongestLife = 366 * 24 * time.Hour

	kdf        = "pbkdf2"
	iterations = 4096 // enough for a random secret; more would only cost the nodes time
	secretSize = 20   // bytes
)

var base = base32.StdEncoding.WithPadding(base32.NoPadding)

// mark begins each token, so that tools recognize a token that has leaked into a file or a log.
const mark = "runnel"

// NewToken creates a token. The text holds the secret and cannot be retrieved later.
func (r *Registry) NewToken(realm, role string, uses int, life time.Duration) (text string, t Token, err error) {
	if uses < 1 || uses > MostUses {
		return "", t, &Error{Invalid, fmt.Sprintf("uses must be 1 to %d", MostUses)}
	}
	if life < time.Second || life > LongestLife {
		return "", t, &Error{Invalid, fmt.Sprintf("expires must be 1s to %v", LongestLife)}
	}
	id, secret := make([]byte, 4), make([]byte, secretSize)
	rand.Read(id) // never fails
	rand.Read(secret)
	password := strings.ToLower(base.EncodeToString(secret))
	made, err := auth.NewSCRAM(password, kdf, iterations, 0)
	if err != nil {
		return "", t, err
	}
	now := time.Now().UTC().Round(time.Millisecond)
	t = Token{
		ID: hex.EncodeToString(id), Realm: realm, Role: role, Uses: uses, Created: now, Expires: now.Add(life),
		Proof: proof{made.Salt, made.Iterations, made.StoredKey, made.ServerKey},
	}
	err = r.change(func(k *kept) error {
		if len(k.Tokens) >= mostTokens {
			k.Tokens = slices.DeleteFunc(k.Tokens, func(t Token) bool { return t.spent(now) != "" })
		}
		if len(k.Tokens) >= mostTokens {
			return &Error{Full, fmt.Sprintf("there are %d tokens, which is the limit; runnel token revoke removes one", mostTokens)}
		}
		k.Tokens = append(k.Tokens, t)
		return nil
	})
	if err != nil {
		return "", t, err
	}
	r.log.Info("token created", "realm", realm, "token", t.ID, "role", role, "uses", uses, "expires", t.Expires)
	return strings.Join([]string{mark, t.ID, password}, "-"), t, nil
}

// spent returns the reason why no more nodes can enrol with the token, or "".
func (t Token) spent(now time.Time) string {
	switch {
	case t.Used >= t.Uses:
		return "used up"
	case !now.Before(t.Expires):
		return "expired"
	}
	return ""
}

// State is "valid", "used up" or "expired".
func (t Token) State() string { return cmp.Or(t.spent(time.Now()), "valid") }

// principal returns the principal that joins with the token. A spent token may still join, so that the node gets a clear error.
func (t Token) principal() auth.Principal {
	return auth.Principal{
		Authid: tokenAuthid(t.ID), Role: config.EnrolRole, Provider: "fleet",
		SCRAM: &auth.SCRAM{KDF: kdf, Salt: t.Proof.Salt, Iterations: t.Proof.Iterations, StoredKey: t.Proof.StoredKey, ServerKey: t.Proof.ServerKey},
	}
}

func tokenAuthid(id string) string { return "runnel-token-" + id }

// Tokens returns a realm's tokens, newest first.
func (r *Registry) Tokens(realm string) []Token {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.DeleteFunc(append([]Token{}, r.kept.Tokens...), func(t Token) bool { return t.Realm != realm })
	slices.Reverse(list)
	return list
}

// Revoke removes a token. Nodes that have enrolled with it stay enrolled.
func (r *Registry) Revoke(realm, id string) error {
	err := r.change(func(k *kept) error {
		i := k.token(realm, id)
		if i < 0 {
			return &Error{NoSuchToken, fmt.Sprintf("there is no token %q in realm %s; runnel token ls lists them", id, realm)}
		}
		k.Tokens = slices.Delete(k.Tokens, i, i+1)
		return nil
	})
	if err == nil {
		r.log.Info("token revoked", "realm", realm, "token", id)
	}
	return err
}
