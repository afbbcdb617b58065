package auth

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Principal is a peer that may join a realm, with at least one method to prove its identity.
type Principal struct {
	Authid   string
	Role     string
	Provider string // WELCOME.Details.authprovider; "": "static"

	Ticket Secret              // method "ticket"; "": none
	CRA    *CRA                // method "wampcra"
	SCRAM  *SCRAM              // methods "wamp-scram" and "scram"
	Keys   []ed25519.PublicKey // method "cryptosign"

	// UID and GID are the credentials of the process at the other end of a Unix socket, for method "unix". If both are
	// set, both must match. GID is the primary group of the process.
	UID, GID *int

	// Certificate is the common name of a client certificate, or its SHA-256 fingerprint in hex, with or without
	// colons. It is for method "tls".
	Certificate string
}

// principal is a compiled Principal.
type principal struct {
	Principal
	methods methods
	ticket  [sha256.Size]byte // SHA-256 of Ticket, so that comparing takes the same time for all lengths
}

// compile checks p and copies everything that its caller might change later.
func compile(p Principal) (*principal, error) {
	if p.CRA != nil {
		p.CRA = p.CRA.withDefaults()
	}
	if p.SCRAM != nil {
		copied := *p.SCRAM
		p.SCRAM = &copied
	}
	p.Provider = cmp.Or(p.Provider, static)
	p.Keys = slices.Clone(p.Keys)
	p.Certificate = fingerprintOrName(p.Certificate)
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("principal %q: %w", p.Authid, err)
	}
	return &principal{Principal: p, methods: p.methods(), ticket: sha256.Sum256([]byte(p.Ticket))}, nil
}

func (p *Principal) check() error {
	switch {
	case p.Authid == "":
		return errors.New("the authid is empty")
	case p.Role == "":
		return errors.New("no role")
	case p.methods() == 0:
		return errors.New("no authentication method")
	case p.UID != nil && *p.UID < 0:
		return fmt.Errorf("uid %d is negative", *p.UID)
	case p.GID != nil && *p.GID < 0:
		return fmt.Errorf("gid %d is negative", *p.GID)
	}
	for _, key := range p.Keys {
		if len(key) != ed25519.PublicKeySize {
			return fmt.Errorf("cryptosign: a key has %d bytes, not %d", len(key), ed25519.PublicKeySize)
		}
	}
	if p.CRA != nil {
		if err := p.CRA.check(); err != nil {
			return fmt.Errorf("wampcra: %w", err)
		}
	}
	if p.SCRAM != nil {
		if err := p.SCRAM.check(); err != nil {
			return fmt.Errorf("scram: %w", err)
		}
	}
	return nil
}

// methods returns the methods that the principal has a secret or other proof for.
func (p *Principal) methods() (m methods) {
	add := func(can bool, by methods) {
		if can {
			m |= by
		}
	}
	add(p.Certificate != "", byTLS)
	add(p.UID != nil || p.GID != nil, byUnix)
	add(len(p.Keys) > 0, byCryptosign)
	add(p.SCRAM != nil, bySCRAM|byDraftSCRAM)
	add(p.CRA != nil, byCRA)
	add(p.Ticket != "", byTicket)
	return m
}

// fingerprintOrName returns a fingerprint in lower-case hex, and any other text unchanged.
func fingerprintOrName(text string) string {
	digits := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	if isFingerprint(digits) {
		return digits
	}
	return text
}

func isFingerprint(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == sha256.Size
}
