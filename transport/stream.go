package transport

import (
	"cmp"
	"context"
	"fmt"
	"net"

	"runnel/edge/wamp"
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
	if opts.Traffic != nil {
		return &countedStream{Conn: conn, sum: opts.Traffic}, nil
	}
	return conn, nil
}
