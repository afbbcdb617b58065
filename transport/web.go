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

	release func() // called once, by Close
	once    sync.Once
}

func (c *webConn) Read(p []byte) (int, error) {
	n, err := c.headed.Read(p)
	return c.method.checked(p, n, err)
}

// Close is called by the web server, or by the WebSocket to which the connection was upgraded.
func (c *webConn) Close() error {
	c.once.Do(c.release)
	return c.Conn.Close()
}

// Socket returns the connection below, for package wire, which reads and writes a socket directly. wire does so only after
// the HTTP request, so that head is empty.
func (c *webConn) Socket() net.Conn { return c.Conn }

// inbox is the web server's net.Listener. It accepts the connections that deliver passes to it.
type inbox struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (b *inbox) deliver(c net.Conn) {
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

// pollPath is the path of long-poll requests, in front of the transport's id.
const pollPath = "/lp/"

// startWeb creates the web server. Run starts it.
func (l *Listener) startWeb() {
	l.inbox = &inbox{addr: l.socket.Addr(), conns: make(chan net.Conn), closed: make(chan struct{})}
	l.polls = longpoll.NewServer(longpoll.Options{
		MaxMessage: l.opts.MaxMessage,
		IdleTime:   idlePoll(l.opts.PingInterval, l.opts.PingTimeout),
		BodyTime:   l.opts.HandshakeTimeout,
		Memory:     l.opts.Memory,
		Serve:      l.servePoll,
	})
	l.web = &http.Server{
		Handler:           http.HandlerFunc(l.answer),
		ReadHeaderTimeout: l.opts.HandshakeTimeout,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(l.log.Handler(), slog.LevelDebug), // mostly invalid requests
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
}

// idlePoll returns the time after which a long-poll client that does not ask for messages times out. It times out even if
// pings are disabled.
func idlePoll(interval, timeout time.Duration) time.Duration {
	if interval <= 0 {
		interval = defaultPing
	}
	return interval + cmp.Or(timeout, defaultTime)
}

// answer is called for every request.
func (l *Listener) answer(w http.ResponseWriter, r *http.Request) {
	l.bound(w, r)
	conn := r.Context().Value(connKey{}).(*webConn)
	peer, err := l.client(conn, r)
	if err != nil {
		w.Header().Set("Connection", "close")
		http.Error(w, "runnel: "+err.Error(), http.StatusForbidden)
		l.reportFailure(peer.Remote, err)
		return
	}
	rest, poll := strings.CutPrefix(r.URL.Path, pollPath)
	switch {
	case r.URL.Path == l.path():
		l.upgrade(w, r, peer)
	case poll:
		if rest == longpoll.Open && r.Method == http.MethodPost {
			peer.Cookie = l.cookie(w, r)
		}
		if err := l.polls.Answer(w, r, rest, peer); err != nil && !errors.Is(err, longpoll.ErrFull) {
			l.reportFailure(peer.Remote, err)
		}
	case l.opts.HTTP != nil:
		l.serveHTTP(w, r, conn, peer)
	default:
		l.page(w, r)
	}
}

type webKey struct{}

// webRequest describes a request that ListenOptions.HTTP serves.
type webRequest struct {
	listener *Listener
	peer     wamp.Transport
}

// PeerOf describes the client of a request that ListenOptions.HTTP serves.
func PeerOf(r *http.Request) (peer wamp.Transport) {
	if known, ok := r.Context().Value(webKey{}).(webRequest); ok {
		peer = known.peer
	}
	return peer
}

// Page answers a request that ListenOptions.HTTP serves as a listener without such a handler does.
func Page(w http.ResponseWriter, r *http.Request) {
	if known, ok := r.Context().Value(webKey{}).(webRequest); ok {
		known.listener.page(w, r)
	}
}

// serveHTTP passes a request on. The connection's account is charged for its body.
func (l *Listener) serveHTTP(w http.ResponseWriter, r *http.Request, conn *webConn, peer wamp.Transport) {
	r = r.WithContext(context.WithValue(r.Context(), webKey{}, webRequest{l, peer}))
	body := &chargedBody{ReadCloser: r.Body, account: conn.account}
	defer body.release()
	r.Body = body
	l.opts.HTTP.ServeHTTP(w, r)
}

// chargedBody charges an account for a body, which its reader collects in memory.
type chargedBody struct {
	io.ReadCloser
	account *budget.Account
	charged int
}

func (b *chargedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if size := 2 * n; size > 0 { // a buffer that grows is up to twice as long as its content
		if !b.account.Try(budget.Reading, size) {
			return 0, errors.New("the router is short of memory")
		}
		b.charged += size
	}
	return n, err
}

func (b *chargedBody) release() { b.account.Shrink(budget.Reading, b.charged) }

// bound sets the deadlines of a request that is not upgraded. The read deadline covers a body that no handler reads: the web
// server reads it before it sends the answer, and would wait without limit. A request without a body gets no read deadline,
// because the web server then reads to detect that the client disconnects. A connection ends after a request whose length is
// ambiguous.
func (l *Listener) bound(w http.ResponseWriter, r *http.Request) {
	control, end := http.NewResponseController(w), time.Now().Add(l.opts.HandshakeTimeout)
	control.SetWriteDeadline(end)
	if r.ContentLength != 0 {
		control.SetReadDeadline(end)
	}
	if len(r.TransferEncoding) > 0 {
		// The web server doesn't tell whether the request has Content-Length as well. A proxy that uses Content-Length would
		// take a part of the body for the next request (RFC 9112, 6.1).
		w.Header().Set("Connection", "close")
	}
}

// path returns the path of WebSocket requests.
func (l *Listener) path() string {
	if l.url.Path == "" || !l.webOnly() {
		return defaultPath
	}
	return l.url.Path
}

// upgrade upgrades a request to a WebSocket, which another goroutine serves. upgrade returns after the handshake, so that
// the web server's memory for the request is freed. Run waits for a WebSocket from before its handshake until it is closed.
func (l *Listener) upgrade(w http.ResponseWriter, r *http.Request, peer wamp.Transport) {
	l.mu.Lock()
	if l.stopping {
		l.mu.Unlock()
		w.Header().Set("Connection", "close")
		http.Error(w, "runnel: the listener is being closed", http.StatusServiceUnavailable)
		return
	}
	l.running.Add(1)
	l.mu.Unlock()
	peer.Cookie = l.cookie(w, r)
	c, err := websocket.Accept(w, r, websocket.Options{
		MaxMessage:   l.opts.MaxMessage,
		PingInterval: cmp.Or(l.opts.PingInterval, defaultPing),
		PingTimeout:  l.opts.PingTimeout,
		Compress:     l.opts.Compress,
		Transport:    peer,
		Account:      r.Context().Value(connKey{}).(*webConn).account,
	})
	if err != nil {
		l.running.Done()
		l.reportFailure(peer.Remote, err)
		return
	}
	go func() {
		defer l.running.Done()
		l.run(c)
	}()
}

// servePoll serves a new long-poll transport in a goroutine of its own. It returns false if there is no room for it: a
// transport counts as a connection.
func (l *Listener) servePoll(c *longpoll.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopping:
		return false
	case l.used >= l.opts.MaxConns:
		l.refused++
		l.logRefusal(c.Transport().Remote, errTooMany)
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
		l.closeSocket()
	})
	return true
}

// page answers requests for other paths, such as those of a browser that was pointed at the port.
func (l *Listener) page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.URL.Path != "/" {
		w.WriteHeader(http.StatusNotFound)
	}
	io.WriteString(w, "This is a Runnel WAMP router. WebSocket clients connect to "+l.path()+" on this port, HTTP long-poll clients to "+
		strings.TrimSuffix(pollPath, "/")+".\n")
}
