package websocket

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"runnel/transport/subprotocol"
)

// Sizes of coder/websocket's buffers, in bytes. They need to hold only a frame's head, because socket has its own buffers.
const (
	readerSize = 16
	writerSize = 256
)

// Accept upgrades a request to a WebSocket. The caller has checked the request's origin. On failure Accept answers the
// request before it returns the error. The Conn outlives the handler that calls Accept.
func Accept(w http.ResponseWriter, r *http.Request, o Options) (*Conn, error) {
	p, ok := choose(r.Header.Values("Sec-WebSocket-Protocol"))
	if !ok && r.Header.Get("Upgrade") != "" {
		err := fmt.Errorf("no common subprotocol: the client requested %q, the router supports %s",
			strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ", "), strings.Join(subprotocol.Names(), ", "))
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil, fmt.Errorf("websocket handshake: %w", err)
	}
	h := &hijacker{ResponseWriter: w}
	ws, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:       []string{p.String()},
		InsecureSkipVerify: true, // the listener checked the origin
		CompressionMode:    o.compression(),
	})
	if err != nil { // nothing fails after Hijack
		return nil, fmt.Errorf("websocket handshake: %w", err)
	}
	return newConn(ws, h.socket, p, o), nil
}

// hijacker inserts a socket between coder/websocket and the connection.
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
	head, _ := b.Reader.Peek(b.Reader.Buffered()) // cannot fail: it reads nothing
	h.socket = newSocket(conn, head)
	return h.socket, bufio.NewReadWriter(bufio.NewReaderSize(h.socket, readerSize), bufio.NewWriterSize(h.socket, writerSize)), nil
}
