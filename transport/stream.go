package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"runnel/edge/wamp"
	"runnel/transport/websocket"
)

// DialStream connects to host:port and returns a byte stream, over TLS if secure is set. It is for protocols other than
// WAMP. Of opts it uses TLS, Pin, Timeout and Traffic.
func DialStream(ctx context.Context, address string, secure bool, opts DialOptions) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(opts.Timeout, defaultTime))
	defer cancel()
	var t wamp.Transport // not used
	var conn net.Conn
	var err error
	if secure {
		conn, err = opts.connectTLS(ctx, address, &t)
	} else {
		conn, err = opts.connect(ctx, "tcp", address, &t)
	}
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	return opts.count(conn), nil
}

// ClientTLS returns the configuration of a TLS handshake on a connection from DialStream, for protocols that start TLS
// themselves.
func (o DialOptions) ClientTLS(address string) (*tls.Config, error) { return o.tlsConfig(address) }

func (o DialOptions) count(conn net.Conn) net.Conn {
	if o.Traffic != nil {
		return &countedStream{Conn: conn, sum: o.Traffic}
	}
	return conn
}

// DialWebStream is DialStream over a WebSocket: to a ws or wss URL, with a subprotocol that the server must offer.
func DialWebStream(ctx context.Context, url, subprotocol string, opts DialOptions) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(opts.Timeout, defaultTime))
	defer cancel()
	u, err := parseURL(url)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	var t wamp.Transport // not used
	connect := func(ctx context.Context, address string) (net.Conn, error) {
		if u.Scheme == "wss" {
			return opts.connectTLS(ctx, address, &t)
		}
		return opts.connect(ctx, "tcp", address, &t)
	}
	conn, err := websocket.DialStream(ctx, url, subprotocol, connect)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", RedactURL(url), withoutSecrets(err, u))
	}
	return opts.count(conn), nil
}
