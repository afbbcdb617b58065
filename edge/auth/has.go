package auth

import "runnel/edge/wamp"

// Has reports whether a peer that proved to be id over a transport could still prove it: the principal exists, with the
// same role and method, and the transport still identifies the same principal.
func (p *Principals) Has(id Identity, t *wamp.Transport) bool {
	who, m := p.authids[id.Authid], parseMethod(id.Method)
	if who == nil || who.Role != id.Role || who.methods&m == 0 {
		return false
	}
	if m&byTransport == 0 {
		return true
	}
	vouched, _ := p.byPeer(m, t)
	return vouched == who
}
