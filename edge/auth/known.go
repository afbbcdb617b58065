package auth

// HasDecoy reports whether Begin uses a decoy for a peer that it does not know. With half it does so for only half of the
// authids, always the same ones. A router that has decoys of another kind, too, sets half.
func (p *Principals) HasDecoy(r Request, half bool) bool {
	_, set := p.usable(&r)
	name := r.Authid
	if name == "" {
		name, _ = r.Extra["pubkey"].(string)
	}
	return set&byChallenge != 0 && (!half || p.place(name)&1 == 0)
}

// Knows reports whether the identity that Begin would check exists. It is the principal that the transport identifies,
// or the one named in HELLO if it has one of the client's methods. Only the router may learn this: to the peer, a decoy
// must look the same.
func (p *Principals) Knows(r Request) bool {
	order, set := p.usable(&r)
	a := p.newAttempt(r, set)
	for _, m := range order {
		if m&byTransport != 0 {
			if who, _ := p.transportPrincipal(m, &r); who != nil {
				return true
			}
		} else if a.decoy == "" && a.who.methods&m != 0 {
			return true
		}
	}
	return false
}
