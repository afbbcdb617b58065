package auth

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// cryptosign lets the client sign with its private key (advanced/authentication_cryptosign.md). It ignores a challenge
// for the router, and a trustroot, in HELLO.Details.authextra: the router has no key.
type cryptosign struct {
	text       [32]byte // the challenge
	signed     [32]byte // what the client signs: text, or text XOR channel id
	binding    any      // kind of channel binding; nil: none
	keys       []ed25519.PublicKey
	foreignKey string // why the client's key is not the principal's; "": it is
}

func newCryptosign(a attempt) (*cryptosign, *Refused) {
	c := &cryptosign{keys: a.who.Keys}
	key, err := announcedKey(a.Extra)
	if err != nil {
		return nil, err
	}
	if key != nil {
		c.keys = []ed25519.PublicKey{key}
		if !contains(a.who.Keys, key) {
			c.foreignKey = "the key does not belong to the principal"
		}
	}
	copy(c.text[:], random(len(c.text)))
	c.signed = c.text
	return c, c.bind(a)
}

// announcedKey reads authextra.pubkey. It returns nil if there is none, which is allowed with an authid.
func announcedKey(extra map[string]any) (ed25519.PublicKey, *Refused) {
	if extra["pubkey"] == nil {
		return nil, nil
	}
	text, _ := extra["pubkey"].(string)
	key, err := hex.DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, malformed("cryptosign: HELLO.Details.authextra.pubkey is not %d octets in hex", ed25519.PublicKeySize)
	}
	return key, nil
}

func contains(keys []ed25519.PublicKey, key ed25519.PublicKey) bool {
	for _, k := range keys {
		if k.Equal(key) {
			return true
		}
	}
	return false
}

// bind binds the challenge to the connection if the client requests it and the connection supports it. If it does not,
// CHALLENGE says so, and the client decides whether to continue.
func (c *cryptosign) bind(a attempt) *Refused {
	kind, err := bindingKind(a.Extra)
	if err != nil {
		return err
	}
	id, ok := a.channelID(kind)
	if !ok {
		return nil
	}
	c.binding = kind
	subtle.XORBytes(c.signed[:], c.text[:], id)
	return nil
}

// channelID returns the 32 octets for a kind of channel binding.
func (r *Request) channelID(kind string) ([]byte, bool) {
	if kind != "tls-unique" && kind != "tls-exporter" {
		return nil, false
	}
	data, ok := r.channelBinding(kind)
	if kind == "tls-unique" && ok { // a Finished message: 12 octets in TLS 1.2
		sum := sha256.Sum256(data)
		return sum[:], true
	}
	return data, ok && len(data) == 32
}

func (c *cryptosign) challenge() map[string]any {
	return map[string]any{"challenge": hex.EncodeToString(c.text[:]), "channel_binding": c.binding}
}

func (c *cryptosign) verify(signature string, _ map[string]any) (map[string]any, *Refused) {
	answer, err := hex.DecodeString(signature)
	if err != nil || len(answer) != ed25519.SignatureSize && len(answer) != ed25519.SignatureSize+len(c.signed) {
		return nil, malformed("cryptosign: the signature is not 96 octets in hex, nor 64")
	}
	sig, message := answer[:ed25519.SignatureSize], answer[ed25519.SignatureSize:]
	if len(message) > 0 && subtle.ConstantTimeCompare(message, c.signed[:]) == 0 {
		return nil, malformed("cryptosign: the signed data is not the challenge")
	}
	for _, key := range c.keys {
		if ed25519.Verify(key, c.signed[:], sig) {
			return c.accept()
		}
	}
	return nil, failed("wrong signature")
}

func (c *cryptosign) accept() (map[string]any, *Refused) {
	if c.foreignKey != "" {
		return nil, failed(c.foreignKey)
	}
	return nil, nil
}
