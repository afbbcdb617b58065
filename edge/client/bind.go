package client

import (
	"crypto/sha256"
	"fmt"

	"runnel/edge/wamp"
)

// Bind returns those of the methods that can be bound to the TLS connection, Cryptosign and SCRAM, bound to it in the given
// way: "tls-unique" (RFC 5929, TLS 1.2), "tls-exporter" (RFC 9266) or, for SCRAM, "tls-server-end-point". What they prove is
// then worth nothing on another connection: somebody in between can't pass it on. A connection or a router that can't bind
// is not joined.
func Bind(kind string, methods ...Auth) (bound []Auth) {
	for _, a := range methods {
		if b, ok := a.(interface{ bound(string) Auth }); ok {
			bound = append(bound, b.bound(kind))
		}
	}
	return bound
}

// channelData returns what binds to a connection.
func channelData(t *wamp.Transport, kind string) ([]byte, error) {
	if t.ChannelBinding == nil {
		return nil, fmt.Errorf("channel binding %s: the connection is not TLS", kind)
	}
	data, ok := t.ChannelBinding(kind)
	if !ok || len(data) == 0 {
		return nil, fmt.Errorf("channel binding %s: the connection has none; of TLS 1.3 there is tls-exporter only", kind)
	}
	return data, nil
}

// channelID is the 32 octets that Cryptosign binds with: the exporter's or, of the 12 of tls-unique, the hash, as Autobahn
// has it.
func channelID(t *wamp.Transport, kind string) ([]byte, error) {
	data, err := channelData(t, kind)
	if err == nil && kind != "tls-exporter" {
		sum := sha256.Sum256(data)
		data = sum[:]
	}
	return data, err
}
