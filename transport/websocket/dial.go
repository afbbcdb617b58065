package websocket

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"runnel/transport/punycode"
	"runnel/transport/subprotocol"
)

const (
	maxAnswer     = 16 << 10         // bytes of the head of the server's answer
	maxBody       = 1 << 10          // bytes of a refusal's text that an error contains
	bodyTime      = 3 * time.Second  // for that text to arrive
	handshakeTime = 30 * time.Second // if the context has no deadline
)

// DialFunc connects to a host and port. For wss it returns a TLS connection after its handshake.
type DialFunc func(ctx context.Context, address string) (net.Conn, error)

// Dial connects to the router at a ws or wss URL, over a connection that dial opens.
func Dial(ctx context.Context, url string, dial DialFunc, o Options) (*Conn, error) {
	names := o.subprotocols()
	h, err := shake(ctx, url, dial, request{names, o.Compress})
	if err != nil {
		return nil, fmt.Errorf("websocket handshake: %w", err)
	}
	p, ok := subprotocol.Parse(h.protocol)
	if !ok {
		h.conn.Close()
		return nil, fmt.Errorf("websocket handshake: the server chose no subprotocol; the client requested %s", strings.Join(names, ", "))
	}
	return newConn(newSocket(h.conn, h.head), p, o, true, h.deflate), nil
}

// request is a client's request in a handshake.
type request struct {
	protocols []string // subprotocols, the preferred one first
	deflate   bool     // offer permessage-deflate
}

// agreement is the result of a handshake.
type agreement struct {
	conn     net.Conn
	head     []byte // bytes after the server's answer
	protocol string // "": the server has chosen none
	deflate  bool
}

// shake connects to the server at a URL and performs the handshake (RFC 6455, 4.1).
func shake(ctx context.Context, rawURL string, dial DialFunc, want request) (*agreement, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, handshakeTime)
		defer cancel()
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	address, host, err := target(u)
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	if _, ok := conn.(*tls.Conn); ok != secure(u) {
		conn.Close()
		return nil, fmt.Errorf("connect to %s: the scheme differs: wss takes TLS, ws does not", address)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	a, err := exchange(conn, u, host, want)
	if !stop() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return a, nil
}

func secure(u *url.URL) bool { return u.Scheme == "wss" || u.Scheme == "https" }

// target returns the address to dial for a URL, and the Host of the request. A name beyond ASCII is encoded in both. Names in
// .local are not encoded for dialling, because mDNS has no such encoding (RFC 6762, 16).
func target(u *url.URL) (address, host string, err error) {
	name, port := u.Hostname(), u.Port()
	ascii, err := punycode.Host(name)
	if err != nil {
		return "", "", fmt.Errorf("host %q: %w", name, err)
	}
	host, _, _ = strings.Cut(ascii, "%") // the zone of an IPv6 address stays here (RFC 6874, 4)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		host += ":" + port
	} else if port = "80"; secure(u) {
		port = "443"
	}
	if strings.HasSuffix(strings.TrimSuffix(strings.ToLower(name), "."), ".local") {
		ascii = name
	}
	return net.JoinHostPort(ascii, port), host, nil
}

// exchange sends the request and checks the answer.
func exchange(conn net.Conn, u *url.URL, host string, want request) (*agreement, error) {
	var key [keySize]byte
	rand.Read(key[:]) // never fails
	text := base64.StdEncoding.EncodeToString(key[:])
	if _, err := io.WriteString(conn, want.head(u, host, text)); err != nil {
		return nil, err
	}
	limited := &io.LimitedReader{R: conn, N: maxAnswer}
	br := bufio.NewReader(limited)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		if limited.N <= 0 {
			return nil, fmt.Errorf("the head of the answer is longer than %d bytes", maxAnswer)
		}
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		limited.N = 2 * maxBody // enough for maxBody bytes of a chunked body
		return nil, refusal(conn, resp)
	}
	a := &agreement{conn: conn}
	a.head, _ = br.Peek(br.Buffered()) // cannot fail: it reads nothing
	if err := a.check(resp.Header, text, want); err != nil {
		return nil, err
	}
	return a, nil
}

// head returns the request of a handshake.
func (r request) head(u *url.URL, host, key string) string {
	var b strings.Builder
	b.WriteString("GET " + strings.ReplaceAll(u.RequestURI(), " ", "%20") + " HTTP/1.1\r\nHost: " + host +
		"\r\nUser-Agent: Runnel\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key +
		"\r\nSec-WebSocket-Protocol: " + strings.Join(r.protocols, ",") + "\r\n")
	if r.deflate {
		b.WriteString("Sec-WebSocket-Extensions: " + deflateExtension + "\r\n")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		b.WriteString("Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)) + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// check checks the head of an answer that agrees to the upgrade, and records the server's choices.
func (a *agreement) check(h http.Header, key string, want request) (err error) {
	a.protocol = h.Get("Sec-WebSocket-Protocol")
	switch {
	case !hasToken(h, "Connection", "Upgrade"):
		return errors.New(`invalid answer: the header "Connection: Upgrade" is missing`)
	case !hasToken(h, "Upgrade", "websocket"):
		return errors.New(`invalid answer: the header "Upgrade: websocket" is missing`)
	case h.Get("Sec-WebSocket-Accept") != acceptKey(key):
		return errors.New("invalid answer: Sec-WebSocket-Accept does not match the request; a cache or a server without WebSocket has answered")
	case a.protocol != "" && !slices.Contains(want.protocols, a.protocol):
		return fmt.Errorf("the server chose the subprotocol %.100q; the client requested %s", a.protocol, strings.Join(want.protocols, ", "))
	}
	a.deflate, err = agreedDeflate(want.deflate, extensions(h))
	return err
}

// refusal describes an answer other than an upgrade by its status and the beginning of its text. A redirect is not followed,
// because it could lead to a server that the configuration does not name.
func refusal(conn net.Conn, resp *http.Response) error {
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		return fmt.Errorf("%s: the server redirects to %.200q, and redirects are not followed; use that URL if it is the router's", printable(resp.Status), to)
	}
	late := time.AfterFunc(bodyTime, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer late.Stop()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if s := printable(string(body)); s != "" {
		return fmt.Errorf("%s: %s", printable(resp.Status), s)
	}
	return errors.New(printable(resp.Status))
}

// printable returns a text of the server as one that can be shown on a terminal.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r >= 0x7F && r < 0xA0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
}
