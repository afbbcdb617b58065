package transport

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"runnel/edge/budget"
	"runnel/test/kit"
)

// TestConnectionMemory: a connection is charged until it has ended, and one with TLS costs more.
func TestConnectionMemory(t *testing.T) {
	cert, key, pin := certificate(t, t.TempDir(), "router")
	config, err := ServerFiles(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]int64{"tcp://127.0.0.1:0": connCost, "tls://127.0.0.1:0": tlsCost} {
		memory := budget.New(1<<30, slog.New(slog.DiscardHandler))
		used := func() int64 { return memory.Status().Use["connections"] }
		l := run(t, url, ListenOptions{TLS: config, Memory: memory})
		opts := DialOptions{}
		if want == tlsCost {
			opts.Pin = pin
		}
		conn, err := Dial(context.Background(), l.URL(), opts)
		if err != nil {
			t.Fatal(err)
		}
		call(t, conn, "hello")
		if n := used(); n != want {
			t.Errorf("%s: %d bytes are charged, want %d", url, n, want)
		}
		conn.Close()
		kit.Eventually(t, "nothing charged", func() bool { return used() == 0 }, func() string { return fmt.Sprint(used()) })
	}
}

// TestHealthCheck: a peer that connects and sends nothing is counted, but not a line in the log.
func TestHealthCheck(t *testing.T) {
	l := run(t, "tcp://127.0.0.1:0", ListenOptions{})
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	awaitCounters(t, l, func(c Counters) bool { return c.Failed == 1 })
	l.stop()
	if n := l.log.count("level"); n != 0 {
		t.Errorf("logged: %s", l.log.b.String())
	}
}

func TestSystemBuffer(t *testing.T) {
	for limit, want := range map[int64]int{0: 0, 1 << 20: systemMin, 64 << 20: 256 << 10, systemShare * systemMax: 0, systemShare*systemMax - systemShare: systemMax - 1} {
		if got := systemBuffer(limit); got != want {
			t.Errorf("a limit of %d: %d bytes, want %d", limit, got, want)
		}
	}
}

// TestNoMemoryForConnection: a connection that is refused for lack of memory or descriptors takes neither.
func TestNoMemoryForConnection(t *testing.T) {
	for _, c := range []struct {
		memory      int64
		descriptors int
		want        bool
	}{{1 << 30, 1, true}, {1, 1, false}, {1 << 30, 0, false}} {
		l := mustListen(t, "tcp://127.0.0.1:0")
		l.opts.Memory = budget.New(c.memory, slog.New(slog.DiscardHandler))
		l.opts.Descriptors = &Descriptors{all: c.descriptors, remote: c.descriptors}
		near, far := net.Pipe()
		defer far.Close()
		account, err := l.openAccount(near)
		if (err == nil) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil {
			l.used++
			l.release(account)
		}
		if c := l.Counters(); l.opts.Descriptors.used != 0 || l.opts.Memory.Status().Use["connections"] != 0 || c.Connections != 0 {
			t.Errorf("left: %d descriptors, %+v", l.opts.Descriptors.used, l.opts.Memory.Status())
		}
	}
}

// TestBodies: a handler knows the client and can answer with the listener's page. A body is charged until its request ends, and
// refused if memory is short.
func TestBodies(t *testing.T) {
	memory := budget.New(1<<20, slog.New(slog.DiscardHandler))
	reading := func() int64 { return memory.Status().Use["reading"] }
	l := run(t, "tcp://127.0.0.1:0", ListenOptions{Memory: memory, HTTP: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/page" {
			Page(w, r)
			return
		}
		b, err := io.ReadAll(r.Body)
		peer := PeerOf(r)
		fmt.Fprintf(w, "%s: %d bytes, charged %d, %v", peer.Network, len(b), reading(), err)
	})})
	for _, c := range []struct {
		path string
		size int
		want string
	}{
		{"/", 0, "0 bytes, charged 0, <nil>"}, {"/", 1000, "1000 bytes, charged 2000, <nil>"}, {"/", 600_000, "the router is short of memory"},
		{"/", 1, "tcp: 1 bytes, charged 2, <nil>"}, {"/page", 0, "WebSocket clients connect to /ws"},
	} {
		answer := ask(t, l.Listener, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", c.path, c.size, strings.Repeat("x", c.size)))
		if !strings.Contains(answer, c.want) {
			t.Errorf("%d bytes to %s: %q, want %q", c.size, c.path, answer, c.want)
		}
		kit.Eventually(t, "nothing charged", func() bool { return reading() == 0 }, func() string { return fmt.Sprint(reading()) })
	}
	alien, err := http.NewRequest("GET", "http://localhost/", nil)
	kit.Must(t, err)
	recorder := httptest.NewRecorder()
	if Page(recorder, alien); recorder.Body.Len() > 0 || PeerOf(alien).Network != "" {
		t.Errorf("a request of another server: %q, %+v", recorder.Body, PeerOf(alien))
	}
}
