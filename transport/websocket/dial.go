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
	neturl "net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"runnel/transport/subprotocol"
)

// DialFunc connects to a host and port. For wss it returns a TLS connection after its handshake.
type DialFunc func(ctx context.Context, address string) (net.Conn, error)

// Dial connects to the router at a ws or wss URL, over a connection that dial opens.
func Dial(ctx context.Context, url string, dial DialFunc, o Options) (*Conn, error) {
	t := &roundTripper{dial: dial}
	var s *socket
	t.open = func(conn net.Conn, head []byte) io.ReadWriteCloser {
		s = newSocket(conn, head)
		return s
	}
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient:      &http.Client{Transport: t},
		Subprotocols:    o.subprotocols(),
		CompressionMode: o.compression(),
	})
	if err != nil {
		return nil, fmt.Errorf("websocket handshake: %w", refusal(err, resp))
	}
	p, ok := subprotocol.Parse(ws.Subprotocol())
	if !ok {
		ws.CloseNow()
		return nil, fmt.Errorf("websocket handshake: the server chose no subprotocol; the client requested %s", strings.Join(o.subprotocols(), ", "))
	}
	return newConn(ws, s, p, o), nil
}

// refusal describes a failed handshake by the server's status and the first 1 KiB of its answer. Without such an answer it
// returns the cause alone if the connection failed, since net/http repeats the URL.
func refusal(err error, resp *http.Response) error {
	if request := (*neturl.Error)(nil); errors.As(err, &request) {
		return request.Err
	}
	if resp == nil || resp.StatusCode == http.StatusSwitchingProtocols || resp.Body == nil {
		return err
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if s := strings.TrimSpace(string(body)); s != "" {
		return fmt.Errorf("%s: %s", resp.Status, s)
	}
	return errors.New(resp.Status)
}

// roundTripper sends the HTTP request of a handshake and keeps the connection for the WebSocket.
type roundTripper struct {
	dial DialFunc
	open func(conn net.Conn, head []byte) io.ReadWriteCloser // makes the body of the response; head was read already
}

// RoundTrip is called by websocket.Dial, again after each redirect.
func (t *roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
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
		return nil, fmt.Errorf("redirected to %s: the scheme differs", r.URL)
	}
	resp, err := t.request(conn, r)
	if err != nil {
		conn.Close()
	}
	return resp, err
}

// request sends the request and reads the head of the response.
func (t *roundTripper) request(conn net.Conn, r *http.Request) (*http.Response, error) {
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
	head, _ := br.Peek(br.Buffered()) // cannot fail: it reads nothing
	resp.Body = t.open(conn, head)
	return resp, nil
}
