package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"

	"runnel/edge/auth"
)

// principals compiles the principals of a realm and of the fleet, or returns nil if there are none.
func principals(r Realm, fleet []auth.Principal) (*auth.Principals, error) {
	if len(r.Principals)+len(fleet) == 0 {
		return nil, nil
	}
	var list []auth.Principal
	for _, p := range r.Principals {
		made, err := principal(p)
		if err != nil {
			return nil, fmt.Errorf("principal %s of realm %s: %w", p.Authid, r.Name, err)
		}
		list = append(list, made)
	}
	for _, p := range fleet {
		if !slices.ContainsFunc(r.Principals, func(q Principal) bool { return q.Authid == p.Authid }) {
			list = append(list, p)
		}
	}
	return auth.NewPrincipals(list)
}

// tryPrincipal returns the reason why p is not a valid principal.
func tryPrincipal(p Principal) error {
	made, err := principal(p)
	if err != nil {
		return err
	}
	_, err = auth.NewPrincipals([]auth.Principal{made})
	return err
}

func principal(p Principal) (made auth.Principal, err error) {
	made = auth.Principal{Authid: p.Authid, Role: p.Role, UID: p.UID, GID: p.GID, Certificate: p.Certificate}
	ticket, err := p.Ticket.Value()
	if err != nil {
		return made, fmt.Errorf("ticket: %w", err)
	}
	made.Ticket = auth.Secret(ticket)
	if p.Ticket.Set() && ticket == "" {
		return made, errors.New("ticket is empty")
	}
	for _, text := range p.AuthorizedKeys {
		key, err := auth.ParseKey(text)
		if err != nil {
			return made, fmt.Errorf("authorized_keys: %w", err)
		}
		made.Keys = append(made.Keys, key)
	}
	if made.CRA, err = p.Wampcra.compile(); err != nil {
		return made, fmt.Errorf("wampcra: %w", err)
	}
	if made.SCRAM, err = p.Scram.compile(p.Authid); err != nil {
		return made, fmt.Errorf("scram: %w", err)
	}
	return made, nil
}

func (c *CRA) compile() (*auth.CRA, error) {
	if c == nil {
		return nil, nil
	}
	secret, err := c.Secret.Value()
	if err != nil {
		return nil, err
	}
	if secret == "" {
		return nil, errors.New("the secret is missing")
	}
	return &auth.CRA{Secret: auth.Secret(secret), Salt: c.Salt, Iterations: c.Iterations, KeyLen: c.KeyLen}, nil
}

func (s *SCRAM) compile(authid string) (*auth.SCRAM, error) {
	if s == nil {
		return nil, nil
	}
	kdf := s.KDF
	if kdf == "" {
		kdf = "argon2id13"
	}
	if s.Secret.Set() {
		return s.derive(authid, kdf)
	}
	made := auth.SCRAM{KDF: kdf, Iterations: s.Iterations, Memory: s.Memory}
	for _, octets := range []struct {
		name, text string
		into       *auth.Octets
	}{{"salt", s.Salt, &made.Salt}, {"stored_key", s.StoredKey, &made.StoredKey}, {"server_key", s.ServerKey, &made.ServerKey}} {
		if octets.text == "" {
			return nil, fmt.Errorf("%s is missing; write it with salt, stored_key and server_key, or write secret", octets.name)
		}
		if err := octets.into.UnmarshalText([]byte(octets.text)); err != nil {
			return nil, fmt.Errorf("%s: %w", octets.name, err)
		}
	}
	return &made, nil
}

// derived caches keys that were derived from passwords, by a digest of the inputs. A reload therefore need not derive
// them again, and does not reveal by a new salt which authids exist (package auth, "Unknown authids").
var derived sync.Map // digest to auth.SCRAM

// derive derives the keys from the password. It does so once per process.
func (s *SCRAM) derive(authid, kdf string) (*auth.SCRAM, error) {
	if s.Salt != "" || s.StoredKey != "" || s.ServerKey != "" {
		return nil, errors.New("secret and keys are both set; write one of the two")
	}
	secret, err := s.Secret.Value()
	if err != nil {
		return nil, err
	}
	key := digest(sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d %q", authid, kdf, s.Iterations, s.Memory, secret)))
	if known, ok := derived.Load(key); ok {
		made := known.(auth.SCRAM)
		return &made, nil
	}
	made, err := auth.NewSCRAM(secret, kdf, s.Iterations, s.Memory)
	if err == nil {
		derived.Store(key, made)
	}
	return &made, err
}
