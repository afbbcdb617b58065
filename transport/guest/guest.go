// Package guest gives peers that speak no WAMP a session of their own. A listener for another protocol describes such a peer,
// and joins the realm in its place as a client over transport/memory:
//
//	peer := guest.Peer{Transport: accepted, Protocol: "mqtt", Realm: "realm1", Authid: user, Password: password}
//	opts := peer.Options(func(c *memory.Conn) { router.Serve(c) })
//	opts.OnDown = ... // further options of the client
//	c, err := client.Connect(ctx, opts)
//	if guest.Denied(err) { ... }
//
// For the router, the session is the peer's own and not an internal one. Role, permissions, limits, the meta API, and
// the addresses in logs and session details are those of the peer. Each guest has its own client, because the router
// identifies a peer by its session.
//
// Subpackages are the peers themselves: device (on serial lines), rest (HTTP clients), mqtt (MQTT clients).
package guest

import (
	"context"
	"errors"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// Peer describes a peer that speaks no WAMP, and holds its credentials.
type Peer struct {
	// Transport describes the peer as its listener knows it: listener, network, address, certificate, credentials of
	// its process. If the listener gives its peers a role (Transport.Role), the peer joins with this role, and Authid
	// and Password are ignored. Transport.Realm is the only realm that it may join.
	Transport wamp.Transport

	Protocol string // the transport's protocol in session details, such as "http"
	Realm    string // to join; "": Transport.Realm

	// Authid and Password are the peer's credentials. The password may be any secret of the principal: a ticket, or the
	// secret for wampcra or wamp-scram. Without Authid, the client certificate or the process identifies the peer;
	// otherwise it is anonymous.
	Authid, Password string

	Serializer wamp.Serializer // of the session; 0: CBOR. JSON saves a peer of JSON texts each conversion
	Limit      int             // length in bytes of the longest message that the peer takes; 0: any
}

// Options returns the options of a client that joins for the peer. The client ends with its session: it does not
// reconnect. serve serves the router's end of the connection, on its own goroutine.
func (p Peer) Options(serve func(*memory.Conn)) client.Options {
	o := client.Options{Realm: p.Realm, Authid: p.Authid, Auth: p.methods(), Reconnect: client.Reconnect{Disabled: true}}
	if o.Realm == "" {
		o.Realm = p.Transport.Realm
	}
	t := p.Transport
	t.Protocol = p.Protocol
	o.Dial = func(context.Context) (client.Conn, error) {
		near, far := memory.Pipe(memory.Options{Serializer: p.Serializer, Limit: p.Limit, Peer: &t})
		go serve(far)
		return near, nil
	}
	return o
}

// methods returns the authentication methods that the peer can use, the cheapest first. The client has the password,
// so it can answer the challenge of any password method. The router chooses a method that the principal has.
func (p Peer) methods() (list []client.Auth) {
	if p.Authid == "" || p.Transport.Role != "" {
		return nil // as the transport, or anonymous
	}
	if p.Transport.Certificate != nil {
		list = append(list, transportAuth("tls"))
	}
	if p.Transport.HasCred {
		list = append(list, transportAuth("unix"))
	}
	return append(list, client.Ticket(p.Password), client.CRA(p.Password), client.SCRAM(p.Authid, p.Password))
}

// transportAuth is a method that the router verifies from the connection, without a challenge.
type transportAuth string

func (t transportAuth) Method() string        { return string(t) }
func (t transportAuth) Extra() map[string]any { return nil }
func (t transportAuth) Answer(client.Challenge) (string, error) {
	return "", errors.New("method " + string(t) + " has no challenge")
}

// Denied reports whether an attempt to join failed because of wrong or missing credentials. Other refusals have other
// causes, such as wamp.NoSuchRealm and wamp.NotAuthorized, which errors.Is finds.
func Denied(err error) bool {
	for _, cause := range []error{wamp.AuthenticationFailed, wamp.AuthenticationRequired, wamp.NoMatchingAuthMethod, wamp.NoSuchPrincipal, wamp.NoSuchRole} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}
