package auth

import (
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// Decoys returns principals for whom every peer is a stranger: Begin, by the method, starts an exchange whose challenge
// looks like that of the principal like and that no answer ends well. It is for those whom somebody else than Principals
// has refused, and who are not to hear of it before they have answered; see "Who is not there". Of the principal only the
// shape counts; nil stands for one with the defaults of NewSCRAM, or an unsalted WAMP-CRA.
func Decoys(method string, like *Principal) (*Principals, error) {
	if like == nil {
		like = &Principal{}
	}
	decoy := Principal{
		Authid:   hex.EncodeToString(random(32)), // nobody can name it
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
	c := like.filled()
	c.Secret = Secret(base64.StdEncoding.EncodeToString(random(c.KeyLen)))
	return c
}

func decoySCRAM(like *SCRAM) *SCRAM {
	s := SCRAM{KDF: kdfArgon2, Salt: random(16)}
	if like != nil {
		s = *like
	}
	s.fill()
	s.StoredKey, s.ServerKey = random(32), random(32)
	return &s
}
