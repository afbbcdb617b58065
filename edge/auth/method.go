package auth

import "strings"

// methods is a set of authentication methods.
type methods uint8

// In order of strength.
const (
	byTLS methods = 1 << iota
	byUnix
	byCryptosign
	bySCRAM
	byDraftSCRAM
	byCRA
	byTicket

	byTransport = byTLS | byUnix // what the connection itself says: no CHALLENGE
	byAuthid    = bySCRAM | byDraftSCRAM | byCRA | byTicket
	byChallenge = byCryptosign | byAuthid
)

var methodNames = [...]string{"tls", "unix", "cryptosign", "wamp-scram", "scram", "wampcra", "ticket"}

// parseMethod reads a method's name; 0 if it is none of this package's.
func parseMethod(name string) methods {
	for i, known := range methodNames {
		if name == known {
			return 1 << i
		}
	}
	return 0
}

// names returns the methods' names, the strongest first.
func (m methods) names() []string {
	var list []string
	for i, name := range methodNames {
		if m&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

func (m methods) String() string { return strings.Join(m.names(), ", ") }
