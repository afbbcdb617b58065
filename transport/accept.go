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
)

// Run accepts peers and has each served, in a goroutine of its own, until ctx is done. serve owns its Conn until it
// returns. Then Run stops accepting, drops those who have not finished their handshake, waits for serve to return for
// the others, and closes what remains after the time of grace. As long as it waits for long-poll clients it takes their
// connections, but no new peers. It is called once.
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
	l.patience.Stop()
	l.mu.Unlock()
	return err
}

// stop ends every handshake, and lets no new peers in.
func (l *Listener) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return
	}
	l.stopping = true
	l.patience = time.AfterFunc(l.opts.Grace, l.cut)
	l.dropHandshakes()
	l.shut()
}

// dropHandshakes closes the connections that are not served yet. Holds mu.
func (l *Listener) dropHandshakes() {
	for c := range l.shaking {
		c.Close()
	}
}

// shut closes the socket and the web server when a Listener that is stopping waits for no long-poll client any more: until
// then they may need connections to hear how their sessions end, and to answer. Holds mu.
func (l *Listener) shut() {
	if !l.stopping || l.polling > 0 {
		return
	}
	l.socket.Close()
	l.dropHandshakes()
	if l.web != nil {
		l.running.Go(l.closeWeb)
	}
}

// lastAnswers is how long the web server has for requests that it is answering.
const lastAnswers = time.Second

func (l *Listener) closeWeb() {
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	l.web.Shutdown(ctx)
	l.web.Close() // which calls leave
}

// cut closes the connections that are still being served.
func (l *Listener) cut() {
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
		// Most likely the process has no descriptor left. That passes when peers leave.
		backoff = min(max(2*backoff, 5*time.Millisecond), maxBackoff)
		if muted, ok := l.badAccept.pass(); ok {
			l.log.Error("cannot accept connections", "listener", l.URL(), "err", err, "more", muted)
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return nil
		}
	}
}

// maxRefusing is how many connections at a time are told that there are too many. Others are just closed.
const maxRefusing = 32

// admit finds room for a connection, or refuses it.
func (l *Listener) admit(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping && l.polling == 0 {
		conn.Close()
		return
	}
	why := errTooMany
	if l.used < l.opts.MaxConns {
		if why = l.let(conn); why == nil {
			return
		}
	}
	l.refused++
	if l.refusing >= maxRefusing {
		conn.Close()
		return
	}
	l.refusing++
	l.shaking[conn] = true
	l.running.Go(func() { l.refuse(conn, why) })
}

// let lets a connection in, if there is memory and a descriptor for it. Holds mu.
func (l *Listener) let(conn net.Conn) error {
	account, err := l.openAccount(conn)
	if err != nil {
		return err
	}
	l.used++
	l.accepted++
	l.shaking[conn] = true
	l.running.Go(func() { l.welcome(conn, account) })
	return nil
}

// leave is called once for each connection that was admitted.
func (l *Listener) leave(account *budget.Account) {
	account.Close()
	l.opts.Descriptors.give()
	l.mu.Lock()
	l.used--
	l.mu.Unlock()
}

// shaken takes a connection from those in their handshake.
func (l *Listener) shaken(conn net.Conn) {
	l.mu.Lock()
	delete(l.shaking, conn)
	l.mu.Unlock()
}

// welcome makes a connection's handshake and serves it.
func (l *Listener) welcome(conn net.Conn, account *budget.Account) {
	c, err := l.shake(conn, account)
	l.shaken(conn)
	switch {
	case err != nil:
		conn.Close()
		l.leave(account)
		l.complain(conn.RemoteAddr().String(), err)
	case c != nil:
		l.run(c)
		l.leave(account)
	}
}

// shake returns a Conn, or nil if the connection went to the web server.
func (l *Listener) shake(raw net.Conn, account *budget.Account) (Conn, error) {
	end := time.Now().Add(l.opts.HandshakeTimeout)
	conn, err := l.secure(raw, end)
	if err != nil {
		return nil, err
	}
	peer := l.describe(raw, conn)
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
	l.shaken(raw) // before the web server has it: what it serves is no handshake's any more
	l.inbox.give(&webConn{headed: headed{conn, []byte{first}}, peer: peer, account: account, leave: func() { l.leave(account) }})
	return nil, nil
}

// webOnly reports whether the listener's URL is for WebSockets alone.
func (l *Listener) webOnly() bool { return l.url.Scheme == "ws" || l.url.Scheme == "wss" }

// secure makes the TLS handshake, if there is one to make.
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
	below := &headed{Conn: raw, head: []byte{first}}
	conn := tls.Server(below, l.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		l.shown.Delete(below)
		return nil, fmt.Errorf("tls handshake: %w", err)
	}
	return conn, nil
}

// first reads the octet that tells RawSocket from HTTP or, with secure, TLS from both. A peer that begins with another one
// is told so.
func (l *Listener) first(conn net.Conn, end time.Time, secure bool) (byte, error) {
	if err := conn.SetReadDeadline(end); err != nil {
		return 0, fmt.Errorf("set deadline: %w", err)
	}
	var b [1]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil {
		if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
			return 0, fmt.Errorf("said nothing for %v", l.opts.HandshakeTimeout)
		}
		return 0, fmt.Errorf("read first octet: %w", err)
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return 0, fmt.Errorf("set deadline: %w", err)
	}
	err := l.suits(b[0], secure)
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

// describe says what is known of a peer by its connection.
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

// describePeer fills in what the system knows of the far end.
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

// run serves a Conn.
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

// complain logs that a peer did not get through its handshake.
func (l *Listener) complain(remote string, err error) {
	l.mu.Lock()
	stopping := l.stopping
	if !stopping {
		l.failed++
	}
	l.mu.Unlock()
	if stopping || errors.Is(err, io.EOF) { // who says nothing and leaves may be a health check
		return
	}
	if muted, ok := l.badPeers.pass(); ok {
		l.log.Warn("connection failed before its first message", "listener", l.URL(), "remote", remote, "err", err, "more", muted)
	}
}
