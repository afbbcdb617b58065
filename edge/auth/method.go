package auth

import "strings"

// methods is a set of authentication methods.
type methods uint8

// From strong to weak.
const (
	byTLS methods = 1 << iota
	byUnix
	byCryptosign
	bySCRAM
	byDraftSCRAM
	byCRA
	byTicket

	byTransport = byTLS | byUnix // proved by the connection, without CHALLENGE
	byAuthid    = bySCRAM | byDraftSCRAM | byCRA | byTicket
	byChallenge = byCryptosign | byAuthid
)

var methodNames = [...]string{"tls", "unix", "cryptosign", "wamp-scram", "scram", "wampcra", "ticket"}

// parseMethod returns the method with a name; 0 if this package does not have it.
func parseMethod(name string) methods {
	for i, known := range methodNames {
		if name == known {
			return 1 << i
		}
	}
	return 0
}

// names returns the methods' names, strongest first.
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
