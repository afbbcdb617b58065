package auth

// StandsIn reports whether Begin has a stand-in for a peer that it does not know; half says that it is to be so for half of
// the authids only, for each of them always alike. It is for a router that has other stand-ins beside these.
func (p *Principals) StandsIn(r Request, half bool) bool {
	_, set := p.usable(&r)
	name := r.Authid
	if name == "" {
		name, _ = r.Extra["pubkey"].(string)
	}
	return set&byChallenge != 0 && (!half || p.place(name)&1 == 0)
}

// Knows reports whether what Begin makes of r is about a principal: whom the transport vouches for, or whom HELLO names
// and who has one of the client's methods. Of what Begin begins with a stranger nobody but the router may know that.
func (p *Principals) Knows(r Request) bool {
	order, set := p.usable(&r)
	a := p.subject(r, set)
	for _, m := range order {
		if m&byTransport != 0 {
			if who, _ := p.peer(m, &r); who != nil {
				return true
			}
		} else if a.standIn == "" && a.who.methods&m != 0 {
			return true
		}
	}
	return false
}
