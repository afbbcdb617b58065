package transport

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/test/kit"
)

// echoServer sends back what it receives, as a stream and, with a WebSocket, as messages. config may be nil.
func echoServer(t *testing.T, config *tls.Config) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	kit.Must(t, err)
	if config != nil {
		l = tls.NewListener(l, config)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { defer conn.Close(); io.Copy(conn, conn) })
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	return l.Addr().String()
}

// webEcho is echoServer for the messages of WebSockets.
func webEcho(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, b, err := c.Read(context.Background())
		if err != nil || c.Write(context.Background(), kind, b) != nil {
			return
		}
	}
}

// Streams carry bytes in both directions, over each kind of connection, and count them. TLS checks the pin.
func TestStreams(t *testing.T) {
	web, secureWeb := httptest.NewServer(http.HandlerFunc(webEcho)), httptest.NewTLSServer(http.HandlerFunc(webEcho))
	t.Cleanup(web.Close)
	t.Cleanup(secureWeb.Close)
	sum := sha256.Sum256(secureWeb.Certificate().Raw)
	pin := hex.EncodeToString(sum[:])
	plain, secure := echoServer(t, nil), echoServer(t, &tls.Config{Certificates: secureWeb.TLS.Certificates})
	for name, c := range map[string]struct {
		dial func(DialOptions) (net.Conn, error)
		tls  bool
	}{
		"plain":  {func(o DialOptions) (net.Conn, error) { return DialStream(t.Context(), plain, false, o) }, false},
		"secure": {func(o DialOptions) (net.Conn, error) { return DialStream(t.Context(), secure, true, o) }, true},
		"ws":     {func(o DialOptions) (net.Conn, error) { return DialWebStream(t.Context(), "ws"+web.URL[4:], "mqtt", o) }, false},
		"wss": {func(o DialOptions) (net.Conn, error) {
			return DialWebStream(t.Context(), "ws"+secureWeb.URL[4:], "mqtt", o)
		}, true},
	} {
		for _, traffic := range []*Traffic{nil, {}} {
			conn, err := c.dial(DialOptions{Pin: pin, Traffic: traffic})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			_, err = io.WriteString(conn, "hello")
			kit.Must(t, err)
			b := make([]byte, 5)
			if _, err := io.ReadFull(conn, b); err != nil || string(b) != "hello" {
				t.Errorf("%s: %q, %v", name, b, err)
			}
			conn.Close()
			if traffic == nil {
				continue
			}
			if in, out := traffic.Octets(); in != 5 || out != 5 {
				t.Errorf("%s: counted %d in and %d out", name, in, out)
			}
		}
		conn, err := c.dial(DialOptions{Pin: strings.Repeat("00", 32)})
		if refused := err != nil && strings.Contains(err.Error(), "does not match the pin"); refused != c.tls {
			t.Errorf("%s with another pin: %v", name, err)
		}
		if err == nil {
			conn.Close()
		}
	}
	for _, url := range []string{"ws://", "http://127.0.0.1:1", "ws://user:secret@127.0.0.1:1"} {
		conn, err := DialWebStream(t.Context(), url, "mqtt", DialOptions{})
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.HasPrefix(err.Error(), "dial") {
			t.Errorf("%s: %v, %v", url, conn, err)
		}
	}
	if conn, err := DialStream(t.Context(), "127.0.0.1:1", false, DialOptions{}); err == nil || !strings.HasPrefix(err.Error(), "dial 127.0.0.1:1: ") {
		t.Errorf("a port at which nothing listens: %v, %v", conn, err)
	}
}

// foreign is a Conn of another protocol. It answers a probe as it is told.
type foreign struct {
	net.Conn
	peer  wamp.Transport
	alive bool
}

func (f *foreign) ReadMessage() ([]byte, bool, error) {
	_, err := f.Conn.Read(make([]byte, 1))
	return nil, false, err
}
func (f *foreign) Write(b []byte, _ bool) (int, error) { return len(b), nil }
func (f *foreign) Transport() *wamp.Transport          { return &f.peer }
func (f *foreign) Probe(time.Duration) bool            { return f.alive }

// A listener for another protocol hands each connection to its guest from the first byte, and counts it.
func TestGuests(t *testing.T) {
	if _, err := Listen("mqtt://127.0.0.1:0", ListenOptions{}); err == nil || !strings.Contains(err.Error(), "nothing here speaks MQTT") {
		t.Errorf("without a guest: %v", err)
	}
	guests := make(chan *foreign, 1)
	l := run(t, "mqtt://127.0.0.1:0", ListenOptions{Guest: func(conn net.Conn, peer wamp.Transport, _ *budget.Account, _ time.Time) (Conn, error) {
		b := make([]byte, 1)
		if _, err := io.ReadFull(conn, b); err != nil || b[0] != 'y' {
			return nil, errors.New("not this one")
		}
		peer.Protocol = "mqtt"
		g := &foreign{Conn: conn, peer: peer}
		guests <- g
		return g, nil
	}})
	for _, first := range []string{"n", "y"} {
		conn, err := net.Dial("tcp", l.Addr().String())
		kit.Must(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, first)
		kit.Must(t, err)
	}
	g := kit.Receive(t, "the guest", guests)
	c := kit.Receive(t, "its Conn", l.peers)
	awaitCounters(t, l, func(c Counters) bool {
		return c.MQTT == 1 && c.Failed == 1 && c.Accepted == 2 && c.RawSocket+c.WebSocket+c.LongPoll == 0
	})
	for _, g.alive = range []bool{true, false} {
		if got := c.(interface{ Probe(time.Duration) bool }).Probe(time.Second); got != g.alive {
			t.Errorf("the probe of a peer that is alive: %v, is %v", g.alive, got)
		}
	}
	c.Close()
	awaitCounters(t, l, func(c Counters) bool { return c.MQTT == 0 && c.Connections == 0 })
}

// A Conn without optional methods is alive, has no account and cannot close one direction.
func TestOptionalMethods(t *testing.T) {
	c := &counted{Conn: &piecemeal{}}
	c.SetReadLimit(5)
	if err := c.CloseWrite(); !c.Probe(time.Second) || c.Account() != nil || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("alive: %v, account: %v, closing: %v", c.Probe(0), c.Account(), err)
	}
}
