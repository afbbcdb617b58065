package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"runnel/transport/subprotocol"
)

// DialFunc connects to a host and port; for wss the connection it returns is TLS already.
type DialFunc func(ctx context.Context, address string) (net.Conn, error)

// Dial connects to the router at a ws or wss URL. The connection is made by dial.
func Dial(ctx context.Context, url string, dial DialFunc, o Options) (*Conn, error) {
	t := &tripper{dial: dial}
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient:      &http.Client{Transport: t},
		Subprotocols:    o.wishes(),
		CompressionMode: o.compression(),
	})
	if err != nil {
		return nil, fmt.Errorf("websocket handshake: %w", refusal(err, resp))
	}
	p, ok := subprotocol.Parse(ws.Subprotocol())
	if !ok {
		ws.CloseNow()
		return nil, fmt.Errorf("websocket handshake: the server chose no subprotocol; asked for %s", strings.Join(o.wishes(), ", "))
	}
	return newConn(ws, t.socket, p, o), nil
}

// refusal adds what the server said to the error.
func refusal(err error, resp *http.Response) error {
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols || resp.Body == nil {
		return err
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if s := strings.TrimSpace(string(said)); s != "" {
		return fmt.Errorf("%s: %s", resp.Status, s)
	}
	return errors.New(resp.Status)
}

// tripper makes the one HTTP request of a handshake, and keeps the connection for what follows.
type tripper struct {
	dial   DialFunc
	socket *socket
}

// RoundTrip is called by websocket.Dial, again after a redirect.
func (t *tripper) RoundTrip(r *http.Request) (*http.Response, error) {
	address := r.URL.Host
	if r.URL.Port() == "" {
		port := "80"
		if r.URL.Scheme == "https" {
			port = "443"
		}
		address = net.JoinHostPort(r.URL.Hostname(), port)
	}
	conn, err := t.dial(r.Context(), address)
	if err != nil {
		return nil, err
	}
	if _, ok := conn.(*tls.Conn); ok != (r.URL.Scheme == "https") {
		conn.Close()
		return nil, fmt.Errorf("redirected to %s, which is another scheme", r.URL)
	}
	resp, err := t.ask(conn, r)
	if err != nil {
		conn.Close()
	}
	return resp, err
}

// ask sends the request and reads the answer's head.
func (t *tripper) ask(conn net.Conn, r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := r.Write(conn); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	br := bufio.NewReader(io.LimitReader(conn, 1<<20))
	resp, err := http.ReadResponse(br, r)
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	if !stop() {
		return nil, ctx.Err()
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{resp.Body, conn}
		return resp, nil
	}
	head, err := br.Peek(br.Buffered())
	if err != nil {
		return nil, err
	}
	t.socket = newSocket(conn, head)
	resp.Body = t.socket
	return resp, nil
}
