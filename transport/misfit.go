package transport

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"runnel/transport/rawsocket"
)

// First octets of protocols that peers use on a wrong port.
const (
	tlsHandshake = 0x16 // a TLS record
	mqttConnect  = 0x10 // a CONNECT packet
)

// misfit is the error of a connection whose first octet belongs to a protocol that the port does not support. The peer
// gets an answer in its own protocol, and the connection is closed.
type misfit struct {
	octet byte
	port  string // the protocols that the port supports
	hint  string // the URL schemes to use instead; may be ""
}

func (m *misfit) Error() string {
	text := fmt.Sprintf("first octet is %02x (%s), but this port speaks %s", m.octet, m.protocol(), m.port)
	if m.hint != "" {
		text += "; " + m.hint
	}
	return text
}

func (m *misfit) protocol() string {
	switch {
	case m.octet == rawsocket.Magic:
		return "RawSocket"
	case m.octet == tlsHandshake:
		return "TLS"
	case m.octet == mqttConnect:
		return "MQTT"
	case isMethod(m.octet):
		return "perhaps HTTP"
	}
	return "unknown"
}

// isMethod reports whether an octet is an upper-case letter, as in all registered HTTP methods.
func isMethod(c byte) bool { return c >= 'A' && c <= 'Z' }

// checkProtocol returns nil if the octet begins a protocol that the listener supports, and a *misfit otherwise. With secure, the
// octet is the first one before the TLS handshake.
func (l *Listener) checkProtocol(octet byte, secure bool) error {
	m := &misfit{octet: octet}
	switch {
	case secure && octet == tlsHandshake:
		return nil
	case secure && isGuest(l.url.Scheme):
		m.port, m.hint = "TLS", "use mqtts://"
	case secure:
		m.port, m.hint = "TLS", "use tls://, wss:// or https://"
	case l.web == nil:
		m.port = "RawSocket only"
	case l.webOnly():
		m.port = "WebSocket only"
	default:
		m.port = "RawSocket and WebSocket"
	}
	switch {
	case !secure && octet == rawsocket.Magic && !l.webOnly():
		return nil
	case !secure && isMethod(octet) && l.web != nil:
		return nil
	case !secure && octet == tlsHandshake && l.tls == nil && l.web != nil:
		m.hint = "use tcp://, ws:// or http://"
	}
	return m
}

// answer sends the peer an error in its own protocol, and reads until the peer closes, at most for refusalTime.
func (m *misfit) answer(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(refusalTime))
	if _, err := conn.Write(m.reply(conn)); err == nil {
		awaitClose(conn)
	}
}

// reply encodes the error in the peer's protocol.
func (m *misfit) reply(conn net.Conn) []byte {
	switch m.octet {
	case rawsocket.Magic:
		return []byte{rawsocket.Magic, byte(rawsocket.BadSerializer) << 4, 0, 0}
	case tlsHandshake:
		return []byte{0x15, 3, 1, 0, 2, 2, alertHandshake} // fatal
	case mqttConnect:
		return connack(conn)
	}
	text := "runnel: " + m.Error() + "\n"
	return fmt.Appendf(nil, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
}

// mqttWait bounds the wait for the rest of a CONNECT's head, which clients send together with its first octet.
const mqttWait = 50 * time.Millisecond

// connack returns a CONNACK that refuses the protocol's version, in the format of that version.
func connack(conn net.Conn) []byte {
	conn.SetReadDeadline(time.Now().Add(mqttWait))
	var head [16]byte
	n, _ := conn.Read(head[:])
	conn.SetReadDeadline(time.Now().Add(refusalTime))
	if _, version, ok := bytes.Cut(head[:n], []byte("\x00\x04MQTT")); ok && len(version) > 0 && version[0] >= 5 {
		return []byte{0x20, 3, 0, 0x84, 0}
	}
	return []byte{0x20, 2, 0, 1}
}

// maxMethod is longer than any registered HTTP method.
const maxMethod = 24

// errNotHTTP ends a connection whose first octet looked like HTTP. The web server answers with 400 and closes it.
var errNotHTTP = errors.New("not an HTTP request")

// methodCheck checks that a connection begins with an HTTP method. It finds another protocol at once, where a web server
// would wait for the end of the line. The zero value is ready for the first octet.
type methodCheck struct {
	seen int
	done bool
}

func (c *methodCheck) add(octets []byte) error {
	for _, octet := range octets {
		switch {
		case c.done:
			return nil
		case octet == ' ':
			c.done = true
		case !isMethod(octet) && !strings.ContainsRune("-_", rune(octet)) || c.seen >= maxMethod:
			return errNotHTTP
		}
		c.seen++
	}
	return nil
}

// checked returns the results of a Read into p, or errNotHTTP.
func (c *methodCheck) checked(p []byte, n int, err error) (int, error) {
	if c.done {
		return n, err
	}
	if wrong := c.add(p[:n]); wrong != nil {
		return 0, wrong
	}
	return n, err
}

// HTTPOnly returns a connection whose Read fails as soon as the peer's bytes cannot be an HTTP request. A web server then
// answers with 400 and closes, where it would wait for the end of the line otherwise.
func HTTPOnly(conn net.Conn) net.Conn { return &httpConn{Conn: conn} }

type httpConn struct {
	net.Conn
	method methodCheck // owned by the reader
}

func (c *httpConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return c.method.checked(p, n, err)
}

// headed is a connection whose first octet was read already. Its Read returns that octet first.
type headed struct {
	net.Conn
	head []byte // the octet, until Read returns it. Owned by the reader
}

func (c *headed) Read(p []byte) (int, error) {
	if len(c.head) == 0 || len(p) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	c.head = nil
	return n, nil
}

// otherScheme returns a remedy for an error that may mean that the router's port speaks another protocol, or "".
func otherScheme(scheme string, err error) string {
	switch {
	case scheme == "tcp" && errors.Is(err, rawsocket.BadSerializer):
		return "; if the port speaks TLS or WebSocket only, use tls://, ws:// or wss://"
	case (scheme == "tls" || scheme == "wss") && strings.Contains(err.Error(), "remote error: tls: handshake failure"): // crypto/tls exports no type for it
		return "; if the port has no TLS, use tcp:// or ws://"
	}
	return ""
}

// alertHandshake is the TLS alert handshake_failure (RFC 8446, 6).
const alertHandshake = 40
