package auth

import (
	"runnel/edge/wamp"
)

// credentials are those of a Unix socket's peer; anyID stands for whatever the principal leaves open.
type credentials struct{ uid, gid int }

const anyID = -1

func (p *Principal) credentials() credentials {
	c := credentials{anyID, anyID}
	if p.UID != nil {
		c.uid = *p.UID
	}
	if p.GID != nil {
		c.gid = *p.GID
	}
	return c
}

// certificateKey tells names from fingerprints, so that no certificate can be named like another's fingerprint.
func certificateKey(text string) string {
	if isFingerprint(text) {
		return "sha256:" + text
	}
	return "cn:" + text
}

// peer returns the principal whom the transport vouches for.
func (p *Principals) peer(m methods, r *Request) (*principal, *Refused) {
	who, what := p.byPeer(m, r.Transport)
	switch {
	case who == nil:
		return nil, refuse(wamp.NoSuchPrincipal, "%s", what)
	case r.Authid != "" && r.Authid != who.Authid:
		return nil, refuse(wamp.AuthenticationFailed, "%s: HELLO.Details.authid is not the authid that the connection has", m)
	}
	return who, nil
}

// byPeer returns the principal, or why there is none.
func (p *Principals) byPeer(m methods, t *wamp.Transport) (who *principal, why string) {
	switch {
	case m == byTLS && (t == nil || t.Certificate == nil):
		return nil, "tls: the connection has no client certificate"
	case m == byTLS:
		return p.ofCertificate(t.Certificate), "tls: the client certificate is no principal's"
	case t == nil || !t.HasCred:
		return nil, "unix: the connection is no Unix socket"
	}
	return p.ofProcess(t.UID, t.GID), "unix: the process's uid and gid are no principal's"
}

// ofCertificate prefers the fingerprint: it names one certificate, while a name may be issued again.
func (p *Principals) ofCertificate(c *wamp.Certificate) *principal {
	if who := p.certificates[certificateKey(fingerprintOrName(c.SHA256))]; who != nil {
		return who
	}
	return p.certificates["cn:"+c.CommonName]
}

// ofProcess prefers the principal that says most.
func (p *Principals) ofProcess(uid, gid int) *principal {
	for _, c := range []credentials{{uid, gid}, {uid, anyID}, {anyID, gid}} {
		if who := p.processes[c]; who != nil {
			return who
		}
	}
	return nil
}
