package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Stream is a byte stream over a WebSocket: the content of its binary messages, whose borders have no meaning. It is for protocols
// other than WAMP. Unlike coder's NetConn it outlives the expiry of a read deadline.
type Stream struct {
	// Static after DialStream.
	net.Conn // for the addresses
	ws       *websocket.Conn
	in       net.Conn      // reads what receive has received
	ended    chan struct{} // closed when receive has ended
	end      error         // why receive has ended; set before ended is closed

	writeDeadline atomic.Int64 // in ns since 1970; 0: none
}

var errText = errors.New("the server sent a text message; a byte stream consists of binary messages")

// DialStream connects to the server at a ws or wss URL with a subprotocol, over a connection that dial opens.
func DialStream(ctx context.Context, url, subprotocol string, dial DialFunc) (*Stream, error) {
	s := &Stream{ended: make(chan struct{})}
	t := &roundTripper{dial: dial, open: func(conn net.Conn, head []byte) io.ReadWriteCloser {
		s.Conn = conn
		return &headed{conn, io.MultiReader(bytes.NewReader(head), conn)}
	}}
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: t}, Subprotocols: []string{subprotocol}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, fmt.Errorf("websocket handshake: %w", refusal(err, resp))
	}
	if ws.Subprotocol() != subprotocol {
		ws.CloseNow()
		return nil, fmt.Errorf("websocket handshake: the server does not offer the subprotocol %q at this URL", subprotocol)
	}
	ws.SetReadLimit(-1) // the protocol has its own
	var far net.Conn
	s.ws = ws
	s.in, far = net.Pipe()
	go s.receive(far)
	return s, nil
}

// headed is a connection of which a part was read already.
type headed struct {
	net.Conn
	in io.Reader
}

func (h *headed) Read(b []byte) (int, error) { return h.in.Read(b) }

// receive passes on what the server sends, until the connection ends.
func (s *Stream) receive(out net.Conn) {
	defer close(s.ended)
	defer out.Close()
	buf := make([]byte, 4<<10)
	for {
		kind, r, err := s.ws.Reader(context.Background())
		if err == nil && kind != websocket.MessageBinary {
			err = errText
		}
		if err == nil {
			_, err = io.CopyBuffer(struct{ io.Writer }{out}, r, buf)
		}
		if err != nil {
			if websocket.CloseStatus(err) >= 0 {
				err = fmt.Errorf("%w: %w", io.EOF, err)
			}
			s.end = err
			return
		}
	}
}

// Read returns the next bytes. Its error is io.EOF, or wraps it, if the server has closed the connection.
func (s *Stream) Read(b []byte) (int, error) {
	n, err := s.in.Read(b)
	if err == io.EOF { // receive has closed its end
		<-s.ended
		err = s.end
	}
	return n, err
}

// Write sends a message. If the write deadline expires, the connection ends.
func (s *Stream) Write(b []byte) (int, error) {
	ctx := context.Background()
	if at := s.writeDeadline.Load(); at != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, time.Unix(0, at))
		defer cancel()
		if ctx.Err() != nil {
			return 0, os.ErrDeadlineExceeded
		}
	}
	if err := s.ws.Write(ctx, websocket.MessageBinary, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close closes the connection at once.
func (s *Stream) Close() error {
	s.in.Close()
	err := s.ws.CloseNow()
	<-s.ended
	return err
}

// SetReadDeadline bounds the reads. The connection survives a read that times out.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.in.SetReadDeadline(t) }

// SetWriteDeadline bounds the writes that begin after it.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	at := int64(0)
	if !t.IsZero() {
		at = t.UnixNano()
	}
	s.writeDeadline.Store(at)
	return nil
}

// SetDeadline bounds reads and writes.
func (s *Stream) SetDeadline(t time.Time) error {
	s.SetWriteDeadline(t)
	return s.SetReadDeadline(t)
}
