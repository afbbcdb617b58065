package auth

import (
	"crypto/sha256"
	"crypto/subtle"
)

// ticket is a secret that is sent in clear text (advanced/authentication_ticket.md).
type ticket struct{ want [sha256.Size]byte }

func newTicket(a attempt) ticket { return ticket{a.who.ticket} }

func (ticket) challenge() map[string]any { return map[string]any{} }

func (t ticket) verify(signature string, _ map[string]any) (map[string]any, *Refused) {
	have := sha256.Sum256([]byte(signature))
	if subtle.ConstantTimeCompare(have[:], t.want[:]) == 0 {
		return nil, failed("wrong ticket")
	}
	return nil, nil
}
