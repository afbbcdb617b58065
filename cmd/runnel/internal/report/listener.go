package report

import "runnel/transport"

// Listener is a place where peers connect.
type Listener struct {
	URL string `json:"url"` // with the port that was chosen if the configured one is 0
	transport.Counters
	Certificate *Certificate `json:"certificate,omitempty"` // of a TLS listener
}

// NewListener reports on a listener. pair is nil without TLS.
func NewListener(l *transport.Listener, pair *transport.KeyPair) Listener {
	return Listener{URL: l.URL(), Counters: l.Counters(), Certificate: newCertificate(pair)}
}
