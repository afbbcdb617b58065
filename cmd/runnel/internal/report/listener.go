package report

import (
	"runnel/transport"
	"runnel/transport/guest/rest"
)

// Listener is a place where peers connect.
type Listener struct {
	URL string `json:"url"` // with the port that was chosen if the configured one is 0
	transport.Counters
	HTTP        *rest.State  `json:"http,omitempty"`        // with rest = true
	Certificate *Certificate `json:"certificate,omitempty"` // of a TLS listener
}

// NewListener reports on a listener. pair is nil without TLS, and guests without HTTP clients.
func NewListener(l *transport.Listener, pair *transport.KeyPair, guests *rest.Server) Listener {
	r := Listener{URL: l.URL(), Counters: l.Counters(), Certificate: newCertificate(pair)}
	if guests != nil {
		state := guests.State()
		r.HTTP = &state
	}
	return r
}
