package auth

import (
	"runnel/edge/wamp"
)

// credentials are those of a Unix socket's peer. anyID is a wildcard.
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

// certificateKey keeps names and fingerprints apart, so that the name of a certificate is never taken for the fingerprint of
// another.
func certificateKey(text string) string {
	if isFingerprint(text) {
		return "sha256:" + text
	}
	return "cn:" + text
}

// transportPrincipal returns the principal that the transport identifies. It must have the authid in HELLO, if there is one.
func (p *Principals) transportPrincipal(m methods, r *Request) (*principal, *Refused) {
	who, what := p.byPeer(m, r.Transport)
	switch {
	case who == nil:
		return nil, refuse(wamp.NoSuchPrincipal, "%s", what)
	case r.Authid != "" && r.Authid != who.Authid:
		return nil, refuse(wamp.AuthenticationFailed, "%s: HELLO.Details.authid differs from the authid of the connection", m)
	}
	return who, nil
}

// byPeer returns the principal that the transport identifies, or the reason why there is none.
func (p *Principals) byPeer(m methods, t *wamp.Transport) (who *principal, why string) {
	switch {
	case m == byTLS && (t == nil || t.Certificate == nil):
		return nil, "tls: the connection has no client certificate"
	case m == byTLS:
		return p.ofCertificate(t.Certificate), "tls: no principal has this client certificate"
	case t == nil || !t.HasCred:
		return nil, "unix: the connection is not a Unix socket"
	}
	return p.ofProcess(t.UID, t.GID), "unix: no principal has the uid and gid of the process"
}

// ofCertificate prefers the fingerprint: it identifies one certificate, while a name may be issued again.
func (p *Principals) ofCertificate(c *wamp.Certificate) *principal {
	if who := p.certificates[certificateKey(fingerprintOrName(c.SHA256))]; who != nil {
		return who
	}
	return p.certificates["cn:"+c.CommonName]
}

// ofProcess prefers the principal with the most specific credentials.
func (p *Principals) ofProcess(uid, gid int) *principal {
	for _, c := range []credentials{{uid, gid}, {uid, anyID}, {anyID, gid}} {
		if who := p.processes[c]; who != nil {
			return who
		}
	}
	return nil
}
