package websocket

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

// Buffers between coder/websocket and the socket, which has its own: they need only hold a frame's head.
const (
	readerSize = 16
	writerSize = 256
)

// Accept upgrades a request. If it can't, it has answered the request when it returns the error. The Conn outlives the
// handler that calls Accept.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (*Conn, error) {
	if err := o.checkOrigin(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return nil, fmt.Errorf("websocket handshake: %w", err)
	}
	p, ok := choose(r.Header.Values("Sec-WebSocket-Protocol"))
	if !ok && r.Header.Get("Upgrade") != "" {
		err := fmt.Errorf("no common subprotocol: asked for %q, spoken here: %s",
			strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ", "), strings.Join(protocols(), ", "))
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, fmt.Errorf("websocket handshake: %w", err)
	}
	h := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       []string{p.String()},
		InsecureSkipVerify: true, // the origin is checked above
		CompressionMode:    o.compression(),
	})
	if err != nil {
		if h.socket != nil {
			h.socket.Close()
		}
		return nil, fmt.Errorf("websocket handshake: %w", err)
	}
	if isProxied(r) {
		o.Transport.Local = false
	}
	return newConn(ws, h.socket, p, o), nil
}

// isProxied reports whether a proxy passes somebody else's request on: then its own address says nothing about who.
func isProxied(r *http.Request) bool {
	return r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != ""
}

// checkOrigin refuses web pages of other hosts, which any browser on this network would carry here. Programs that are
// not browsers send no Origin.
func (o Options) checkOrigin(r *http.Request) error {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(o.Origins, "*") {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return fmt.Errorf("web page of unknown origin %q may not connect", origin)
	}
	local := o.Transport.Local && !isProxied(r)
	if strings.EqualFold(u.Host, r.Host) && (!local || isOwnName(u.Hostname())) {
		return nil
	}
	for _, pattern := range o.Origins {
		if matchOrigin(pattern, u) {
			return nil
		}
	}
	return fmt.Errorf("web page of origin %q may not connect to %q: add %q to the listener's origins to allow it",
		origin, r.Host, u.Host)
}

// isOwnName reports whether a page of that host can only be this machine's own. Another name may have been made to
// point here, by whoever owns it, for the time it takes to get past a check that compares names.
func isOwnName(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host) != nil
}

func matchOrigin(pattern string, u *url.URL) bool {
	target := u.Host
	if strings.Contains(pattern, "://") {
		target = u.Scheme + "://" + u.Host
	}
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(target))
	return err == nil && ok
}

// CheckOrigins says whether the patterns of Options.Origins are well-formed.
func CheckOrigins(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("origin %q: %w", p, err)
		}
	}
	return nil
}

// hijacker puts a socket between coder/websocket and the connection.
type hijacker struct {
	http.ResponseWriter
	socket *socket
}

// Hijack is called by websocket.Accept.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, b, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	head, err := b.Reader.Peek(b.Reader.Buffered())
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	h.socket = newSocket(conn, head)
	return h.socket, bufio.NewReadWriter(bufio.NewReaderSize(h.socket, readerSize), bufio.NewWriterSize(h.socket, writerSize)), nil
}
