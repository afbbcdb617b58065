package client

import (
	"bytes"
	"crypto/ed25519"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"runnel/edge/wamp"
)

// Cryptosign authenticates by an Ed25519 key (advanced/authentication_cryptosign.md). It uses channel binding only if
// Bind adds it.
func Cryptosign(key ed25519.PrivateKey) Auth { return cryptosign{key: key} }

type cryptosign struct {
	key     ed25519.PrivateKey
	binding string // kind of channel binding; "": none
	channel []byte // channel id of the attempt's connection, 32 octets; nil without binding
}

func (cryptosign) Method() string { return "cryptosign" }

func (c cryptosign) Extra() map[string]any {
	extra := map[string]any{"pubkey": hex.EncodeToString(c.key.Public().(ed25519.PublicKey))}
	if c.binding != "" {
		extra["channel_binding"] = c.binding
	}
	return extra
}

func (c cryptosign) bound(kind string) Auth {
	c.binding = kind
	return c
}

func (c cryptosign) Attempt(t *wamp.Transport) (_ Auth, err error) {
	if c.binding != "" {
		c.channel, err = channelID(t, c.binding)
	}
	return c, err
}

func (c cryptosign) Answer(ch Challenge) (string, error) {
	text, ok := field(ch.Extra, "challenge").Text()
	if !ok {
		return "", errors.New("cryptosign: the router sent no challenge")
	}
	// Exactly 32 octets: a router must not get a signature on data of its choice.
	challenge, err := hex.DecodeString(string(text))
	if err != nil || len(challenge) != 32 {
		return "", errors.New("cryptosign: the challenge is not 32 octets in hex")
	}
	if c.binding != "" {
		if kind, _ := field(ch.Extra, "channel_binding").Text(); string(kind) != c.binding || len(c.channel) != len(challenge) {
			return "", fmt.Errorf("cryptosign: the router does not support channel binding %s", c.binding)
		}
		subtle.XORBytes(challenge, challenge, c.channel)
	}
	signed := append(ed25519.Sign(c.key, challenge), challenge...)
	return hex.EncodeToString(signed), nil
}

// ParseKey reads a key for Cryptosign from the content of a file. It accepts the 32-octet seed in hex, and PKCS #8 in
// PEM as written by "openssl genpkey -algorithm ed25519".
func ParseKey(data []byte) (ed25519.PrivateKey, error) {
	if block, _ := pem.Decode(data); block != nil {
		return parsePEM(block)
	}
	seed, err := hex.DecodeString(string(bytes.TrimSpace(data)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("the key is neither 64 hex digits nor PEM")
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func parsePEM(block *pem.Block) (ed25519.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", block.Type, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is %T, not Ed25519", key)
	}
	return private, nil
}
