package auth

import (
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// Decoys returns principals that match no peer. Begin, with the given method, starts an exchange whose challenge looks like
// one for the principal like. No answer completes it. It is for peers that a dynamic authenticator has rejected, but that
// must not notice it before they have answered (see "Unknown authids"). Only the shape of like matters. nil means the
// defaults of NewSCRAM, or unsalted WAMP-CRA.
func Decoys(method string, like *Principal) (*Principals, error) {
	if like == nil {
		like = &Principal{}
	}
	decoy := Principal{
		Authid:   hex.EncodeToString(random(32)), // not guessable
		Role:     cmp.Or(like.Role, "none"),
		Provider: like.Provider,
	}
	switch m := parseMethod(method); m {
	case byCRA:
		decoy.CRA = decoyCRA(like.CRA)
	case bySCRAM, byDraftSCRAM:
		decoy.SCRAM = decoySCRAM(like.SCRAM)
	case byCryptosign:
		decoy.Keys = []ed25519.PublicKey{random(ed25519.PublicKeySize)}
	default:
		return nil, fmt.Errorf("no decoys for the method %q", method)
	}
	return NewPrincipals([]Principal{decoy})
}

func decoyCRA(like *CRA) *CRA {
	if like == nil || like.Salt == "" {
		return &CRA{Secret: Secret(hex.EncodeToString(random(32)))}
	}
	c := like.withDefaults()
	c.Secret = Secret(base64.StdEncoding.EncodeToString(random(c.KeyLen)))
	return c
}

func decoySCRAM(like *SCRAM) *SCRAM {
	s := SCRAM{KDF: kdfArgon2, Salt: random(16)}
	if like != nil {
		s = *like
	}
	s.setDefaults()
	s.StoredKey, s.ServerKey = random(32), random(32)
	return &s
}
