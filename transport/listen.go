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
	"runnel/transport/longpoll"
	"runnel/transport/origin"
)

// ListenOptions say who may connect and how. The zero value is the default.
type ListenOptions struct {
	// MaxConns is how many connections there may be at a time, those that have said nothing yet included. 0: 4096.
	MaxConns int

	// HandshakeTimeout bounds the time until a connection carries messages. 0: 10 s.
	HandshakeTimeout time.Duration

	// Grace is how long Run waits for peers that are being served when its context is done, before it closes their
	// connections. 0: 5 s.
	Grace time.Duration

	// MaxMessage is the longest message in octets to accept. 0: 1 MiB.
	MaxMessage int

	// Memory is what connections and their messages are charged to; nil: memory is not bounded.
	Memory *budget.Budget

	// Descriptors are shared by the listeners of a process; nil: as many as the system gives.
	Descriptors *Descriptors

	// A peer that has been silent for PingInterval is sent a PING; one that stays silent for PingTimeout (0: 10 s) after
	// that is given up. 0: 30 s on WebSockets, and none on RawSocket, because clients that do not know PING are in use
	// (Autobahn for Twisted takes it for a message of 16 MiB): there the system's TCP keep-alive finds dead peers, within
	// 30 s too. Negative: none. A long-poll client that asks for no messages for as long as both together is gone.
	PingInterval time.Duration
	PingTimeout  time.Duration

	// TLS is needed for tls and wss URLs. See ServerFiles.
	TLS *tls.Config

	// Mode, Owner and Group of a Unix socket. Mode 0: 0660. Owner and Group are names or numbers; "": as created.
	Mode         fs.FileMode
	Owner, Group string

	// Origins lists web pages that may connect besides the listener's own: "app.example.com", "https://*.example.com";
	// "*" is any. Hosts lists names by which web clients reach the listener besides those of the machine. See package origin.
	Origins, Hosts []string

	// TrustedProxies are the addresses and networks of reverse proxies. What they say of the client in Forwarded or
	// X-Forwarded-For is its address in logs and session details.
	TrustedProxies []string

	// Anonymous is the role of anonymous sessions that come here, in realms that have a role of this name; "": the realm's.
	Anonymous string

	// Cookie gives cookies to web clients; nil: none.
	Cookie *CookieOptions

	// Compress offers permessage-deflate to WebSockets.
	Compress bool

	// HTTP answers requests for other paths than the WebSocket's. nil: a page that says what this is.
	HTTP http.Handler

	// An identity that peers of this listener have without authentication; "" where there is none.
	Authid, Role, Realm string

	// Replaces are listeners that are about to be closed: this one may take their addresses. Claim, then close them.
	Replaces []*Listener
	Over     []net.Listener // likewise, other sockets of this process

	// Log gets a line for what goes wrong, not one for each peer. nil: slog.Default().
	Log *slog.Logger
}

const (
	defaultMaxConns = 4096
	defaultTime     = 10 * time.Second // for a handshake
	defaultGrace    = 5 * time.Second
	defaultPing     = 30 * time.Second // on WebSockets
	defaultPath     = "/ws"
)

// Listener accepts peers at one URL.
type Listener struct {
	// Static after construction.
	url     *url.URL // with the port that was chosen, if it was 0
	network string   // "tcp", "tls" or "unix"
	opts    ListenOptions
	log     *slog.Logger
	socket  net.Listener
	tls     *tls.Config      // nil without TLS
	web     *http.Server     // nil on Unix sockets
	inbox   *inbox           // what web accepts
	polls   *longpoll.Server // nil on Unix sockets
	policy  *origin.Policy   // nil on Unix sockets
	proxies origin.Proxies

	serve func(Conn) // set by Run

	shown sync.Map // the certificate that a peer was shown, by the connection below TLS, during the TLS handshake

	lastShown atomic.Pointer[x509.Certificate] // of shown; nil without TLS

	badPeers, fullHouse, badAccept throttle

	traffic Traffic

	running sync.WaitGroup // goroutines that Run waits for

	mu       sync.Mutex
	used     int                // connections there are
	polling  int                // long-poll transports among them
	accepted uint64             // in all
	refused  uint64             // in all
	failed   uint64             // in all
	refusing int                // connections beyond, which are being told so
	shaking  map[io.Closer]bool // connections before the handshake's end
	serving  map[io.Closer]bool // Conns
	stopping bool
	patience *time.Timer // set when stopping; calls cut
}

// Listen listens at a URL:
//
//	tcp://host:port      RawSocket, WebSocket at /ws, and HTTP long-poll at /lp
//	tls://host:port      the same over TLS
//	unix:///path         RawSocket
//	ws://host:port/path  WebSocket, and HTTP long-poll at /lp; wss the same over TLS
//
// Peers are accepted once Run is called.
func Listen(rawURL string, opts ListenOptions) (*Listener, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l := &Listener{url: u, opts: opts, log: cmp.Or(opts.Log, slog.Default()), shaking: map[io.Closer]bool{}, serving: map[io.Closer]bool{}}
	l.opts.MaxConns = cmp.Or(opts.MaxConns, defaultMaxConns)
	l.opts.HandshakeTimeout = cmp.Or(opts.HandshakeTimeout, defaultTime)
	l.opts.Grace = cmp.Or(opts.Grace, defaultGrace)
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", u.Redacted(), err)
	}
	l.limitBuffers()
	return l, nil
}

// open makes the listening socket.
func (l *Listener) open() (err error) {
	switch l.url.Scheme {
	case "unix":
		l.network = "unix"
		l.socket, err = listenUnix(l.url.Path, l.opts)
		return err
	case "tcp", "ws":
		l.network = "tcp"
	case "tls", "wss":
		l.network = "tls"
		if l.opts.TLS == nil {
			return errors.New("no certificate is given")
		}
		l.tls = l.opts.TLS.Clone()
		l.tls.MinVersion = max(l.tls.MinVersion, tls.VersionTLS12)
		l.noteCertificate(l.tls)
		l.tls.NextProtos = []string{"http/1.1"} // a WebSocket needs it; RawSocket clients offer nothing
	default:
		return fmt.Errorf("scheme %q is not one of tcp, tls, unix, ws, wss", l.url.Scheme)
	}
	if err := l.openDoor(); err != nil {
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
	l.startWeb()
	return nil
}

// webPorts are those of URLs without one.
var webPorts = map[string]string{"ws": "80", "wss": "443"}

// keepAlive makes the system find peers that are gone without a word: 15 s of silence, then three probes.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// unacknowledged is how long a peer's system may leave octets unacknowledged before the connection is given up.
const unacknowledged = 30 * time.Second

// Addr is where it listens.
func (l *Listener) Addr() net.Addr { return l.socket.Addr() }

// URL is where it listens, with the port that was chosen if it was 0.
func (l *Listener) URL() string { return l.url.String() }

// Claim makes the path of a Unix socket that it takes over from another listener this one's.
func (l *Listener) Claim() error {
	if f, ok := l.socket.(*socketFile); ok {
		return f.claim()
	}
	return nil
}

// Socket is the listening socket, for ListenTCP.
func (l *Listener) Socket() net.Listener { return l.socket }

// Close closes a Listener whose Run is not called. It does not harm one that ran.
func (l *Listener) Close() error {
	if err := l.socket.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close listener %s: %w", l.url.Redacted(), err)
	}
	return nil
}
