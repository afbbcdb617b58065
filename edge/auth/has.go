package auth

import "runnel/edge/wamp"

// Has reports whether one who has proved to be id, over a transport, could still be: the principal is there, in the same
// role and with the same method, and who is vouched for by the transport is still the same one.
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
