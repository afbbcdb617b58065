package edge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// Dynamic authenticators: a procedure of the realm decides who may join. The router calls it about peers without a static
// principal. Its arguments are those of Crossbar.io's authenticators:
//
//	realm    string
//	authid   string or null, as in HELLO
//	details  {authmethod, authextra, session, transport, ticket}
//
// For a ticket it is called once the client has sent the ticket, and for an anonymous session at once. For other methods it
// is called before CHALLENGE, and its answer contains the keys for the challenge (admission.go). It answers with a role, or
// with a dict that has one. Null, false and an ERROR refuse the peer.
//
// A peer must not be able to find out which authids exist. Static principals therefore get a challenge in the same form
// and after the same time as unknown peers (static.go). A peer that would be rejected before CHALLENGE gets a decoy
// challenge, and is rejected after its answer. The same happens while the authenticator fails, which is logged.

// dynamicMethods are the methods that a procedure may decide about, the strongest first.
var dynamicMethods = []string{"cryptosign", "wamp-scram", "scram", "wampcra", "ticket", "anonymous"}

// maxAuthenticating is how many peers of one realm may wait for its authenticators at a time. The rest of the router's own
// calls is reserved for sessions that have joined.
const maxAuthenticating = maxAsks / 4

// authenticators are the authenticators of a realm; nil if there are none.
type authenticators struct {
	// Static after construction.
	procedures map[string]string // by method
	slots      chan struct{}

	mu       sync.Mutex
	decoys   map[string]*auth.Principals // by method
	modelled map[string]bool             // the method's decoys are modelled on a principal that an authenticator has named
}

// newAuthenticators checks the options and makes the authenticators.
func newAuthenticators(o *RealmOptions) (*authenticators, error) {
	if len(o.Authenticators) == 0 {
		return nil, nil
	}
	a := &authenticators{
		procedures: make(map[string]string),
		slots:      make(chan struct{}, maxAuthenticating),
		decoys:     make(map[string]*auth.Principals),
		modelled:   make(map[string]bool),
	}
	for method, procedure := range o.Authenticators {
		if !slices.Contains(dynamicMethods, method) {
			return nil, fmt.Errorf("authenticator for %q: unknown method; use one of %s", method, strings.Join(dynamicMethods, ", "))
		}
		if err := askable(procedure, o.Strict); err != nil {
			return nil, fmt.Errorf("authenticator for %s: %w", method, err)
		}
		a.procedures[method] = procedure
	}
	if a.procedures["anonymous"] != "" && o.Anonymous != "" {
		return nil, fmt.Errorf("authenticator for anonymous: anonymous sessions have the role %q already", o.Anonymous)
	}
	// Clients use two names for one method, so its authenticator is listed under both.
	for name, other := range map[string]string{"scram": "wamp-scram", "wamp-scram": "scram"} {
		if o.Authenticators[name] == "" && o.Authenticators[other] != "" {
			a.procedures[name] = o.Authenticators[other]
		}
	}
	return a, nil
}

// methods returns the methods that the authenticators decide about, the strongest first.
func (a *authenticators) methods() (list []string) {
	if a == nil {
		return nil
	}
	for _, method := range dynamicMethods {
		if a.procedures[method] != "" {
			list = append(list, method)
		}
	}
	return list
}

// pick returns the first of the client's methods that an authenticator decides about. ready means that HELLO has all that
// the method needs.
func (a *authenticators) pick(r *auth.Request) (method string, ready bool) {
	if a == nil {
		return "", false
	}
	for _, name := range r.Methods {
		if a.procedures[name] == "" {
			continue
		}
		switch {
		case name == "ticket": // the ticket may identify the client
			return name, true
		case r.Authid != "" || name == "cryptosign" && r.Extra["pubkey"] != nil:
			return name, true
		}
		method = name
	}
	return method, false
}

// offered returns the methods by which the peer behind a connection may join the realm.
func (p *policy) offered(t *wamp.Transport) []string {
	var list []string
	if p.principals != nil {
		list = slices.Clone(p.principals.Methods())
	}
	for _, method := range p.authenticators.methods() {
		if !slices.Contains(list, method) {
			list = append(list, method)
		}
	}
	if p.anonymousBy(t) != nil && !slices.Contains(list, "anonymous") {
		list = append(list, "anonymous")
	}
	return list
}

// begin begins an authentication: with a static principal if there is one for the peer, or else with the principal that an
// authenticator names.
func (s *session) begin(r auth.Request) (*auth.Identity, auth.Exchange, error) {
	p := s.policy
	method, ready := p.authenticators.pick(&r)
	if p.authenticators != nil {
		r.Provider = dynamicProvider
	}
	switch {
	case p.principals != nil && method == "":
		return p.principals.Begin(r)
	case p.principals != nil && p.principals.Knows(r):
		return s.beginStatic(r, method)
	case method == "":
		return nil, nil, wamp.NoMatchingAuthMethod
	case !ready:
		return nil, nil, refusal{wamp.AuthenticationFailed, method + ": HELLO.Details has no authid"}
	}
	if method == "ticket" {
		r.Methods = []string{method}
		return nil, &ticketShown{s, r}, nil
	}
	exchange, err := s.beginNamed(r, method)
	return nil, exchange, err
}

// anonymous identifies the peer as an anonymous session. The identity is nil if the realm admits none.
func (s *session) anonymous(r auth.Request) (*auth.Identity, error) {
	p := s.policy
	if role := p.anonymousBy(r.Transport); role != nil {
		return &auth.Identity{Authid: anonymousAuthid(), Role: role.Name(), Method: "anonymous", Provider: "static"}, nil
	}
	if p.authenticator("anonymous") == "" {
		return nil, nil
	}
	named, err := s.inquire(r, "anonymous", nil)
	if err != nil {
		time.Sleep(failureDelay)
		return nil, err
	}
	identity := named.identity(auth.Identity{Authid: anonymousAuthid(), Role: named.role, Method: "anonymous", Provider: dynamicProvider})
	return &identity, nil
}

// inquire calls the authenticator about the peer. An error is an *auth.Refused.
func (s *session) inquire(r auth.Request, method string, ticket *string) (*admission, error) {
	m := s.realm
	procedure := s.policy.authenticator(method)
	details := map[string]any{
		"authmethod": method,
		"authextra":  r.Extra,
		"session":    r.Session,
		"transport":  peerDetails(r.Transport),
	}
	if r.Extra == nil {
		details["authextra"] = map[string]any{}
	}
	if ticket != nil {
		details["ticket"] = *ticket
	}
	var authid any
	if r.Authid != "" {
		authid = r.Authid
	}
	answer, err := s.askAuthenticator(procedure, []any{m.name, authid, details})
	var named *admission
	if err == nil {
		named, err = readAdmission(answer, m.name)
	}
	if err == nil {
		return named, nil
	}
	m.reportProcedure("authenticator", procedure, err)
	return nil, notAdmitted(procedure, err)
}

func (s *session) askAuthenticator(procedure string, args []any) (any, error) {
	m, a := s.realm, s.policy.authenticators
	ctx, cancel := context.WithTimeout(context.Background(), m.router.options().AskTimeout)
	defer cancel()
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return nil, refusal{wamp.Timeout, "too many peers are waiting to be authenticated"}
	case <-m.asks.closed:
		return nil, wamp.CloseShutdown
	}
	results, named, err := m.ask(ctx, procedure, args, nil)
	return answerOf(results, named), err
}

// notAdmitted makes a refusal with a neutral message for the peer; the cause goes to the log.
func notAdmitted(procedure string, err error) *auth.Refused {
	return &auth.Refused{
		Reason:  wamp.AuthenticationFailed,
		Message: "authentication failed",
		Cause:   fmt.Sprintf("the authenticator %s: %.200s", procedure, err.Error()),
	}
}

// errRefused means that a procedure has refused the peer.
var errRefused = errors.New("refused")

// invalidAnswer is the error of an answer that a procedure called by the router must not give.
type invalidAnswer string

func (n invalidAnswer) Error() string { return "invalid answer: " + string(n) }

// reportProcedure logs that a procedure called by the router has failed. A refusal is not a failure.
func (m *realm) reportProcedure(what, procedure string, err error) {
	if errors.Is(err, errRefused) || isDenial(err) || errors.Is(err, wamp.CloseShutdown) {
		return
	}
	if failure := wamp.Failure(""); errors.As(err, &failure) && !wamp.Reserved(string(failure)) {
		return // an error of the application
	}
	if suppressed, ok := m.askFailures.Allow(); ok {
		m.log.Error("procedure that decides about access failed", "decides", what, "procedure", procedure,
			"err", fmt.Sprintf("%.200s", err.Error()), "suppressed", suppressed)
	}
}

// isDenial reports whether a procedure has refused with one of the protocol's own errors.
func isDenial(err error) bool {
	for _, failure := range []wamp.Failure{wamp.NotAuthorized, wamp.AuthenticationDenied, wamp.AuthenticationFailed, wamp.NoSuchPrincipal, wamp.NoSuchRole} {
		if errors.Is(err, failure) {
			return true
		}
	}
	return false
}

// peerDetails returns the details of a peer's connection for an authenticator.
func peerDetails(t *wamp.Transport) map[string]any {
	details := t.Details()
	if t.HasCred {
		details["credentials"] = map[string]any{"uid": t.UID, "gid": t.GID, "pid": t.PID}
	}
	if t.Certificate != nil {
		details["certificate"] = map[string]any{"common_name": t.Certificate.CommonName, "sha256": t.Certificate.SHA256}
	}
	return details
}

// ticketShown is the exchange of a ticket that an authenticator checks.
type ticketShown struct {
	session *session
	request auth.Request
}

func (e *ticketShown) Method() string            { return "ticket" }
func (e *ticketShown) Challenge() map[string]any { return map[string]any{} }

func (e *ticketShown) Answer(ticket string, _ map[string]any) (auth.Identity, error) {
	named, err := e.session.inquire(e.request, "ticket", &ticket)
	if err != nil {
		return auth.Identity{}, err
	}
	identity := auth.Identity{Authid: e.request.Authid, Role: named.role, Method: "ticket", Provider: dynamicProvider}
	if identity = named.identity(identity); identity.Authid == "" {
		return auth.Identity{}, e.session.rejectAnswer("ticket", invalidAnswer("neither HELLO nor the answer names an authid"))
	}
	return identity, nil
}

// rejectAnswer logs that an authenticator's answer is invalid, and returns the refusal of the peer.
func (s *session) rejectAnswer(method string, err error) *auth.Refused {
	procedure := s.policy.authenticator(method)
	s.realm.reportProcedure("authenticator", procedure, err)
	return notAdmitted(procedure, err)
}

// namedExchange is an exchange with the principal that an authenticator has named, or with a decoy.
type namedExchange struct {
	auth.Exchange
	named   *admission
	refused *auth.Refused // why it is a decoy; nil if it is not
}

// beginNamed calls the authenticator and begins an exchange with the principal that it names, or with a decoy. An error
// says what HELLO lacks, and is the same for every authid.
func (s *session) beginNamed(r auth.Request, method string) (auth.Exchange, error) {
	a, all := s.policy.authenticators, r
	r.Methods = []string{method}
	e := &namedExchange{}
	var principals *auth.Principals
	named, err := s.inquire(r, method, nil)
	if err == nil {
		e.named = named
		principals, err = a.admit(&r, method, named)
		if err != nil {
			err = s.rejectAnswer(method, err)
		}
	}
	if err != nil {
		errors.As(err, &e.refused)
		if static := s.policy.principals; static != nil && static.HasDecoy(all, a.hasModel(method)) {
			_, e.Exchange, err = static.Begin(all)
			return e, err
		}
		if principals, err = a.decoysFor(method); err != nil {
			return nil, err
		}
	}
	if _, e.Exchange, err = principals.Begin(r); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *namedExchange) Answer(signature string, extra map[string]any) (auth.Identity, error) {
	identity, err := e.Exchange.Answer(signature, extra)
	if wrong := (*auth.Refused)(nil); e.refused != nil && errors.As(err, &wrong) {
		wrong.Cause = e.refused.Cause
	}
	if err != nil {
		return identity, err
	}
	return e.named.identity(identity), nil
}

// admit returns the principal that an authenticator has named. The first one of a method is the model of its decoys.
func (a *authenticators) admit(r *auth.Request, method string, named *admission) (*auth.Principals, error) {
	principal, err := named.principal(r, method)
	if err != nil {
		return nil, err
	}
	principals, err := auth.NewPrincipals([]auth.Principal{principal})
	if err != nil {
		return nil, invalidAnswer(err.Error())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.modelled[method] {
		decoys, err := auth.Decoys(method, &principal)
		if err != nil {
			return nil, err
		}
		a.decoys[method], a.modelled[method] = decoys, true
	}
	return principals, nil
}

// hasModel reports whether the method's decoys are modelled on a principal that an authenticator has named.
func (a *authenticators) hasModel(method string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.modelled[method]
}

// decoysFor returns the principals that stand in when an authenticator refuses a peer.
func (a *authenticators) decoysFor(method string) (*auth.Principals, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.decoys[method] == nil {
		decoys, err := auth.Decoys(method, &auth.Principal{Provider: dynamicProvider})
		if err != nil {
			return nil, err
		}
		a.decoys[method] = decoys
	}
	return a.decoys[method], nil
}
