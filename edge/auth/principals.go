package auth

import (
	"cmp"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"runnel/edge/wamp"
)

// Principals are the peers that may join a realm. They are immutable: any goroutine may use them.
type Principals struct {
	authids      map[string]*principal
	keys         map[string]*principal // by public key
	certificates map[string]*principal
	processes    map[credentials]*principal
	methods      methods // of all principals

	key  []byte  // for the decoys of unknown authids
	ring []place // sorted
}

// place is a principal's position on the ring on which decoys are found.
type place struct {
	at  uint64
	who *principal
}

// processKey keeps the decoys of unknown authids the same across reloads of the configuration.
var processKey = sync.OnceValue(func() []byte { return random(sha256.Size) })

// NewPrincipals compiles the list. The decoys of unknown authids (see the package comment) stay the same until the
// process ends.
func NewPrincipals(list []Principal) (*Principals, error) {
	return NewPrincipalsWithKey(list, processKey())
}

// NewPrincipalsWithKey is NewPrincipals with a persistent key, at least 16 random octets. It keeps the decoys of unknown
// authids the same across restarts. Otherwise a salt that changes with a restart would show that an authid does not exist.
func NewPrincipalsWithKey(list []Principal, key []byte) (*Principals, error) {
	if len(key) < 16 {
		return nil, fmt.Errorf("the key has %d bytes; it needs at least 16", len(key))
	}
	p := &Principals{
		authids:      make(map[string]*principal),
		keys:         make(map[string]*principal),
		certificates: make(map[string]*principal),
		processes:    make(map[credentials]*principal),
		key:          slices.Clone(key),
	}
	var errs []error
	for _, one := range list {
		who, err := compile(one)
		if err == nil {
			err = p.add(who)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	sort.Slice(p.ring, func(i, j int) bool { return p.ring[i].at < p.ring[j].at })
	return p, nil
}

func (p *Principals) add(who *principal) error {
	var errs []error
	claim := func(other *principal, what string) {
		if other != nil {
			errs = append(errs, fmt.Errorf("principal %q: %s is also that of %q", who.Authid, what, other.Authid))
		}
	}
	if p.authids[who.Authid] != nil {
		return fmt.Errorf("principal %q: duplicate authid", who.Authid)
	}
	p.authids[who.Authid] = who
	for _, key := range who.Keys {
		claim(p.keys[string(key)], fmt.Sprintf("the key %x", []byte(key)))
		p.keys[string(key)] = who
	}
	if who.methods&byTLS != 0 {
		key := certificateKey(who.Certificate)
		claim(p.certificates[key], "the certificate "+who.Certificate)
		p.certificates[key] = who
	}
	if who.methods&byUnix != 0 {
		claim(p.processes[who.credentials()], "the pair of uid and gid")
		p.processes[who.credentials()] = who
	}
	p.methods |= who.methods
	p.ring = append(p.ring, place{p.place(who.Authid), who})
	return errors.Join(errs...)
}

// Methods returns the methods that some principal has, strongest first.
func (p *Principals) Methods() []string { return p.methods.names() }

// Begin picks the first of the client's methods that can be used. For the methods "tls" and "unix" it returns the
// identity at once, for the others an exchange. If the client names no methods, these two are tried. Methods that this
// package does not have are skipped.
//
// The error is a *Refused: AuthenticationRequired if the client names no methods, NoMatchingAuthMethod if none of them is
// offered, NoSuchPrincipal if the transport does not identify a principal, AuthenticationFailed if HELLO is incomplete.
func (p *Principals) Begin(r Request) (*Identity, Exchange, error) {
	order, set := p.usable(&r)
	a := p.newAttempt(r, set)
	for _, m := range order {
		if m&byTransport != 0 {
			if who, _ := p.transportPrincipal(m, &r); who != nil {
				id := who.identity(m, nil)
				return &id, nil, nil
			}
			continue
		}
		if a.who.methods&m == 0 {
			continue
		}
		e, err := begin(m, a)
		if err != nil {
			return nil, nil, err
		}
		return nil, e, nil
	}
	return nil, nil, p.refusal(&r)
}

// usable returns the methods that HELLO is complete for, in the client's order and as a set.
func (p *Principals) usable(r *Request) (order []methods, set methods) {
	named := r.Methods
	if len(named) == 0 {
		named = byTransport.names()
	}
	for _, name := range named {
		m := parseMethod(name) & p.methods
		if m == 0 || m&set != 0 || p.unidentified(m, r) {
			continue
		}
		order, set = append(order, m), set|m
	}
	return order, set
}

// unidentified reports whether HELLO lacks the identity that the method needs.
func (p *Principals) unidentified(m methods, r *Request) bool {
	return r.Authid == "" && (m&byAuthid != 0 || m == byCryptosign && r.Extra["pubkey"] == nil)
}

// refusal returns why no method can be used.
func (p *Principals) refusal(r *Request) *Refused {
	if len(r.Methods) == 0 {
		return refuse(wamp.AuthenticationRequired, "authentication is required: %s", p.methods)
	}
	for _, name := range r.Methods {
		m := parseMethod(name) & p.methods
		if m&byTransport != 0 {
			_, err := p.transportPrincipal(m, r)
			return err
		}
		if m != 0 {
			return malformed("%s: HELLO.Details has no authid", m)
		}
	}
	if p.methods == 0 {
		return refuse(wamp.NoMatchingAuthMethod, "no authentication method is configured")
	}
	return refuse(wamp.NoMatchingAuthMethod, "none of the client's methods is offered; offered: %s", p.methods)
}

// newAttempt returns the attempt for the principal that the request names. If there is none with one of the methods,
// the attempt is for a decoy.
func (p *Principals) newAttempt(r Request, set methods) attempt {
	a := attempt{Request: r}
	if set&byChallenge == 0 {
		return a
	}
	name := r.Authid
	who := p.authids[name]
	if name == "" {
		key, _ := announcedKey(r.Extra)
		name, who = fmt.Sprintf("%x", []byte(key)), p.keys[string(key)]
	}
	if who != nil && who.methods&set&byChallenge != 0 {
		a.who = who
		return a
	}
	a.who = p.decoyFor(name, set&byChallenge)
	a.salt = func(length int) []byte { return p.derive("salt", name, length) }
	a.decoy = fmt.Sprintf("there is no principal %.100q", name)
	if who != nil {
		a.decoy = fmt.Sprintf("the principal %.100q has none of the methods: %s", name, set&byChallenge)
	}
	return a
}

// decoyFor returns the next principal on the ring after the name's position that has one of the methods. There must be
// one. The result for a name stays the same as long as that principal exists.
func (p *Principals) decoyFor(name string, set methods) *principal {
	at := p.place(name)
	start, _ := slices.BinarySearchFunc(p.ring, at, func(x place, at uint64) int { return cmp.Compare(x.at, at) })
	for i := range p.ring {
		who := p.ring[(start+i)%len(p.ring)].who
		if who.methods&set != 0 {
			return who
		}
	}
	return nil
}

func (p *Principals) place(name string) uint64 {
	return binary.BigEndian.Uint64(p.derive("place", name, 8))
}

// derive returns octets that look random, but are always the same for the same name.
func (p *Principals) derive(purpose, name string, length int) []byte {
	b, err := hkdf.Expand(sha256.New, p.key, purpose+"\x00"+name, length)
	if err != nil {
		panic(fmt.Sprintf("auth: derive %d octets: %v", length, err)) // limit: 255 digests; salts are shorter
	}
	return b
}
