package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/rawsocket"
	"runnel/transport/wire"
)

// Run accepts peers until ctx is done, and calls serve for each in its own goroutine. serve owns its Conn until it returns.
//
// When ctx is done, Run stops accepting and drops the connections that have not finished their handshake. It waits
// ListenOptions.Grace for the calls of serve to return, and then closes the connections that are left. While it waits for
// long-poll clients it accepts their connections, but no new peers. Run is called once.
func (l *Listener) Run(ctx context.Context, serve func(Conn)) error {
	l.serve = serve
	if l.web != nil {
		l.running.Go(func() { l.web.Serve(l.inbox) })
	}
	stop := context.AfterFunc(ctx, l.stop)
	defer stop()
	err := l.accept(ctx)
	l.stop()
	l.running.Wait()
	l.mu.Lock()
	l.grace.Stop()
	l.mu.Unlock()
	return err
}

// stop closes the connections that have not finished their handshake, and admits no new peers.
func (l *Listener) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return
	}
	l.stopping = true
	l.grace = time.AfterFunc(l.opts.Grace, l.closeServed)
	l.dropHandshakes()
	l.closeSocket()
}

// dropHandshakes closes the connections that are not served yet. The caller holds mu.
func (l *Listener) dropHandshakes() {
	for c := range l.handshaking {
		c.Close()
	}
}

// closeSocket closes the socket and the web server of a Listener that is stopping, once no long-poll client is left. Until
// then, long-poll clients may need connections to receive the end of their sessions and to answer it. The caller holds mu.
func (l *Listener) closeSocket() {
	if !l.stopping || l.polling > 0 {
		return
	}
	l.socket.Close()
	l.dropHandshakes()
	if l.web != nil {
		l.running.Go(l.closeWeb)
	}
}

// webGrace is how long the web server may take to answer the last requests.
const webGrace = time.Second

func (l *Listener) closeWeb() {
	ctx, cancel := context.WithTimeout(context.Background(), webGrace)
	defer cancel()
	l.web.Shutdown(ctx)
	l.web.Close() // calls release for each connection
}

// closeServed closes the connections that are still being served.
func (l *Listener) closeServed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.serving {
		c.Close()
	}
}

const maxBackoff = time.Second

// accept takes connections until the socket is closed.
func (l *Listener) accept(ctx context.Context) error {
	var backoff time.Duration
	for {
		conn, err := l.socket.Accept()
		switch {
		case err == nil:
			backoff = 0
			l.admit(conn)
			continue
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept at %s: %w", l.url.Redacted(), err)
		}
		// Most likely the process has no descriptor left. Retry: some become free when peers disconnect.
		backoff = min(max(2*backoff, 5*time.Millisecond), maxBackoff)
		if suppressed, ok := l.acceptErrors.Allow(); ok {
			l.log.Error("cannot accept connections", "listener", l.URL(), "err", err, "suppressed", suppressed)
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return nil
		}
	}
}

// maxRefusing is the number of connections at a time that are refused with an answer. Others are closed without one.
const maxRefusing = 32

// admit accepts a connection if there is room for it, and refuses it otherwise.
func (l *Listener) admit(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping && l.polling == 0 {
		conn.Close()
		return
	}
	cause := errTooMany
	if l.used < l.opts.MaxConns {
		if cause = l.start(conn); cause == nil {
			return
		}
	}
	l.refused++
	if l.refusing >= maxRefusing {
		conn.Close()
		return
	}
	l.refusing++
	l.handshaking[conn] = true
	l.running.Go(func() { l.refuse(conn, cause) })
}

// start starts the handshake of a connection, or returns an error if memory or descriptors are short. The caller holds mu.
func (l *Listener) start(conn net.Conn) error {
	account, err := l.openAccount(conn)
	if err != nil {
		return err
	}
	l.used++
	l.accepted++
	l.handshaking[conn] = true
	l.running.Go(func() { l.handle(conn, account) })
	return nil
}

// release frees the resources that start took. It is called once for each connection that start accepted.
func (l *Listener) release(account *budget.Account) {
	account.Close()
	l.opts.Descriptors.release()
	l.mu.Lock()
	l.used--
	l.mu.Unlock()
}

// endHandshake removes a connection from those in their handshake.
func (l *Listener) endHandshake(conn net.Conn) {
	l.mu.Lock()
	delete(l.handshaking, conn)
	l.mu.Unlock()
}

// handle performs a connection's handshake and serves it.
func (l *Listener) handle(conn net.Conn, account *budget.Account) {
	c, err := l.handshake(conn, account)
	l.endHandshake(conn)
	switch {
	case err != nil:
		conn.Close()
		l.release(account)
		l.reportFailure(conn.RemoteAddr().String(), err)
	case c != nil:
		l.run(c)
		l.release(account)
	}
}

// handshake returns a Conn, or nil if it passed the connection to the web server.
func (l *Listener) handshake(raw net.Conn, account *budget.Account) (Conn, error) {
	end := time.Now().Add(l.opts.HandshakeTimeout)
	conn, err := l.secure(raw, end)
	if err != nil {
		return nil, err
	}
	c, err := l.distinguish(raw, conn, account, end)
	if below, ok := conn.(*tls.Conn); ok && err != nil {
		below.NetConn().Close()
	}
	return c, err
}

// distinguish performs the handshake of the transport that the peer has chosen. raw is the socket of conn.
func (l *Listener) distinguish(raw, conn net.Conn, account *budget.Account, end time.Time) (Conn, error) {
	peer := l.describe(raw, conn)
	if isGuest(l.url.Scheme) {
		return l.opts.Guest(conn, peer, account, end)
	}
	first, err := l.first(conn, end, false)
	if err != nil {
		return nil, err
	}
	if first == rawsocket.Magic {
		c, err := rawsocket.Server(conn, l.rawOptions(peer, account, first, end))
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	l.endHandshake(raw) // before the web server serves it, so that stop does not close it
	l.inbox.deliver(&webConn{headed: headed{conn, []byte{first}}, peer: peer, account: account, release: func() { l.release(account) }})
	return nil, nil
}

// webOnly reports whether the listener accepts HTTP and WebSocket only.
func (l *Listener) webOnly() bool { return l.url.Scheme == "ws" || l.url.Scheme == "wss" }

// secure performs the TLS handshake of a listener with TLS. Without TLS it returns raw.
func (l *Listener) secure(raw net.Conn, end time.Time) (net.Conn, error) {
	if l.tls == nil {
		return raw, nil
	}
	first, err := l.first(raw, end, true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(context.Background(), end)
	defer cancel()
	below := wire.NewRecords(raw, []byte{first})
	conn := tls.Server(below, l.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		l.shown.Delete(below)
		below.Close()
		return nil, fmt.Errorf("tls handshake: %w", err)
	}
	return conn, nil
}

// first reads the octet that distinguishes RawSocket from HTTP or, with secure, TLS from both. A peer that begins with
// another octet gets an answer in its own protocol, as far as it is known.
func (l *Listener) first(conn net.Conn, end time.Time, secure bool) (byte, error) {
	if err := conn.SetReadDeadline(end); err != nil {
		return 0, fmt.Errorf("set deadline: %w", err)
	}
	var b [1]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
			return 0, fmt.Errorf("the peer sent nothing for %v", l.opts.HandshakeTimeout)
		}
		return 0, fmt.Errorf("read first octet: %w", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return 0, fmt.Errorf("set deadline: %w", err)
	}
	err := l.checkProtocol(b[0], secure)
	if wrong := (*misfit)(nil); errors.As(err, &wrong) {
		wrong.answer(conn)
	}
	return b[0], err
}

func (l *Listener) rawOptions(peer wamp.Transport, account *budget.Account, first byte, end time.Time) rawsocket.Options {
	return rawsocket.Options{
		MaxMessage:       l.opts.MaxMessage,
		PingInterval:     l.opts.PingInterval,
		PingTimeout:      l.opts.PingTimeout,
		HandshakeTimeout: max(time.Until(end), time.Millisecond),
		Head:             []byte{first},
		Transport:        peer,
		Account:          account,
	}
}

// describe describes a peer from its connection.
func (l *Listener) describe(raw, conn net.Conn) wamp.Transport {
	t := wamp.Transport{
		Network: l.network, Listener: l.URL(),
		Authid: l.opts.Authid, Role: l.opts.Role, Realm: l.opts.Realm, Anonymous: l.opts.Anonymous,
	}
	describePeer(&t, raw)
	if c, ok := conn.(*tls.Conn); ok {
		describeTLS(&t, c, l.shownTo(c.NetConn()))
	}
	return t
}

// describePeer fills in the address or the credentials of the peer.
func describePeer(t *wamp.Transport, raw net.Conn) {
	switch c := raw.(type) {
	case *net.TCPConn:
		t.Remote = c.RemoteAddr().String()
		if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			t.Local = a.IP.IsLoopback()
		}
	case *net.UnixConn:
		t.Local = true
		credentials(t, c)
	}
}

// run serves a Conn and returns when it is closed.
func (l *Listener) run(c Conn) {
	served := &counted{Conn: c, sum: &l.traffic}
	l.mu.Lock()
	l.serving[served] = true
	stopping := l.stopping
	l.mu.Unlock()
	if !stopping {
		l.serve(served)
	}
	c.Close()
	if slow, ok := c.(interface{ Done() <-chan struct{} }); ok {
		<-slow.Done()
	}
	l.mu.Lock()
	delete(l.serving, served)
	l.mu.Unlock()
}

// reportFailure counts and logs a connection that failed before its first message.
func (l *Listener) reportFailure(remote string, err error) {
	l.mu.Lock()
	stopping := l.stopping
	if !stopping {
		l.failed++
	}
	l.mu.Unlock()
	if stopping || errors.Is(err, io.EOF) { // a peer that connects and sends nothing may be a health check
		return
	}
	if suppressed, ok := l.failures.Allow(); ok {
		l.log.Warn("connection failed before its first message", "listener", l.URL(), "peer", remote, "err", err, "suppressed", suppressed)
	}
}
