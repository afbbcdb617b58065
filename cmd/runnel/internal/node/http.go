package node

import (
	"net/http"

	"runnel/cmd/runnel/internal/config"
	"runnel/transport"
	"runnel/transport/guest/rest"
	"runnel/transport/memory"
)

// httpGuests returns the server of a listener's HTTP clients; nil if they are not served.
func (n *Node) httpGuests(l config.Listen, address string) *rest.Server {
	if !l.Rest {
		return nil
	}
	return rest.New(rest.Options{
		Serve:   func(c *memory.Conn) { n.router.Serve(c) },
		Peer:    transport.PeerOf,
		Realm:   func() string { return n.consoleRealm(l) },
		Secret:  n.signingSecret,
		Agent:   n.agent(),
		MaxBody: n.maxMessage(address, l.MaxMessage),
		Log:     n.log,
	})
}

// orPage returns a handler, or the listener's own page if there is none.
func orPage(h http.Handler) http.Handler {
	if h == nil {
		return http.HandlerFunc(transport.Page)
	}
	return h
}

// signingSecret returns the secret with which a principal signs HTTP requests: its ticket, or its WAMP-CRA secret if
// that is not salted. "": it has none.
func (n *Node) signingSecret(realm, authid string) string {
	text, _ := n.signingKey(realm, authid).Value() // a missing file was reported when the realm was configured
	return text
}

// signingKey returns the principal's secret, which may be in a file.
func (n *Node) signingKey(realm, authid string) (secret config.Secret) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, r := range n.config.Realms {
		for _, p := range r.Principals {
			switch {
			case r.Name != realm || p.Authid != authid:
			case p.Ticket.Set():
				return p.Ticket
			case p.Wampcra != nil && p.Wampcra.Salt == "":
				return p.Wampcra.Secret
			}
		}
	}
	return secret
}

// forgetGuests makes HTTP clients authenticate again, because the principals may have changed.
func (n *Node) forgetGuests() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.listeners {
		if l.guests != nil {
			l.guests.Forget()
		}
	}
}
