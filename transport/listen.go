package transport

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
	"runnel/edge/logbook"
	"runnel/edge/wamp"
	"runnel/transport/longpoll"
	"runnel/transport/origin"
)

// ListenOptions configure a Listener. The zero value is the default.
type ListenOptions struct {
	// MaxConns is the maximum number of connections, including those before their first message. 0: 4096.
	MaxConns int

	// HandshakeTimeout bounds the time until a connection carries messages. 0: 10 s.
	HandshakeTimeout time.Duration

	// Grace is how long Run, after its context is done, waits for the peers that are being served before it closes their
	// connections. 0: 5 s.
	Grace time.Duration

	// MaxMessage is the length of the longest message to accept, in bytes. 0: 1 MiB.
	MaxMessage int

	// Memory is charged for connections and their messages; nil: memory is not bounded.
	Memory *budget.Budget

	// Descriptors limits the connections of all listeners of a process together; nil: no limit.
	Descriptors *Descriptors

	// PingInterval is how long a peer may be silent before a PING is sent. PingTimeout is how long it may stay silent
	// after the PING before the connection is closed (0: 10 s). A long-poll client must ask for messages within the sum
	// of both.
	//
	// PingInterval 0: 30 s on WebSocket; no PING on RawSocket, because some clients in use do not support it (Autobahn for
	// Twisted reads it as a message of 16 MiB). There, the TCP keep-alive of the system finds dead peers, within 30 s as
	// well. Negative: no PING.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// TLS is required for tls and wss URLs. See ServerFiles.
	TLS *tls.Config

	// Mode, Owner and Group of a Unix socket. Mode 0: 0660. Owner and Group are names or numbers; "": as created.
	Mode         fs.FileMode
	Owner, Group string

	// Origins lists web pages that may connect besides the listener's own: "app.example.com", "https://*.example.com";
	// "*" is any. Hosts lists names by which web clients reach the listener besides those of the machine. See package origin.
	Origins, Hosts []string

	// TrustedProxies are the addresses and networks of reverse proxies. The router takes a client's address from their
	// Forwarded or X-Forwarded-For header, for logs and session details. With "unix" a Unix socket takes HTTP and WebSockets
	// from proxies, too.
	TrustedProxies []string

	// Anonymous is the role of anonymous sessions on this listener, in realms that have such a role; "": the realm's.
	Anonymous string

	// Cookie makes the listener set cookies for web clients; nil: no cookies.
	Cookie *CookieOptions

	// Compress offers permessage-deflate to WebSocket clients.
	Compress bool

	// HTTP answers requests for all other paths. nil: a page which says that this is a router.
	HTTP http.Handler

	// Guest takes a connection of a listener mqtt:// or mqtts:// from its first byte, until the given time, and returns the Conn
	// that speaks for its peer. Other listeners don't use it.
	Guest func(net.Conn, wamp.Transport, *budget.Account, time.Time) (Conn, error)

	// Authid, Role and Realm are the identity of peers of this listener, without authentication; "" where there is none.
	Authid, Role, Realm string

	// Replaces lists listeners that are about to be closed. The new Listener may take over their addresses: open it, call
	// Claim, then close them. Over lists other sockets of this process with the same meaning.
	Replaces []*Listener
	Over     []net.Listener

	// Log receives warnings and errors, at most one of a kind in 10 s. nil: slog.Default().
	Log *slog.Logger
}

const (
	defaultMaxConns = 4096
	defaultTime     = 10 * time.Second // for a handshake
	defaultGrace    = 5 * time.Second
	defaultPing     = 30 * time.Second // on WebSockets
	defaultPath     = "/ws"
)

// logInterval is the minimum time between two log lines of the same kind, so that many peers cannot fill the disk.
const logInterval = 10 * time.Second

// Listener accepts peers at one URL.
type Listener struct {
	// Static after construction.
	url     *url.URL // with the actual port, if it was 0
	network string   // "tcp", "tls" or "unix"
	opts    ListenOptions
	log     *slog.Logger
	socket  net.Listener
	tls     *tls.Config      // nil without TLS
	web     *http.Server     // nil on Unix sockets without proxies
	inbox   *inbox           // the connections for web
	polls   *longpoll.Server // nil like web
	policy  *origin.Policy   // nil like web
	proxies origin.Proxies

	serve func(Conn) // set by Run

	shown sync.Map // the certificate presented to a peer, by the connection below TLS, during the TLS handshake

	lastShown atomic.Pointer[x509.Certificate] // the certificate presented last; nil without TLS

	failures, refusals, acceptErrors logbook.Throttle // of log lines

	traffic Traffic

	running sync.WaitGroup // goroutines that Run waits for

	mu          sync.Mutex
	used        int                // connections in use
	polling     int                // long-poll transports among them
	accepted    uint64             // total
	refused     uint64             // total
	failed      uint64             // total
	refusing    int                // connections that are being refused with an answer
	handshaking map[io.Closer]bool // connections in their handshake
	serving     map[io.Closer]bool // Conns
	stopping    bool
	grace       *time.Timer // set when stopping; calls closeServed
}

// Listen listens at a URL:
//
//	tcp://host:port      RawSocket, WebSocket at /ws, and HTTP long-poll at /lp
//	tls://host:port      the same over TLS
//	unix:///path         RawSocket; from proxies the other two as well
//	ws://host:port/path  WebSocket, and HTTP long-poll at /lp; wss the same over TLS
//	mqtt://host:port     the protocol of ListenOptions.Guest; mqtts the same over TLS
//
// Peers are accepted once Run is called.
func Listen(rawURL string, opts ListenOptions) (*Listener, error) {
	u, err := parseListenURL(rawURL)
	if err == nil && isGuest(u.Scheme) && opts.Guest == nil {
		err = fmt.Errorf("%s: nothing here speaks MQTT", u.Redacted())
	}
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l := newListener(u, opts)
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", u.Redacted(), err)
	}
	l.limitBuffers()
	return l, nil
}

// newListener returns a Listener without a socket.
func newListener(u *url.URL, opts ListenOptions) *Listener {
	l := &Listener{url: u, opts: opts, log: cmp.Or(opts.Log, slog.Default()), handshaking: map[io.Closer]bool{}, serving: map[io.Closer]bool{}}
	for _, t := range []*logbook.Throttle{&l.failures, &l.refusals, &l.acceptErrors} {
		t.Every = logInterval
	}
	l.opts.MaxConns = cmp.Or(opts.MaxConns, defaultMaxConns)
	l.opts.HandshakeTimeout = cmp.Or(opts.HandshakeTimeout, defaultTime)
	l.opts.Grace = cmp.Or(opts.Grace, defaultGrace)
	return l
}

// open makes the listening socket.
func (l *Listener) open() (err error) {
	if l.url.Scheme == "unix" {
		l.network = "unix"
		if l.socket, err = listenUnix(l.url.Path, l.opts); err != nil {
			return err
		}
		if err = l.startProxied(); err != nil {
			l.socket.Close()
		}
		return err
	}
	if err := l.chooseTLS(); err != nil {
		return err
	}
	if err := l.setPolicy(); err != nil {
		return err
	}
	address := l.url.Host
	if l.url.Port() == "" {
		address = net.JoinHostPort(l.url.Hostname(), webPorts[l.url.Scheme])
	}
	over := l.opts.Over
	for _, old := range l.opts.Replaces {
		over = append(over, old.socket)
	}
	l.opts.Replaces, l.opts.Over = nil, nil
	if l.socket, err = ListenTCP(address, over...); err != nil {
		return err
	}
	if l.url.Port() == "0" {
		_, port, _ := net.SplitHostPort(l.socket.Addr().String())
		l.url.Host = net.JoinHostPort(l.url.Hostname(), port)
	}
	if !isGuest(l.url.Scheme) {
		l.startWeb()
	}
	return nil
}

// chooseTLS decides by the scheme of a TCP listener whether it uses TLS.
func (l *Listener) chooseTLS() error {
	switch l.url.Scheme {
	case "tcp", "ws", "mqtt":
		l.network = "tcp"
	case "tls", "wss", "mqtts":
		l.network = "tls"
		if l.opts.TLS == nil {
			return errors.New("no certificate is given")
		}
		l.tls = l.opts.TLS.Clone()
		l.tls.MinVersion = max(l.tls.MinVersion, tls.VersionTLS12)
		l.noteCertificate(l.tls)
		if !isGuest(l.url.Scheme) {
			l.tls.NextProtos = []string{"http/1.1"} // required by WebSocket; RawSocket clients offer no protocol
		}
	default:
		return fmt.Errorf("scheme %q is not one of tcp, tls, unix, ws, wss, mqtt, mqtts", l.url.Scheme)
	}
	return nil
}

// webPorts are the ports of URLs without a port.
var webPorts = map[string]string{"ws": "80", "wss": "443", "mqtt": "1883", "mqtts": "8883"}

// keepAlive makes the system detect peers that vanished: it sends three probes after 15 s of silence.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// userTimeout is how long a peer's system may leave bytes unacknowledged before the connection is closed.
const userTimeout = 30 * time.Second

// Addr returns the address of the listening socket.
func (l *Listener) Addr() net.Addr { return l.socket.Addr() }

// URL returns the listener's URL, with the actual port if it was 0.
func (l *Listener) URL() string { return l.url.String() }

// Claim completes the takeover of a Unix socket from another listener: it moves the new socket to the common path.
func (l *Listener) Claim() error {
	if f, ok := l.socket.(*socketFile); ok {
		return f.claim()
	}
	return nil
}

// Socket returns the listening socket, for ListenTCP.
func (l *Listener) Socket() net.Listener { return l.socket }

// Close closes a Listener whose Run is not called. After Run it does nothing.
func (l *Listener) Close() error {
	if err := l.socket.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close listener %s: %w", l.url.Redacted(), err)
	}
	return nil
}
