package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"runnel/transport/rawsocket"
)

// refusalTime bounds the time that the listener spends on a refused connection.
const refusalTime = time.Second

// refuse answers a connection in its own protocol that there are too many connections, and closes it.
func (l *Listener) refuse(raw net.Conn, cause error) {
	defer func() {
		raw.Close()
		l.mu.Lock()
		delete(l.handshaking, raw)
		l.refusing--
		l.mu.Unlock()
	}()
	l.logRefusal(raw.RemoteAddr().String(), cause)
	end := time.Now().Add(refusalTime)
	raw.SetDeadline(end)
	conn, err := l.secure(raw, end)
	if err != nil {
		return
	}
	if c, ok := conn.(*tls.Conn); ok {
		l.shown.Delete(c.NetConn())
	}
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return
	}
	if first[0] == rawsocket.Magic {
		rawsocket.Refuse(conn, rawsocket.Options{Head: first[:], HandshakeTimeout: refusalTime}, rawsocket.TooManyConnections)
		return
	}
	answer := tooMany
	if isGuest(l.url.Scheme) {
		answer = busy
	}
	io.WriteString(conn, answer)
	awaitClose(conn)
}

// awaitClose ends the stream to a refused peer and reads until the peer closes the connection, too. Closing a socket with unread
// bytes resets the connection, and the peer may lose the answer. The connection's deadline bounds the wait.
func awaitClose(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		io.CopyN(io.Discard, conn, 16<<10)
	}
}

var errTooMany = errors.New("the listener's limit is reached; raise max_connections")

// logRefusal logs that a connection was refused.
func (l *Listener) logRefusal(remote string, cause error) {
	if suppressed, ok := l.refusals.Allow(); ok {
		l.log.Warn("too many connections", "listener", l.URL(), "limit", l.opts.MaxConns, "peer", remote, "err", cause, "suppressed", suppressed)
	}
}

// busy is the CONNACK "server unavailable" of MQTT 3.1.1.
const busy = "\x20\x02\x00\x03"

const tooMany = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n" +
	"Retry-After: 10\r\nContent-Length: 29\r\n\r\nrunnel: too many connections\n"
