package auth

import (
	"crypto/rand"
	"fmt"
	"log/slog"

	"runnel/edge/wamp"
)

// Request is what a HELLO says and what the transport knows of the peer.
type Request struct {
	Realm     string
	Authid    string         // HELLO.Details.authid; "": none
	Methods   []string       // HELLO.Details.authmethods, in the client's order
	Extra     map[string]any // HELLO.Details.authextra
	Session   wamp.ID        // the id the session will have: WAMP-CRA signs it
	Transport *wamp.Transport

	// Provider is what a challenge says of who decides, in place of the principal's own; the role is then left out. It is
	// for realms where several decide: the challenge must not tell which of them knows the authid. "": the principal's own.
	Provider string
}

// Identity is who a peer has proved to be, as WELCOME.Details tells it.
type Identity struct {
	Authid, Role     string
	Method, Provider string
	Extra            map[string]any // WELCOME.Details.authextra; nil: none
}

// Exchange is an authentication under way. One goroutine at a time may use it.
type Exchange interface {
	// Method is CHALLENGE.AuthMethod.
	Method() string

	// Challenge is CHALLENGE.Extra.
	Challenge() map[string]any

	// Answer takes AUTHENTICATE's signature and extra. It may be called once: whatever the answer, a further one is
	// refused. The error is a *Refused.
	Answer(signature string, extra map[string]any) (Identity, error)
}

// Refused says that a peer did not authenticate. errors.As finds the wamp.Failure in it.
type Refused struct {
	Reason  wamp.Failure
	Message string // for the peer: it does not help one who guesses
	Cause   string // for the log
}

// Error returns the message, never the cause: this text may be sent.
func (r *Refused) Error() string { return r.Message }

// Unwrap returns the reason.
func (r *Refused) Unwrap() error { return r.Reason }

// LogValue returns the cause, so that a log says what the peer is not told.
func (r *Refused) LogValue() slog.Value { return slog.StringValue(r.Cause) }

// refuse tells the peer and the log the same.
func refuse(reason wamp.Failure, format string, args ...any) *Refused {
	text := fmt.Sprintf(format, args...)
	return &Refused{reason, text, text}
}

// malformed is an answer, or a HELLO, that would be wrong whoever sends it.
func malformed(format string, args ...any) *Refused {
	return refuse(wamp.AuthenticationFailed, format, args...)
}

// wrong is an answer that does not prove what it should.
func wrong(cause string) *Refused {
	return &Refused{wamp.AuthenticationFailed, "authentication failed", cause}
}

// attempt is one peer's attempt to prove by one method that it is a principal.
type attempt struct {
	Request
	who *principal

	// standIn, if not empty, says why the peer cannot be whom it names: who is only the one after whom its challenge is
	// modelled, and no answer is right.
	standIn string

	salt func(length int) []byte // a stand-in's own salt
}

// proof is the part of an exchange that differs by method. verify returns WELCOME.Details.authextra, or why the answer
// is refused.
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

// begin starts an exchange by the method.
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
		return Identity{}, malformed("there was an answer to this challenge before")
	}
	e.over = true
	welcome, err := e.proof.verify(signature, extra)
	if err == nil && e.attempt.standIn != "" {
		err = wrong(e.attempt.standIn)
	}
	if err != nil {
		if e.attempt.standIn != "" {
			err.Cause = e.attempt.standIn
		}
		return Identity{}, err
	}
	return e.attempt.who.identity(e.method, welcome), nil
}

// static is WELCOME.Details.authprovider of all that the configuration names.
const static = "static"

func (p *principal) identity(by methods, extra map[string]any) Identity {
	return Identity{Authid: p.Authid, Role: p.Role, Method: by.String(), Provider: p.Provider, Extra: extra}
}

// random returns fresh octets.
func random(length int) []byte {
	b := make([]byte, length)
	rand.Read(b) // never fails: it would end the program
	return b
}
