package auth

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// cryptosign lets the client sign with its private key (advanced/authentication_cryptosign.md). A challenge for the
// router, and a trustroot, in HELLO.Details.authextra are left unanswered: the router has no key of its own.
type cryptosign struct {
	text    [32]byte // the challenge
	signed  [32]byte // what the client signs: text, or text XOR the channel's id
	binding any      // the kind of channel binding, nil without
	keys    []ed25519.PublicKey
	foreign string // why the client's key is not the principal's, if it is not
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
			c.foreign = "the key is none of the principal's"
		}
	}
	copy(c.text[:], random(len(c.text)))
	c.signed = c.text
	return c, c.bind(a)
}

// announcedKey reads authextra.pubkey; nil if there is none: with an authid it can be done without.
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

// bind ties the challenge to the connection, if the client wants it and the connection can. If it cannot, CHALLENGE says
// so and it is for the client to go on or not.
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
	if kind == "tls-unique" && ok { // a Finished message: 12 octets with TLS 1.2
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
		return nil, malformed("cryptosign: what is signed is not the challenge")
	}
	for _, key := range c.keys {
		if ed25519.Verify(key, c.signed[:], sig) {
			return c.accept()
		}
	}
	return nil, wrong("wrong signature")
}

func (c *cryptosign) accept() (map[string]any, *Refused) {
	if c.foreign != "" {
		return nil, wrong(c.foreign)
	}
	return nil, nil
}
