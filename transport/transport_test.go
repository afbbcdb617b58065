package transport

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
)

// certificate makes a key pair in two files, for this machine.
func certificate(t testing.TB, dir, name string) (cert, key, pin string) {
	t.Helper()
	return certificateFor(t, dir, name, -time.Hour, time.Hour)
}

// certificateFor makes a key pair that is valid from and until a time from now.
func certificateFor(t testing.TB, dir, name string, from, until time.Duration) (cert, key, pin string) {
	t.Helper()
	made, err := kit.Sign(name, x509.Certificate{NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until), DNSNames: []string{name}, IsCA: true}, nil)
	kit.Must(t, err)
	cert, key, err = kit.WritePair(dir, "cert", made)
	kit.Must(t, err)
	sum := sha256.Sum256(made.Leaf.Raw)
	return cert, key, hex.EncodeToString(sum[:])
}

// logLines keeps the lines of a logger, which a test can look at.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logLines) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), words)
}

// running is a Listener that echoes the messages of its peers.
type running struct {
	*Listener
	log   *logLines
	peers chan Conn // each peer's Conn, before it is served
	stop  func()
}

func echo(c Conn) {
	for {
		msg, _, err := c.ReadMessage()
		if err != nil {
			return
		}
		if _, err := c.Write(batch(string(msg)), true); err != nil {
			return
		}
	}
}

func batch(messages ...string) (b []byte) {
	for _, m := range messages {
		b = binary.BigEndian.AppendUint32(b, uint32(len(m)))
		b = append(b, m...)
	}
	return b
}

// run listens and serves until the test ends.
func run(t testing.TB, url string, opts ListenOptions) *running {
	t.Helper()
	lines := &logLines{}
	opts.Grace = cmp.Or(opts.Grace, time.Millisecond)
	opts.Log = slog.New(slog.NewTextHandler(lines, nil))
	l, err := Listen(url, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Listener: l, log: lines, peers: make(chan Conn, 100)}
	done := make(chan error, 1)
	go func() {
		done <- l.Run(ctx, func(c Conn) {
			kit.Send(t, r.peers, c)
			echo(c)
		})
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func call(t testing.TB, c Conn, words string) {
	t.Helper()
	if n, err := c.Write(batch(words), true); err != nil || n != 4+len(words) {
		t.Fatalf("wrote %d octets: %v", n, err)
	}
	got, more, err := c.ReadMessage()
	if err != nil || string(got) != words || more {
		t.Fatalf("read %.40q, more %v, %v; want %.40q", got, more, err, words)
	}
}

// TestEveryURL dials each kind of listener in each way and moves messages.
func TestEveryURL(t *testing.T) {
	dir := t.TempDir()
	cert, key, pin := certificate(t, dir, "router")
	server, err := ServerFiles(cert, key, cert)
	if err != nil {
		t.Fatal(err)
	}
	trusting, err := ClientFiles(cert, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		listen, dial string
		opts         DialOptions
		want         wamp.Transport
	}{
		{"tcp://127.0.0.1:0", "tcp", DialOptions{}, wamp.Transport{Protocol: "rawsocket", Network: "tcp"}},
		{"tcp://127.0.0.1:0", "ws", DialOptions{}, wamp.Transport{Protocol: "websocket", Network: "tcp"}},
		{"tcp://127.0.0.1:0", "ws", DialOptions{Batched: true}, wamp.Transport{Protocol: "websocket", Network: "tcp"}},
		{"tcp://127.0.0.1:0", "ws", DialOptions{Compress: true}, wamp.Transport{Protocol: "websocket", Network: "tcp"}},
		{"ws://127.0.0.1:0/elsewhere", "ws", DialOptions{}, wamp.Transport{Protocol: "websocket", Network: "tcp"}},
		{"tls://127.0.0.1:0", "tls", DialOptions{TLS: trusting}, wamp.Transport{Protocol: "rawsocket", Network: "tls"}},
		{"tls://127.0.0.1:0", "tls", DialOptions{Pin: pin}, wamp.Transport{Protocol: "rawsocket", Network: "tls"}},
		{"tls://127.0.0.1:0", "wss", DialOptions{TLS: trusting}, wamp.Transport{Protocol: "websocket", Network: "tls"}},
		{"wss://127.0.0.1:0", "wss", DialOptions{Pin: pin, Batched: true}, wamp.Transport{Protocol: "websocket", Network: "tls"}},
		{"unix://" + dir + "/a/socket", "unix", DialOptions{}, wamp.Transport{Protocol: "rawsocket", Network: "unix"}},
	} {
		for _, s := range wamp.Serializers {
			c.opts.Serializer = s
			t.Run(fmt.Sprintf("%s %s batched=%v %v", c.listen, c.dial, c.opts.Batched, s), func(t *testing.T) {
				l := run(t, c.listen, ListenOptions{TLS: server, Compress: true})
				_, rest, _ := strings.Cut(l.URL(), "://")
				conn, err := Dial(context.Background(), c.dial+"://"+rest, c.opts)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				peer := <-l.peers
				for _, words := range []string{"hello", "", strings.Repeat("long ", 60000)} {
					call(t, conn, words)
				}
				for name, got := range map[string]*wamp.Transport{"near": conn.Transport(), "far": peer.Transport()} {
					if got.Serializer != s || got.Protocol != c.want.Protocol || got.Network != c.want.Network || !got.Local {
						t.Errorf("the %s side is %+v, want %+v", name, got, c.want)
					}
				}
				if got := peer.Transport(); got.Listener != l.URL() || (got.Remote == "") != (c.dial == "unix") {
					t.Errorf("the peer is %+v", got)
				}
				conn.Close()
				if _, _, err := conn.ReadMessage(); err == nil {
					t.Error("read after Close")
				}
				l.stop()
				if n := l.log.count("level"); n != 0 {
					t.Errorf("%d lines were logged: %s", n, l.log.b.String())
				}
			})
		}
	}
}
