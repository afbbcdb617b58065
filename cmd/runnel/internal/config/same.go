package config

import (
	"cmp"
	"crypto/sha256"
	"io"
	"os"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config/position"
)

// Equal reports whether two parts of a configuration, which have one type, are equal. It ignores their positions in the files.
func Equal(a, b any) bool { return position.Equal(a, b) }

// digest is the hash of files and secrets that a configuration names. It shows whether they have changed.
type digest [sha256.Size]byte

// fillDerived fills in the values that parts take from elsewhere, so that a comparison of two configurations includes them:
// the node's id, the limits and digests of the named files. A certificate and its key have a digest of their own (pair),
// because a part reloads them without a restart.
func (c *Config) fillDerived() {
	for i := range c.Listens {
		l := &c.Listens[i]
		l.MaxMessage = cmp.Or(l.MaxMessage, c.Limits.MaxMessage)
		l.files, l.pair = digestOf(nil, l.ClientCA), digestOf(nil, l.Certificate, l.Key)
	}
	for i := range c.Serials {
		if s := &c.Serials[i]; s.Mode == "wamp" {
			s.MaxMessage = cmp.Or(s.MaxMessage, c.Limits.MaxMessage)
		}
	}
	for i := range c.Uplinks {
		u := &c.Uplinks[i]
		u.node = c.NodeID()
		if u.Discovery != "" || u.Sparkplug != nil {
			u.lines = c.Serials
		}
		u.files, u.pair = u.digests()
	}
	for i := range c.Webhooks {
		w := &c.Webhooks[i]
		w.files = digestOf([]Secret{w.Secret, w.Authorization}, w.CA)
	}
	for i := range c.Realms {
		for j := range c.Realms[i].Principals {
			p := &c.Realms[i].Principals[j]
			p.files = digestOf(p.secrets())
		}
	}
}

// Renewed reports whether the listener's certificate or key differs in next.
func (l Listen) Renewed(next Listen) bool { return l.pair != next.pair }

// Renewed reports whether the uplink's certificate or key differs in next.
func (u Uplink) Renewed(next Uplink) bool { return u.pair != next.pair }

// digests returns the digests of the files and secrets whose change needs a new uplink, and of the certificate and its key.
func (u *Uplink) digests() (files, pair digest) {
	secrets, named := []Secret{u.Ticket, u.Secret, u.Password, u.Token}, []Path{u.CA, u.NKey, u.Credentials}
	if u.Certificate == "" {
		return digestOf(secrets, append(named, u.Key)...), digest{}
	}
	return digestOf(secrets, named...), digestOf(nil, u.Certificate, u.Key)
}

// secrets returns the secrets of the principal.
func (p *Principal) secrets() []Secret {
	list := []Secret{p.Ticket}
	if p.Wampcra != nil {
		list = append(list, p.Wampcra.Secret)
	}
	if p.Scram != nil {
		list = append(list, p.Scram.Secret)
	}
	return list
}

func digestOf(secrets []Secret, files ...Path) (d digest) {
	h := sha256.New()
	for _, s := range secrets {
		value, _ := s.Value() // an unreadable secret is reported when it is used
		one := sha256.Sum256([]byte(value))
		h.Write(one[:])
	}
	for _, name := range files {
		one := sha256.New()
		if f, err := os.Open(string(name)); err == nil {
			io.Copy(one, f)
			f.Close()
		}
		h.Write(one.Sum(nil))
	}
	h.Sum(d[:0])
	return d
}

// Same reports whether a listener can stay open. It ignores the certificate, which the listener reloads itself.
func (l Listen) Same(next Listen) bool {
	l.pair = next.pair
	return Equal(l, next)
}

// Same reports whether an uplink can stay as it is. It ignores the certificate, which the uplink reloads itself.
func (u Uplink) Same(next Uplink) bool {
	u.pair = next.pair
	return Equal(u, next)
}

// ChangeReason returns the reasons for a new uplink that its configuration does not show, or "".
func (u Uplink) ChangeReason(next Uplink) string {
	var reasons []string
	if u.node != next.node {
		reasons = append(reasons, "the node's id has changed")
	}
	if !Equal(u.lines, next.lines) {
		reasons = append(reasons, "a serial line that it announces has changed")
	}
	if u.files != next.files {
		reasons = append(reasons, "a secret, a key or a CA file has changed")
	}
	return listed(reasons)
}

// ChangeReason returns the reason for a new listener that its configuration does not show, or "".
func (l Listen) ChangeReason(next Listen) string {
	if l.files != next.files {
		return ": the file of client_ca has changed"
	}
	return ""
}

func listed(reasons []string) string {
	if reasons == nil {
		return ""
	}
	return ": " + strings.Join(reasons, ", ")
}

// RotatedSecrets returns the authids of principals whose secret has changed while their configuration is the same.
func RotatedSecrets(old, next Realm) (authids []string) {
	for _, p := range next.Principals {
		i := slices.IndexFunc(old.Principals, func(before Principal) bool { return before.Authid == p.Authid })
		if i < 0 || old.Principals[i].files == p.files {
			continue
		}
		before := old.Principals[i]
		if before.files = p.files; Equal(before, p) {
			authids = append(authids, p.Authid)
		}
	}
	return authids
}

// WithoutFiles returns a copy of the principals without the digests of their secrets.
func WithoutFiles(list []Principal) []Principal {
	list = slices.Clone(list)
	for i := range list {
		list[i].files = digest{}
	}
	return list
}
