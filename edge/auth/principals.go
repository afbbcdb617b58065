package auth

import (
	"cmp"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"runnel/edge/wamp"
)

// Principals are those who may join a realm. They are immutable: any goroutine may use them.
type Principals struct {
	authids      map[string]*principal
	keys         map[string]*principal // by public key
	certificates map[string]*principal
	processes    map[credentials]*principal
	methods      methods // of all

	key  []byte  // for what unknown authids see
	ring []place // in order
}

// place is a principal's place on the ring where stand-ins are found.
type place struct {
	at  uint64
	who *principal
}

// processKey makes unknown authids see the same through all reloads of the configuration.
var processKey = sync.OnceValue(func() []byte { return random(sha256.Size) })

// NewPrincipals compiles the list. What unknown authids see (see the package's comment) is the same until the process
// ends.
func NewPrincipals(list []Principal) (*Principals, error) {
	return NewPrincipalsWithKey(list, processKey())
}

// NewPrincipalsWithKey is NewPrincipals with a key that is kept, so that what unknown authids see stays the same over
// restarts: else one who can wait for a restart knows whose salt did not change. The key has 16 random octets or more.
func NewPrincipalsWithKey(list []Principal, key []byte) (*Principals, error) {
	if len(key) < 16 {
		return nil, fmt.Errorf("a key of %d octets, not 16 or more", len(key))
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
	slices.SortFunc(p.ring, func(a, b place) int { return cmp.Compare(a.at, b.at) })
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
		return fmt.Errorf("principal %q: there are two of this authid", who.Authid)
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

// Methods returns the methods that some principal has, the strongest first.
func (p *Principals) Methods() []string { return p.methods.names() }

// Begin picks the first of the client's methods that can be used. The peer's identity is known at once if the method is
// "tls" or "unix"; else there is an exchange to go through. A client that names no methods has these two tried. Methods
// that are not this package's are passed over; see Methods for those that are.
//
// The error is a *Refused: AuthenticationRequired if the client names no methods, NoMatchingAuthMethod if none of them
// is offered, NoSuchPrincipal if the transport vouches for nobody here, AuthenticationFailed if HELLO lacks something.
func (p *Principals) Begin(r Request) (*Identity, Exchange, error) {
	order, set := p.usable(&r)
	a := p.subject(r, set)
	for _, m := range order {
		if m&byTransport != 0 {
			if who, _ := p.peer(m, &r); who != nil {
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
	return nil, nil, p.whyNot(&r)
}

// usable returns the methods that can be used as far as HELLO goes, in the client's order and as a set.
func (p *Principals) usable(r *Request) (order []methods, set methods) {
	named := r.Methods
	if len(named) == 0 {
		named = byTransport.names()
	}
	for _, name := range named {
		m := parseMethod(name) & p.methods
		if m == 0 || m&set != 0 || p.lacks(m, r) {
			continue
		}
		order, set = append(order, m), set|m
	}
	return order, set
}

// lacks reports whether HELLO does not say who the client is.
func (p *Principals) lacks(m methods, r *Request) bool {
	return r.Authid == "" && (m&byAuthid != 0 || m == byCryptosign && r.Extra["pubkey"] == nil)
}

// whyNot says why no method could be used.
func (p *Principals) whyNot(r *Request) *Refused {
	if len(r.Methods) == 0 {
		return refuse(wamp.AuthenticationRequired, "authentication is required: %s", p.methods)
	}
	for _, name := range r.Methods {
		m := parseMethod(name) & p.methods
		if m&byTransport != 0 {
			_, err := p.peer(m, r)
			return err
		}
		if m != 0 {
			return malformed("%s: HELLO.Details does not say who it is", m)
		}
	}
	if p.methods == 0 {
		return refuse(wamp.NoMatchingAuthMethod, "nobody can authenticate here")
	}
	return refuse(wamp.NoMatchingAuthMethod, "none of the methods is offered; these are: %s", p.methods)
}

// subject returns whom the request is about: the principal it names, if that has any of the methods, else a stand-in
// that has.
func (p *Principals) subject(r Request, set methods) attempt {
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
	a.who = p.standIn(name, set&byChallenge)
	a.salt = func(length int) []byte { return p.derive("salt", name, length) }
	a.standIn = fmt.Sprintf("there is no principal %.100q", name)
	if who != nil {
		a.standIn = fmt.Sprintf("the principal %.100q has none of the methods: %s", name, set&byChallenge)
	}
	return a
}

// standIn returns the principal with any of the methods, of which there must be one, whose place follows the name's: as
// long as that principal is there, it is the same for the same name.
func (p *Principals) standIn(name string, set methods) *principal {
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

// derive returns octets that nobody can tell from random ones, always the same for the same name.
func (p *Principals) derive(purpose, name string, length int) []byte {
	b, err := hkdf.Expand(sha256.New, p.key, purpose+"\x00"+name, length)
	if err != nil {
		panic(fmt.Sprintf("auth: derive %d octets: %v", length, err)) // beyond 255 digests: salts are shorter
	}
	return b
}
