package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"runnel/transport/rawsocket"
)

// refusalTime bounds the time that a connection too many is given attention.
const refusalTime = time.Second

// refuse tells a connection, in its own protocol, that there are too many.
func (l *Listener) refuse(raw net.Conn, why error) {
	defer func() {
		raw.Close()
		l.mu.Lock()
		delete(l.shaking, raw)
		l.refusing--
		l.mu.Unlock()
	}()
	l.tellFull(raw.RemoteAddr().String(), why)
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
	io.WriteString(conn, tooMany)
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		io.CopyN(io.Discard, conn, 16<<10) // a request that is not read would reset the connection, answer and all
	}
}

var errTooMany = errors.New("the listener has as many connections as it may")

// tellFull logs that there are too many.
func (l *Listener) tellFull(remote string, why error) {
	if muted, ok := l.fullHouse.pass(); ok {
		l.log.Warn("too many connections", "listener", l.URL(), "limit", l.opts.MaxConns, "remote", remote, "err", why, "more", muted)
	}
}

const tooMany = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n" +
	"Retry-After: 10\r\nContent-Length: 29\r\n\r\nrunnel: too many connections\n"
