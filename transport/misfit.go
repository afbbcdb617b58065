package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"runnel/transport/rawsocket"
)

// First octets of what peers take a port for.
const (
	tlsHandshake = 0x16 // a TLS record
	mqttConnect  = 0x10 // a CONNECT packet
)

// misfit is a connection whose first octet shows that its peer takes the port for another one. It is answered in the
// peer's own protocol, and closed at once.
type misfit struct {
	octet byte
	port  string // what the port speaks
	hint  string // what to use instead; may be ""
}

func (m *misfit) Error() string {
	text := fmt.Sprintf("first octet is %02x (%s), but this port speaks %s", m.octet, m.speaks(), m.port)
	if m.hint != "" {
		text += "; " + m.hint
	}
	return text
}

func (m *misfit) speaks() string {
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

// isMethod reports whether an octet may stand in an HTTP method. Registered methods are in upper case.
func isMethod(c byte) bool { return c >= 'A' && c <= 'Z' }

// suits returns nil if the listener speaks what begins with the octet; secure says that it is the octet on the wire of a
// TLS port.
func (l *Listener) suits(octet byte, secure bool) error {
	m := &misfit{octet: octet}
	switch {
	case secure && octet == tlsHandshake:
		return nil
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

// answer tells the peer, and waits a moment for it to close: octets that are not read would reset the connection, answer
// and all.
func (m *misfit) answer(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(refusalTime))
	if _, err := conn.Write(m.words(conn)); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		io.CopyN(io.Discard, conn, 16<<10)
	}
}

// words are the answer.
func (m *misfit) words(conn net.Conn) []byte {
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

// mqttWait is how long the rest of a CONNECT's head is waited for, which comes with its first octet.
const mqttWait = 50 * time.Millisecond

// connack returns the CONNACK that refuses the version of the protocol, in the form of that version.
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

// errNotHTTP is how a connection ends that began like HTTP: the web server answers it with 400 and closes.
var errNotHTTP = errors.New("not an HTTP request")

// methodCheck looks at the first octets of a connection, so that what is no HTTP is found before a line end, which may never
// come. The zero value is at the first octet.
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

// checked is what a Read returns that has filled n octets of p.
func (c *methodCheck) checked(p []byte, n int, err error) (int, error) {
	if c.done {
		return n, err
	}
	if wrong := c.add(p[:n]); wrong != nil {
		return 0, wrong
	}
	return n, err
}

// HTTPOnly returns a connection whose reads fail as soon as it shows that its peer speaks no HTTP. A web server answers
// that with 400 and closes, in place of waiting for a line end that may never come.
func HTTPOnly(conn net.Conn) net.Conn { return &httpConn{Conn: conn} }

type httpConn struct {
	net.Conn
	method methodCheck // owned by the reader
}

func (c *httpConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return c.method.checked(p, n, err)
}

// headed is a connection of which the first octet has been read.
type headed struct {
	net.Conn
	head []byte // the octet, until it is read again. Owned by the reader
}

func (c *headed) Read(p []byte) (int, error) {
	if len(c.head) == 0 || len(p) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.head)
	c.head = nil
	return n, nil
}

// otherScheme says what to try when a router's answer to a handshake may mean that its port speaks something else.
func otherScheme(scheme string, err error) string {
	switch {
	case scheme == "tcp" && errors.Is(err, rawsocket.BadSerializer):
		return "; if the port speaks TLS or WebSocket only, use tls://, ws:// or wss://"
	case (scheme == "tls" || scheme == "wss") && strings.Contains(err.Error(), "remote error: tls: handshake failure"): // crypto/tls exports no type for it
		return "; if the port speaks no TLS, use tcp:// or ws://"
	}
	return ""
}

// alertHandshake is the alert handshake_failure.
const alertHandshake = 40
