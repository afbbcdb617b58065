package client

import (
	"crypto/sha256"
	"fmt"

	"runnel/edge/wamp"
)

// Bind returns the methods that support channel binding, Cryptosign and SCRAM, bound to the TLS connection. kind is
// "tls-unique" (RFC 5929, TLS 1.2), "tls-exporter" (RFC 9266) or, for SCRAM only, "tls-server-end-point". A bound proof
// is invalid on any other connection, so a man in the middle cannot relay it. The client does not join if the
// connection or the router does not support the binding.
func Bind(kind string, methods ...Auth) (bound []Auth) {
	for _, a := range methods {
		if b, ok := a.(interface{ bound(string) Auth }); ok {
			bound = append(bound, b.bound(kind))
		}
	}
	return bound
}

// channelData returns the channel binding data of a connection.
func channelData(t *wamp.Transport, kind string) ([]byte, error) {
	if t.ChannelBinding == nil {
		return nil, fmt.Errorf("channel binding %s: the connection is not TLS", kind)
	}
	data, ok := t.ChannelBinding(kind)
	if !ok || len(data) == 0 {
		return nil, fmt.Errorf("channel binding %s: not available on this connection; TLS 1.3 has only tls-exporter", kind)
	}
	return data, nil
}

// channelID returns the 32 octets that Cryptosign binds to: the exporter's value, or the SHA-256 hash of the 12 octets
// of tls-unique. Autobahn uses the same hash.
func channelID(t *wamp.Transport, kind string) ([]byte, error) {
	data, err := channelData(t, kind)
	if err == nil && kind != "tls-exporter" {
		sum := sha256.Sum256(data)
		data = sum[:]
	}
	return data, err
}
