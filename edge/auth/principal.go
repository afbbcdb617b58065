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

// Principal is one who may join a realm, and the ways in which he may prove it, at least one.
type Principal struct {
	Authid   string
	Role     string
	Provider string // WELCOME.Details.authprovider; "": "static"

	Ticket Secret              // method "ticket"; "": none
	CRA    *CRA                // method "wampcra"
	SCRAM  *SCRAM              // methods "wamp-scram" and "scram"
	Keys   []ed25519.PublicKey // method "cryptosign"

	// UID and GID are the credentials of a process at the other end of a Unix socket, method "unix". If both are
	// given, both have to match. GID is the process's primary group.
	UID, GID *int

	// Certificate is a client certificate's common name, or its SHA-256 fingerprint: 64 hex digits, with or without
	// colons. Method "tls".
	Certificate string
}

// principal is a Principal as Principals keep it.
type principal struct {
	Principal
	methods methods
	ticket  [sha256.Size]byte // Ticket's digest: equally long whatever the ticket's length
}

// compile checks p and copies what its maker might still change.
func compile(p Principal) (*principal, error) {
	if p.CRA != nil {
		p.CRA = p.CRA.filled()
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
		return errors.New("it has no role")
	case p.methods() == 0:
		return errors.New("it has no way to authenticate")
	case p.UID != nil && *p.UID < 0:
		return fmt.Errorf("uid %d is negative", *p.UID)
	case p.GID != nil && *p.GID < 0:
		return fmt.Errorf("gid %d is negative", *p.GID)
	}
	for _, key := range p.Keys {
		if len(key) != ed25519.PublicKeySize {
			return fmt.Errorf("cryptosign: a key has %d octets, not %d", len(key), ed25519.PublicKeySize)
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

// methods returns what the principal can authenticate by.
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

// fingerprintOrName returns a fingerprint in lower-case hex, and anything else as it is.
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
