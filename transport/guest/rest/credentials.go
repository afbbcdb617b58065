package rest

import (
	"net/http"
	"strings"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/guest"
)

// credentials identify the client of a request.
type credentials struct {
	peer             wamp.Transport
	realm            string
	authid, password string
}

// credentials returns the client's, by "Authorization: Basic" or "Authorization: Bearer AUTHID:TICKET". Without that
// header, the connection identifies the client, or the client is anonymous.
func (s *Server) credentials(r *http.Request) (c credentials, err error) {
	c = credentials{peer: s.opts.Peer(r), realm: r.URL.Query().Get("realm")}
	if c.realm == "" {
		c.realm = s.opts.Realm()
	}
	given := r.Header.Get("Authorization")
	if given == "" {
		return c, nil
	}
	named := false
	scheme, rest, _ := strings.Cut(given, " ")
	switch {
	case strings.EqualFold(scheme, "basic"):
		c.authid, c.password, named = r.BasicAuth()
	case strings.EqualFold(scheme, "bearer"):
		c.authid, c.password, named = strings.Cut(strings.TrimSpace(rest), ":")
	}
	if !named || c.authid == "" {
		return c, refuse(http.StatusUnauthorized, wamp.AuthenticationRequired, `the header Authorization is neither "Basic" with authid and password, nor "Bearer AUTHID:TICKET"`)
	}
	return c, nil
}

// client returns the options of a session for the client.
func (s *Server) client(c *credentials) client.Options {
	o := guest.Peer{
		Transport: c.peer, Protocol: "http", Realm: c.realm, Authid: c.authid, Password: c.password, Serializer: wamp.JSON,
	}.Options(s.opts.Serve)
	o.Agent, o.Log, o.Brief = s.opts.Agent, s.opts.Log, true
	return o
}
