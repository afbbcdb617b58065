package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
)

func TestBadURLs(t *testing.T) {
	for url, want := range map[string]string{
		"127.0.0.1:8080":                      "is not a URL",
		"localhost":                           "no scheme",
		"http://127.0.0.1:80":                 `scheme "http" is not one of`,
		"tcp://127.0.0.1":                     "the port is missing",
		"tcp://127.0.0.1:1/ws":                "has no path",
		"ws:///ws":                            "the host is missing",
		"unix://run/x.sock":                   "three slashes",
		"unix:///" + strings.Repeat("x", 107): "a Unix socket's at most 107",
		"tls://127.0.0.1:0":                   "no certificate",
		"serial:///dev/ttyUSB0":               `scheme "serial" is not one of tcp, tls, unix, ws, wss`,
		"tcp://127.0.0.1:99999":               "port",
	} {
		l, err := Listen(url, ListenOptions{})
		if err == nil {
			l.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
	if _, err := Listen("tcp://127.0.0.1:0", ListenOptions{Origins: []string{"[a"}}); err == nil || !strings.Contains(err.Error(), `origin "[a"`) {
		t.Errorf("bad origin: %v", err)
	}
	if _, err := Listen("tcp://127.0.0.1:0", ListenOptions{TrustedProxies: []string{"192.0.2.0/99"}}); err == nil || !strings.Contains(err.Error(), "192.0.2.0/99") {
		t.Errorf("bad proxy: %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	dir := t.TempDir()
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cert, key, _ := certificate(t, dir, "router")
	config, err := ServerFiles(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	l := run(t, "tls://127.0.0.1:0", ListenOptions{TLS: config})
	for name, c := range map[string]struct {
		url  string
		opts DialOptions
		want string
	}{
		"nobody there":        {"tcp://" + dead.Addr().String(), DialOptions{}, "connection refused"},
		"no socket":           {"unix://" + dir + "/none", DialOptions{}, "no such file"},
		"nobody answers":      {"tcp://" + silent.Addr().String(), DialOptions{Timeout: 50 * time.Millisecond}, "deadline exceeded"},
		"nobody answers ws":   {"ws://" + silent.Addr().String(), DialOptions{Timeout: 50 * time.Millisecond}, "deadline exceeded"},
		"nobody answers tls":  {"tls://" + silent.Addr().String(), DialOptions{Timeout: 50 * time.Millisecond}, "deadline exceeded"},
		"unknown certificate": {l.URL(), DialOptions{}, "unknown authority"},
		"another pin":         {l.URL(), DialOptions{Pin: strings.Repeat("00", 32)}, "does not match the pin"},
		"half a pin":          {l.URL(), DialOptions{Pin: "00"}, "is not a SHA-256"},
		"no serial port":      {"serial:///dev/none", DialOptions{}, "/dev/none"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := Dial(context.Background(), c.url, c.opts)
			if err == nil {
				conn.Close()
			}
			late := c.opts.Timeout > 0 && errors.Is(err, context.DeadlineExceeded) // net has its own words for it
			if err == nil || !late && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want %q", err, c.want)
			}
		})
	}
}

// ask sends octets to a listener and returns all that it answers.
func ask(t *testing.T, l *Listener, octets string) string {
	t.Helper()
	conn, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, octets)
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func TestPages(t *testing.T) {
	plain := run(t, "tcp://127.0.0.1:0", ListenOptions{})
	own := run(t, "ws://127.0.0.1:0/here", ListenOptions{HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "own page for %s", r.URL.Path)
	})})
	for _, c := range []struct {
		l      *Listener
		path   string
		status int
		words  string
	}{
		{plain.Listener, "/", 200, "WAMP router"},
		{plain.Listener, "/else", 404, "WebSocket clients connect to /ws"},
		{plain.Listener, "/ws", 426, ""},
		{own.Listener, "/", 200, "own page for /"},
		{own.Listener, "/ws", 200, "own page for /ws"},
		{own.Listener, "/here", 426, ""},
	} {
		resp, err := http.Get("http://" + c.l.Addr().String() + c.path)
		if err != nil {
			t.Fatal(err)
		}
		words, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(words), c.words) {
			t.Errorf("%s%s: %d %s, want %d %s", c.l.URL(), c.path, resp.StatusCode, words, c.status, c.words)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if got := ask(t, own.Listener, "\x7f\xf3\x00\x00"); got != "\x7f\x10\x00\x00" {
		t.Errorf("a WebSocket listener answered RawSocket with %q", got)
	}
}

func TestTooMany(t *testing.T) {
	dir := t.TempDir()
	for _, url := range []string{"tcp://127.0.0.1:0", "unix://" + dir + "/s"} {
		l := run(t, url, ListenOptions{MaxConns: 2})
		first, err := Dial(context.Background(), l.URL(), DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		call(t, first, "hello")
		silent, err := net.Dial(l.Addr().Network(), l.Addr().String()) // counts, too
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		_, err = Dial(context.Background(), l.URL(), DialOptions{})
		if err == nil || !strings.Contains(err.Error(), "maximum connection count reached") {
			t.Errorf("RawSocket beyond the limit: %v", err)
		}
		if l.Addr().Network() == "tcp" {
			if got := ask(t, l.Listener, "GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 503") || !strings.HasSuffix(got, "\r\n\r\nrunnel: too many connections\n") {
				t.Errorf("HTTP beyond the limit: %q", got)
			}
		}
		call(t, first, "still there")
		silent.Close()
		kit.Eventually(t, "room after a connection has gone", func() bool {
			c, err := Dial(context.Background(), l.URL(), DialOptions{})
			if err != nil {
				return false
			}
			call(t, c, "hello")
			c.Close()
			return true
		})
		if n := l.log.count("too many connections"); n != 1 {
			t.Errorf("%d log lines: %s", n, l.log.b.String())
		}
	}
}

// TestWebSocketsFreeTheirPlaces: the place of a WebSocket is free again, however it ends.
func TestWebSocketsFreeTheirPlaces(t *testing.T) {
	l := run(t, "tcp://127.0.0.1:0", ListenOptions{MaxConns: 1})
	for i := range 5 {
		var c Conn
		kit.Eventually(t, fmt.Sprintf("place for WebSocket %d", i), func() (ok bool) {
			var err error
			c, err = Dial(context.Background(), "ws://"+l.Addr().String(), DialOptions{})
			return err == nil
		})
		call(t, c, "hello")
		c.Close()
	}
	for range 3 {
		var got string
		kit.Eventually(t, "place for a request", func() bool {
			got = ask(t, l.Listener, "GET / HTTP/1.0\r\n\r\n")
			return strings.HasPrefix(got, "HTTP/1.0 200")
		})
	}
}

// TestSilence: connections without a handshake, or with half of one, are closed. They do not each cause a log line.
func TestSilence(t *testing.T) {
	l := run(t, "tcp://127.0.0.1:0", ListenOptions{HandshakeTimeout: 100 * time.Millisecond})
	var conns []net.Conn
	for i := range 200 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, []string{"", "\x7f", "\x7f\xf3\x00", "G", "GET /ws HTTP/1.1\r\nHost: localhost\r\n"}[i%5])
		conns = append(conns, c)
	}
	for _, c := range conns {
		io.Copy(io.Discard, c) // until it is closed
	}
	if n := l.log.count("level=WARN"); n != 1 {
		t.Errorf("%d lines in the log: %s", n, l.log.b.String())
	}
	kit.Eventually(t, "one who speaks", func() bool { // in time, on a machine that may have much to do
		c, err := Dial(context.Background(), l.URL(), DialOptions{})
		if err != nil {
			return false
		}
		defer c.Close()
		call(t, c, "hello")
		return true
	})
}

// TestUnreadBodies: a request whose body does not arrive is ended, whether or not a handler reads the body.
func TestUnreadBodies(t *testing.T) {
	l := run(t, "tcp://127.0.0.1:0", ListenOptions{HandshakeTimeout: 200 * time.Millisecond})
	for _, request := range []string{"GET /", "GET /ws", "POST /lp/none/send", "POST /lp/none/close", "GET /lp/open", "POST /lp/open"} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, request+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection is still there", request)
		}
	}
	kit.Eventually(t, "room", func() bool { return l.Counters().Connections == 0 })
}

func dial(t *testing.T, url string) Conn {
	t.Helper()
	c, err := Dial(context.Background(), url, DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestGarbage sends octets of all kinds to every kind of listener.
func TestGarbage(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := certificate(t, dir, "router")
	config, err := ServerFiles(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	starts := []string{
		"", "\x7f", "\x7f\xf3\x00\x00", "\x7f\xf3\x00\x00\x00\x00\xff\xff", "\x7f\xf3\x00\x00\x01\x00\x10\x00", "\x16\x03\x01", "GET /ws HTTP/1.1\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: wamp.2.json\r\n\r\n",
	}
	for _, url := range []string{"tcp://127.0.0.1:0", "tls://127.0.0.1:0", "ws://127.0.0.1:0", "unix://" + dir + "/s"} {
		t.Run(url, func(t *testing.T) {
			l := run(t, url, ListenOptions{TLS: config})
			random := rand.NewChaCha8([32]byte{1})
			for i := range 200 {
				b := make([]byte, i*37)
				random.Read(b)
				c, err := net.Dial(l.Addr().Network(), l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				go io.Copy(io.Discard, c)
				c.Write([]byte(starts[i%len(starts)]))
				c.Write(b)
				c.Close()
			}
			if !strings.HasPrefix(url, "tcp") && !strings.HasPrefix(url, "unix") {
				return
			}
			call(t, dial(t, l.URL()), "hello")
		})
	}
}

// flaky is a listener that is out of descriptors for a while.
type flaky struct {
	net.Listener
	failures int
}

func (f *flaky) Accept() (net.Conn, error) {
	if f.failures > 0 {
		f.failures--
		return nil, fmt.Errorf("accept: %w", syscall.EMFILE)
	}
	return f.Listener.Accept()
}

func TestNoDescriptors(t *testing.T) {
	lines := &logLines{}
	l, err := Listen("tcp://127.0.0.1:0", ListenOptions{Grace: time.Millisecond, Log: slog.New(slog.NewTextHandler(lines, nil))})
	if err != nil {
		t.Fatal(err)
	}
	l.socket = &flaky{l.socket, 4}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Run(ctx, echo) }()
	call(t, dial(t, l.URL()), "hello")
	if n := lines.count("too many open files"); n != 1 {
		t.Errorf("%d lines in the log: %s", n, lines.b.String())
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestRunEnds: handshakes are dropped at once, peers that are served have the time of grace.
func TestRunEnds(t *testing.T) {
	l, err := Listen("tcp://127.0.0.1:0", ListenOptions{Grace: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	type end struct {
		err error
		at  time.Time
	}
	served := make(chan end, 2)
	done := make(chan error)
	go func() {
		done <- l.Run(ctx, func(c Conn) {
			c.Write(batch("welcome"), true)
			_, _, err := c.ReadMessage()
			served <- end{err, time.Now()}
		})
	}()
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, scheme := range []string{"tcp", "ws"} {
		c := dial(t, scheme+"://"+l.Addr().String())
		if _, _, err := c.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		go c.ReadMessage() // answers CLOSE
	}
	start := time.Now()
	cancel()
	if n, _ := io.Copy(io.Discard, silent); n != 0 {
		t.Errorf("a silent connection heard %d octets", n)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	for range 2 {
		if peer := <-served; !errors.Is(peer.err, net.ErrClosed) || peer.at.Sub(start) < 200*time.Millisecond {
			t.Errorf("serve saw %v after %v", peer.err, peer.at.Sub(start))
		}
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("still accepting")
	}
	if c := l.Counters(); c.Connections != 0 || c.RawSocket != 0 || c.WebSocket != 0 || c.Accepted != 3 {
		t.Errorf("afterwards %+v", c)
	}
}

func TestRunAfterClose(t *testing.T) {
	l, err := Listen("tcp://127.0.0.1:0", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := l.Run(context.Background(), echo); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error is %v", err)
	}
}

// A URL is checked without opening anything.
func TestCheckURL(t *testing.T) {
	for url, want := range map[string]bool{
		"tcp://127.0.0.1:1": true, "tcp://[::1]:1/": true, "tls://h:1": true, "tcp://h": false, "tls://h:1/x": false, "ws://h": true, "wss://h:1/x": true, "ws:///x": false,
		"mqtt://h": true, "mqtts://h:1": true, "mqtt:///x": false, "serial:///dev/ttyS0": true, "unix:///run/s": true, "unix://h/run/s": false, "unix://": false,
		"unix:///" + strings.Repeat("x", maxUnixPath-1): true, "unix:///" + strings.Repeat("x", maxUnixPath): false, "http://h": false, "h": false, "%zz": false,
	} {
		if err := CheckURL(url); (err == nil) != want {
			t.Errorf("%s: %v", url, err)
		}
	}
}
