package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"runnel/edge/wamp"
	"runnel/transport/rawsocket"
	"runnel/transport/serial"
	"runnel/transport/websocket"
)

// DialOptions configure a connection to a router. The zero value is the default.
type DialOptions struct {
	// Serializer is the serializer to request; 0: CBOR.
	Serializer wamp.Serializer

	// Batched makes a WebSocket request the batched form of the protocol first.
	Batched bool

	// Compress offers permessage-deflate on a WebSocket.
	Compress bool

	// MaxMessage is the length of the longest message to accept, in bytes. 0: 1 MiB.
	MaxMessage int

	// PingInterval is how long the router may be silent before a PING is sent. PingTimeout is how long it may stay silent
	// after the PING before the connection is closed (0: 10 s). PingInterval 0: no PING is sent.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// Traffic counts the messages and bytes of the connection; nil: they are not counted.
	Traffic *Traffic

	// Timeout bounds connecting and the handshake. 0: 10 s.
	Timeout time.Duration

	// TLS is the configuration for tls and wss URLs; nil: the system's authorities. See ClientFiles.
	TLS *tls.Config

	// Pin is the SHA-256 of the router's certificate or of its public key, in hexadecimal. With a Pin, the certificate's
	// authority and names are not checked.
	Pin string
}

// Dial connects to the router at a URL:
//
//	tcp://host:port, tls://host:port, unix:///path     RawSocket
//	ws://host:port/path, wss://host:port/path          WebSocket; without a path: /ws
//	serial:///dev/ttyUSB0?baud=115200                  RawSocket over a serial line
func Dial(ctx context.Context, rawURL string, opts DialOptions) (Conn, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(opts.Timeout, defaultTime))
	defer cancel()
	c, err := opts.dial(ctx, u)
	if err != nil {
		return nil, &DialError{RedactURL(rawURL), fmt.Errorf("%w%s", withoutSecrets(err, u), otherScheme(u.Scheme, err))}
	}
	if opts.Traffic != nil {
		return &counted{Conn: c, sum: opts.Traffic}, nil
	}
	return c, nil
}

func (o DialOptions) dial(ctx context.Context, u *url.URL) (Conn, error) {
	if u.Scheme == "ws" || u.Scheme == "wss" {
		return o.dialWeb(ctx, u)
	}
	if u.Scheme == "serial" {
		return o.dialSerial(ctx, u)
	}
	t := wamp.Transport{Network: u.Scheme}
	var rw io.ReadWriteCloser
	var err error
	switch u.Scheme {
	case "unix":
		rw, err = o.connect(ctx, "unix", u.Path, &t)
	case "tls":
		rw, err = o.connectTLS(ctx, u.Host, &t)
	default:
		rw, err = o.connect(ctx, "tcp", u.Host, &t)
	}
	if err != nil {
		return nil, err
	}
	return o.handshake(ctx, rw, t)
}

// dialSerial dials over a serial line. On a noisy line the link may be lost while it comes up, before the router has
// received anything. It is then set up again, until ctx ends.
func (o DialOptions) dialSerial(ctx context.Context, u *url.URL) (Conn, error) {
	for {
		rw, err := serial.OpenURL(ctx, u)
		if err != nil {
			return nil, err
		}
		c, err := o.handshake(ctx, rw, wamp.Transport{Network: "serial", Local: true})
		if err == nil || ctx.Err() != nil || !serial.LinkReset(err) {
			return c, err
		}
	}
}

// handshake performs the RawSocket handshake.
func (o DialOptions) handshake(ctx context.Context, rw io.ReadWriteCloser, t wamp.Transport) (Conn, error) {
	stop := context.AfterFunc(ctx, func() { rw.Close() })
	c, err := rawsocket.Client(rw, rawsocket.Options{
		Serializer:       o.Serializer,
		MaxMessage:       o.MaxMessage,
		PingInterval:     o.PingInterval,
		PingTimeout:      o.PingTimeout,
		HandshakeTimeout: -1, // ctx bounds it
		Transport:        t,
	})
	if !stop() {
		if c != nil {
			c.Close()
		}
		return nil, fmt.Errorf("rawsocket handshake: %w", ctx.Err())
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (o DialOptions) dialWeb(ctx context.Context, u *url.URL) (Conn, error) {
	t := wamp.Transport{Network: "tcp"}
	connect := func(ctx context.Context, address string) (net.Conn, error) { return o.connect(ctx, "tcp", address, &t) }
	if u.Scheme == "wss" {
		t.Network = "tls"
		connect = func(ctx context.Context, address string) (net.Conn, error) { return o.connectTLS(ctx, address, &t) }
	}
	at := *u
	if at.Path == "" {
		at.Path = defaultPath
	}
	c, err := websocket.Dial(ctx, at.String(), connect, websocket.Options{
		Serializer:   o.Serializer,
		Batched:      o.Batched,
		Compress:     o.Compress,
		MaxMessage:   o.MaxMessage,
		PingInterval: o.PingInterval,
		PingTimeout:  o.PingTimeout,
	})
	if err != nil {
		return nil, err
	}
	far := c.Transport() // not shared yet
	t.Protocol, t.Serializer, t.Limit = far.Protocol, far.Serializer, far.Limit
	*far = t
	return c, nil
}

// connect opens a TCP or Unix socket and describes the peer in t.
func (o DialOptions) connect(ctx context.Context, network, address string, t *wamp.Transport) (net.Conn, error) {
	d := net.Dialer{}
	if network == "tcp" {
		d.KeepAliveConfig, d.Control = keepAlive, setUserTimeout
	}
	dial := d.DialContext
	if network == "tcp" {
		dial = local{d}.dial
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, causeOf(err, address)
	}
	describePeer(t, conn)
	return conn, nil
}

// connectTLS opens a TCP socket and performs the TLS handshake.
func (o DialOptions) connectTLS(ctx context.Context, address string, t *wamp.Transport) (net.Conn, error) {
	config, err := o.tlsConfig(address)
	if err != nil {
		return nil, err
	}
	raw, err := o.connect(ctx, "tcp", address, t)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("tls handshake: %w", err)
	}
	describeTLS(t, conn, conn.ConnectionState().PeerCertificates[0])
	return conn, nil
}

func (o DialOptions) tlsConfig(address string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		config = o.TLS.Clone()
		config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		config.ServerName = host
	}
	if o.Pin == "" {
		return config, nil
	}
	return pinned(config, o.Pin)
}
