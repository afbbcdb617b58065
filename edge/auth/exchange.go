package auth

import (
	"crypto/rand"
	"fmt"
	"log/slog"

	"runnel/edge/wamp"
)

// Request is the content of a HELLO, with what the transport knows about the peer.
type Request struct {
	Realm     string
	Authid    string         // HELLO.Details.authid; "": none
	Methods   []string       // HELLO.Details.authmethods, in the client's order of preference
	Extra     map[string]any // HELLO.Details.authextra
	Session   wamp.ID        // the id that the session will have; WAMP-CRA signs it
	Transport *wamp.Transport

	// Provider replaces the principal's provider in a challenge, and hides the role. A realm with several authenticators
	// sets it: the challenge must not disclose which of them knows the authid. "": the principal's own.
	Provider string
}

// Identity is the identity that a peer has proved, as sent in WELCOME.Details.
type Identity struct {
	Authid, Role     string
	Method, Provider string
	Extra            map[string]any // WELCOME.Details.authextra; nil: none
}

// Exchange is an authentication in progress. One goroutine at a time may use it.
type Exchange interface {
	// Method returns CHALLENGE.AuthMethod.
	Method() string

	// Challenge returns CHALLENGE.Extra.
	Challenge() map[string]any

	// Answer verifies AUTHENTICATE's signature and extra. Only the first call can succeed. The error is a *Refused.
	Answer(signature string, extra map[string]any) (Identity, error)
}

// Refused means that a peer did not authenticate. errors.As finds the wamp.Failure in it.
type Refused struct {
	Reason  wamp.Failure
	Message string // for the peer; it must not help guessing
	Cause   string // for the log
}

// Error returns the message, never the cause: the text may be sent to the peer.
func (r *Refused) Error() string { return r.Message }

// Unwrap returns the reason.
func (r *Refused) Unwrap() error { return r.Reason }

// LogValue returns the cause: the log may contain more than the peer learns.
func (r *Refused) LogValue() slog.Value { return slog.StringValue(r.Cause) }

// refuse returns a Refused with the same text for the peer and the log.
func refuse(reason wamp.Failure, format string, args ...any) *Refused {
	text := fmt.Sprintf(format, args...)
	return &Refused{reason, text, text}
}

// malformed is the error of a HELLO or an answer that would be wrong for any principal.
func malformed(format string, args ...any) *Refused {
	return refuse(wamp.AuthenticationFailed, format, args...)
}

// failed is the error of an answer that does not prove the identity.
func failed(cause string) *Refused {
	return &Refused{wamp.AuthenticationFailed, "authentication failed", cause}
}

// attempt is a peer's attempt to authenticate as a principal by one method.
type attempt struct {
	Request
	who *principal

	// decoy, if not empty, says why the peer cannot be the principal that it names. Then who is only the model for the
	// challenge, and every answer is wrong.
	decoy string

	salt func(length int) []byte // the decoy's own salt
}

// proof is the part of an exchange that depends on the method. verify returns WELCOME.Details.authextra, or why the
// answer is rejected.
type proof interface {
	challenge() map[string]any
	verify(signature string, extra map[string]any) (map[string]any, *Refused)
}

type exchange struct {
	method  methods
	attempt attempt
	proof   proof
	over    bool
}

// begin starts an exchange with the given method.
func begin(m methods, a attempt) (*exchange, *Refused) {
	var p proof
	var err *Refused
	switch m {
	case byTicket:
		p = newTicket(a)
	case byCRA:
		p = newCRA(a)
	case bySCRAM, byDraftSCRAM:
		p, err = newSCRAM(a, m == byDraftSCRAM)
	case byCryptosign:
		p, err = newCryptosign(a)
	}
	if err != nil {
		return nil, err
	}
	return &exchange{method: m, attempt: a, proof: p}, nil
}

func (e *exchange) Method() string            { return e.method.String() }
func (e *exchange) Challenge() map[string]any { return e.proof.challenge() }

func (e *exchange) Answer(signature string, extra map[string]any) (Identity, error) {
	if e.over {
		return Identity{}, malformed("the challenge was already answered")
	}
	e.over = true
	welcome, err := e.proof.verify(signature, extra)
	if err == nil && e.attempt.decoy != "" {
		err = failed(e.attempt.decoy)
	}
	if err != nil {
		if e.attempt.decoy != "" {
			err.Cause = e.attempt.decoy
		}
		return Identity{}, err
	}
	return e.attempt.who.identity(e.method, welcome), nil
}

// static is WELCOME.Details.authprovider of principals in the configuration.
const static = "static"

func (p *principal) identity(by methods, extra map[string]any) Identity {
	return Identity{Authid: p.Authid, Role: p.Role, Method: by.String(), Provider: p.Provider, Extra: extra}
}

// random returns random octets.
func random(length int) []byte {
	b := make([]byte, length)
	rand.Read(b) // never fails: it would end the program
	return b
}
