package edge

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"math"

	"runnel/edge/auth"
)

// dynamicProvider is WELCOME.Details.authprovider of sessions that an authenticator has admitted.
const dynamicProvider = "dynamic"

// admission is an authenticator's answer: a role, or a dict of
//
//	role    the session's role
//	authid  the session's authid; default: as in HELLO
//	extra   WELCOME.Details.authextra
//	realm   must be this realm, if present
//
// and, for a client that is challenged,
//
//	wampcra     secret; with salt (and optionally iterations and keylen) the secret is the derived key in base64
//	wamp-scram  kdf, salt, iterations, memory, stored_key, server_key (or with "-", as in Crossbar.io), in base64 as in a
//	            configuration, in hex as in Crossbar.io, or as binaries
//	cryptosign  pubkey or pubkeys: one key or a list, in any form that a configuration accepts, or as binaries
type admission struct {
	role, authid string
	extra        map[string]any
	fields       map[string]any
}

// readAdmission reads an authenticator's answer.
func readAdmission(answer any, realm string) (*admission, error) {
	switch a := answer.(type) {
	case nil:
		return nil, errRefused
	case bool:
		if !a {
			return nil, errRefused
		}
	case string:
		if a != "" {
			return &admission{role: a}, nil
		}
	case map[string]any:
		return readAdmissionDict(a, realm)
	}
	return nil, invalidAnswer(fmt.Sprintf("a %T, not a role or a dict with one", answer))
}

func readAdmissionDict(fields map[string]any, realm string) (*admission, error) {
	a := &admission{fields: fields}
	in := ""
	if err := firstError(a.text("role", &a.role), a.text("authid", &a.authid), a.text("realm", &in)); err != nil {
		return nil, err
	}
	switch {
	case a.role == "":
		return nil, invalidAnswer("role is missing")
	case in != "" && in != realm:
		return nil, invalidAnswer(fmt.Sprintf("realm is %.100q", in))
	}
	var ok bool
	if a.extra, ok = fields["extra"].(map[string]any); !ok && fields["extra"] != nil {
		return nil, invalidAnswer("extra is not a dict")
	}
	return a, nil
}

// identity returns id with the authid and the extra fields of the answer.
func (a *admission) identity(id auth.Identity) auth.Identity {
	if a.authid != "" {
		id.Authid = a.authid
	}
	if len(a.extra) > 0 {
		extra := maps.Clone(a.extra)
		maps.Copy(extra, id.Extra) // the method's own fields, which prove the router to the client, take precedence
		id.Extra = extra
	}
	return id
}

// principal returns the principal that the client must authenticate as. HELLO or the answer names it; the answer has its keys.
func (a *admission) principal(r *auth.Request, method string) (auth.Principal, error) {
	p := auth.Principal{Authid: r.Authid, Role: a.role, Provider: dynamicProvider}
	if p.Authid == "" {
		p.Authid = a.authid
	}
	if p.Authid == "" {
		return p, invalidAnswer("neither HELLO nor the answer names an authid")
	}
	var err error
	switch method {
	case "wampcra":
		p.CRA, err = a.cra()
	case "wamp-scram", "scram":
		p.SCRAM, err = a.scram()
	case "cryptosign":
		p.Keys, err = a.keys()
	}
	return p, err
}

func (a *admission) cra() (*auth.CRA, error) {
	var c auth.CRA
	secret := ""
	err := firstError(a.text("secret", &secret), a.text("salt", &c.Salt),
		a.number("iterations", &c.Iterations), a.number("keylen", &c.KeyLen))
	c.Secret = auth.Secret(secret)
	return &c, err
}

func (a *admission) scram() (*auth.SCRAM, error) {
	for _, name := range []string{"stored", "server"} { // Crossbar.io's spelling
		if dashed, ok := a.fields[name+"-key"]; ok {
			a.fields[name+"_key"] = dashed
		}
	}
	var s auth.SCRAM
	// The salt and both keys share one encoding, because a salt alone may be valid both as hex and as base64.
	read := decodeOctets
	if stored, _ := a.fields["stored_key"].(string); len(stored) == hex.EncodedLen(sha256.Size) {
		read = hex.DecodeString
	}
	return &s, firstError(a.text("kdf", &s.KDF), a.number("iterations", &s.Iterations), a.number("memory", &s.Memory),
		a.octets("salt", read, &s.Salt), a.octets("stored_key", read, &s.StoredKey), a.octets("server_key", read, &s.ServerKey))
}

func decodeOctets(text string) ([]byte, error) { return base64.StdEncoding.DecodeString(text) }

func (a *admission) keys() ([]ed25519.PublicKey, error) {
	var keys []ed25519.PublicKey
	for _, name := range []string{"pubkey", "pubkeys"} {
		list, several := a.fields[name].([]any)
		if !several && a.fields[name] != nil {
			list = []any{a.fields[name]}
		}
		for _, item := range list {
			key, err := readKey(item)
			if err != nil {
				return nil, invalidAnswer(fmt.Sprintf("%s: %v", name, err))
			}
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func readKey(item any) (ed25519.PublicKey, error) {
	switch k := item.(type) {
	case string:
		return auth.ParseKey(k)
	case []byte:
		return k, nil
	}
	return nil, fmt.Errorf("a %T is not a key", item)
}

// text reads an optional string.
func (a *admission) text(name string, into *string) error {
	var ok bool
	if *into, ok = a.fields[name].(string); !ok && a.fields[name] != nil {
		return invalidAnswer(name + " is not a string")
	}
	return nil
}

// number reads an optional integer.
func (a *admission) number(name string, into *int) error {
	if a.fields[name] == nil {
		return nil
	}
	n, ok := a.fields[name].(int64)
	if !ok || n < 0 || n > math.MaxInt32 {
		return invalidAnswer(name + " is not an integer in range")
	}
	*into = int(n)
	return nil
}

// octets reads a required binary, given as such or as text.
func (a *admission) octets(name string, read func(string) ([]byte, error), into *auth.Octets) (err error) {
	switch v := a.fields[name].(type) {
	case []byte:
		*into = v
	case string:
		*into, err = read(v)
	}
	if err != nil || len(*into) == 0 {
		return invalidAnswer(name + " is missing or cannot be decoded")
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
