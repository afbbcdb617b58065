package client

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// CRA authenticates by a shared secret that is never sent (advanced/authentication_cra.md, method "wampcra").
func CRA(secret string) Auth { return craAuth(secret) }

type craAuth string

func (craAuth) Method() string        { return "wampcra" }
func (craAuth) Extra() map[string]any { return nil }

func (a craAuth) Answer(c Challenge) (string, error) {
	challenge, ok := field(c.Extra, "challenge").Text()
	if !ok {
		return "", errors.New("wampcra: the router sent no challenge")
	}
	key, err := a.key(c)
	if err != nil {
		return "", fmt.Errorf("wampcra: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(challenge)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// The router chooses the amount of work. A million rounds take seconds on the smallest boards.
const (
	maxIterations = 1_000_000
	maxKeyLength  = 64
)

// key returns the secret itself or, if the router stores it salted, a key derived from it. The HMAC key is the base64
// form of the derived key: the specification does not say so, but every implementation does it.
func (a craAuth) key(c Challenge) ([]byte, error) {
	salt, ok := field(c.Extra, "salt").Text()
	if !ok || len(salt) == 0 {
		return []byte(a), nil
	}
	iterations, length := uint64(1000), uint64(32)
	if n, ok := field(c.Extra, "iterations").Uint(); ok {
		iterations = n
	}
	if n, ok := field(c.Extra, "keylen").Uint(); ok {
		length = n
	}
	if iterations-1 >= maxIterations || length-1 >= maxKeyLength {
		return nil, fmt.Errorf("the router asks for %d iterations and a key of %d bytes", iterations, length)
	}
	key, err := pbkdf2.Key(sha256.New, string(a), salt, int(iterations), int(length))
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return base64.StdEncoding.AppendEncode(nil, key), nil
}
