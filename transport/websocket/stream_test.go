package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"runnel/test/kit"
)

// streamServer is a server that hands each WebSocket to serve.
func streamServer(t *testing.T, offer string, serve func(*websocket.Conn)) (url string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{offer}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		serve(c)
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func dialStream(t *testing.T, url string) (*Stream, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	return DialStream(ctx, url, "mqtt", func(ctx context.Context, address string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	})
}

func echo(c *websocket.Conn) {
	c.SetReadLimit(-1)
	for {
		kind, b, err := c.Read(context.Background())
		if err != nil || c.Write(context.Background(), kind, b) != nil {
			return
		}
	}
}

// The bytes of the messages arrive, in reads of any size, also after a read that timed out.
func TestStream(t *testing.T) {
	s, err := dialStream(t, streamServer(t, "mqtt", echo))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := make([]byte, 3)
	s.SetReadDeadline(time.Unix(1, 0))
	if _, err := s.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	s.SetReadDeadline(time.Time{})
	s.SetWriteDeadline(time.Now().Add(kit.Patience))
	text := strings.Repeat("abcdefgh", 10_000)
	go func() {
		io.WriteString(s, "he")
		io.WriteString(s, "llo"+text)
	}()
	got := make([]byte, 5+len(text))
	if _, err := io.ReadFull(s, got); err != nil || string(got) != "hello"+text {
		t.Errorf("%.20q, %v", got, err)
	}
	s.SetWriteDeadline(time.Unix(1, 0))
	if _, err := s.Write(b); err == nil {
		t.Error("a write after its deadline succeeded")
	}
}

// The end of the connection is io.EOF, with or without CLOSE. A text message is a different error.
func TestStreamEnds(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(*websocket.Conn)
		eof   bool
	}{
		"close":  {func(c *websocket.Conn) { c.Close(websocket.StatusGoingAway, "") }, true},
		"broken": {func(c *websocket.Conn) { c.CloseNow() }, true},
		"text": {func(c *websocket.Conn) {
			c.Write(context.Background(), websocket.MessageText, []byte("x"))
			c.Read(context.Background())
		}, false},
	} {
		s, err := dialStream(t, streamServer(t, "mqtt", c.serve))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Read(make([]byte, 10))
		if err == nil || errors.Is(err, io.EOF) != c.eof {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

func TestStreamWithoutSubprotocol(t *testing.T) {
	if _, err := dialStream(t, streamServer(t, "wamp.2.json", echo)); err == nil || !strings.Contains(err.Error(), `does not offer the subprotocol "mqtt"`) {
		t.Error(err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if _, err := dialStream(t, "ws"+strings.TrimPrefix(server.URL, "http")); err == nil || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
}

// Close ends a read that waits, and a stream whose bytes are not read.
func TestStreamCloses(t *testing.T) {
	s, err := dialStream(t, streamServer(t, "mqtt", echo))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(s, "not read")
	s.Close()
	if err := s.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
	if _, err := s.Read(make([]byte, 1)); err == nil {
		t.Error("a closed stream was read")
	}
}
