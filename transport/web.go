package transport

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/longpoll"
	"runnel/transport/websocket"
)

const (
	maxHeader = 8 << 10
	idleTime  = 15 * time.Second // between two requests of one connection
)

// webConn is a connection that the web server serves.
type webConn struct {
	headed
	peer   wamp.Transport
	method methodCheck // owned by the reader

	account *budget.Account

	leave func() // called when it is closed
	once  sync.Once
}

func (c *webConn) Read(p []byte) (int, error) {
	n, err := c.headed.Read(p)
	return c.method.checked(p, n, err)
}

// Close is called by the web server, or by the WebSocket that the connection has become.
func (c *webConn) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}

// Socket shows the socket to those who read and write it directly (see wire), which they can't below TLS. They do so
// after the request, so head is empty.
func (c *webConn) Socket() net.Conn { return c.Conn }

// inbox is the web server's listener: it is given connections.
type inbox struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (b *inbox) give(c net.Conn) {
	select {
	case b.conns <- c:
	case <-b.closed:
		c.Close()
	}
}

func (b *inbox) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		return c, nil
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

func (b *inbox) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}

func (b *inbox) Addr() net.Addr { return b.addr }

type connKey struct{}

// pollPath is where long-poll transports are, in front of an id.
const pollPath = "/lp/"

// startWeb prepares the web server.
func (l *Listener) startWeb() {
	l.inbox = &inbox{addr: l.socket.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
	idle := l.opts.PingInterval
	if idle <= 0 { // somebody who does not ask for messages can't be kept for ever
		idle = defaultPing
	}
	l.polls = longpoll.NewServer(longpoll.Options{
		MaxMessage: l.opts.MaxMessage,
		IdleTime:   idle + cmp.Or(l.opts.PingTimeout, defaultTime),
		BodyTime:   l.opts.HandshakeTimeout,
		Memory:     l.opts.Memory,
		Serve:      l.servePoll,
	})
	l.web = &http.Server{
		Handler:           http.HandlerFunc(l.answer),
		ReadHeaderTimeout: l.opts.HandshakeTimeout,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug), // mostly of bad requests
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
}

// answer is called for every request.
func (l *Listener) answer(w http.ResponseWriter, r *http.Request) {
	l.bound(w, r)
	conn := r.Context().Value(connKey{}).(*webConn)
	peer, err := l.client(conn, r)
	if err != nil {
		w.Header().Set("Connection", "close")
		http.Error(w, "runnel: "+err.Error(), http.StatusForbidden)
		l.complain(peer.Remote, err)
		return
	}
	rest, poll := strings.CutPrefix(r.URL.Path, pollPath)
	switch {
	case r.URL.Path == l.path():
		l.upgrade(w, r, peer)
	case poll:
		if rest == longpoll.Open && r.Method == http.MethodPost {
			peer.Cookie = l.bake(w, r)
		}
		if err := l.polls.Answer(w, r, rest, peer); err != nil && !errors.Is(err, longpoll.ErrFull) {
			l.complain(peer.Remote, err)
		}
	case l.opts.HTTP != nil:
		l.opts.HTTP.ServeHTTP(w, r)
	default:
		l.page(w, r)
	}
}

// bound bounds the time of a request that is no WebSocket's. A body that no handler reads counts, too: the web server reads
// it before it sends the answer, and would wait for it for ever. Where there is none, it reads on to learn when the client
// leaves.
func (l *Listener) bound(w http.ResponseWriter, r *http.Request) {
	control, end := http.NewResponseController(w), time.Now().Add(l.opts.HandshakeTimeout)
	control.SetWriteDeadline(end)
	if r.ContentLength != 0 {
		control.SetReadDeadline(end)
	}
}

// path is where WebSockets are.
func (l *Listener) path() string {
	if l.url.Path == "" || !l.webOnly() {
		return defaultPath
	}
	return l.url.Path
}

// upgrade makes a request a WebSocket. It does not outlive the handshake, so that the web server's memory for the request
// goes; the WebSocket is served by another goroutine.
func (l *Listener) upgrade(w http.ResponseWriter, r *http.Request, peer wamp.Transport) {
	peer.Cookie = l.bake(w, r)
	c, err := websocket.Accept(w, r, websocket.Options{
		MaxMessage:   l.opts.MaxMessage,
		PingInterval: cmp.Or(l.opts.PingInterval, defaultPing),
		PingTimeout:  l.opts.PingTimeout,
		Compress:     l.opts.Compress,
		Transport:    peer,
		Account:      r.Context().Value(connKey{}).(*webConn).account,
	})
	if err != nil {
		l.complain(peer.Remote, err)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping { // Run may have stopped waiting
		c.Close()
		return
	}
	l.running.Go(func() { l.run(c) })
}

// servePoll serves a new long-poll transport, which counts as a connection, if there is room for it.
func (l *Listener) servePoll(c *longpoll.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopping:
		return false
	case l.used >= l.opts.MaxConns:
		l.refused++
		l.tellFull(c.Transport().Remote, errTooMany)
		return false
	}
	l.used++
	l.accepted++
	l.polling++
	l.running.Go(func() {
		l.run(c)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.used--
		l.polling--
		l.shut()
	})
	return true
}

// page answers whoever comes by accident.
func (l *Listener) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.URL.Path != "/" {
		w.WriteHeader(http.StatusNotFound)
	}
	io.WriteString(w, "This is a Runnel WAMP router. WebSocket clients connect to "+l.path()+" on this port, HTTP long-poll clients to "+
		strings.TrimSuffix(pollPath, "/")+".\n")
}
