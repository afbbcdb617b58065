package auth

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
