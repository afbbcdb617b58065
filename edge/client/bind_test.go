package client_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
)

// certificate returns a certificate for 127.0.0.1 and a pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	made, err := kit.Sign("router", x509.Certificate{DNSNames: []string{"router"}}, nil)
	kit.Must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(made.Leaf)
	return made, pool
}

// secured is a router behind real TLS. Its principal "joe" has a key and a password.
type secured struct {
	url   string
	trust *x509.CertPool
	key   ed25519.PrivateKey
}

const password = "pencil"

func serveTLS(t *testing.T) secured {
	t.Helper()
	public, key, err := ed25519.GenerateKey(nil)
	kit.Must(t, err)
	scram, err := auth.NewSCRAM(password, "pbkdf2", 1, 0)
	kit.Must(t, err)
	who, err := auth.NewPrincipals([]auth.Principal{{Authid: "joe", Role: "user", SCRAM: &scram, Keys: []ed25519.PublicKey{public}}})
	kit.Must(t, err)
	r := edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)})
	kit.Must(t, r.AddRealm(edge.RealmOptions{Name: "realm1", Roles: []*auth.Role{auth.NewRole("user", nil)}, Principals: who}))
	certificate, trust := certificate(t)
	l, err := transport.Listen("tls://127.0.0.1:0", transport.ListenOptions{TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}})
	kit.Must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { l.Run(ctx, func(c transport.Conn) { r.Serve(c) }) })
	t.Cleanup(func() {
		stop()
		r.Close(context.Background())
		serving.Wait()
	})
	return secured{l.URL(), trust, key}
}

// join joins once, with at most the given version of TLS.
func (s secured) join(t *testing.T, newest uint16, methods ...client.Auth) error {
	c, err := client.Connect(t.Context(), client.Options{
		Realm: "realm1", Authid: "joe", Auth: methods, Reconnect: client.Reconnect{Disabled: true},
		Dial: func(ctx context.Context) (client.Conn, error) {
			return transport.Dial(ctx, s.url, transport.DialOptions{
				TLS: &tls.Config{RootCAs: s.trust, ServerName: "router", MaxVersion: newest},
			})
		},
	})
	if err == nil {
		err = c.Close(context.Background())
	}
	return err
}

func TestBindOverTLS(t *testing.T) {
	s := serveTLS(t)
	for _, c := range []struct {
		kind        string
		newest      uint16
		scram, sign string // expected error; "": none
	}{
		{"tls-exporter", tls.VersionTLS13, "", ""},
		{"tls-exporter", tls.VersionTLS12, "", ""},
		{"tls-unique", tls.VersionTLS12, "", ""},
		{"tls-unique", tls.VersionTLS13, "TLS 1.3 has only tls-exporter", "TLS 1.3 has only tls-exporter"},
		{"tls-server-end-point", tls.VersionTLS13, "", "does not support channel binding tls-server-end-point"},
	} {
		for i, method := range []client.Auth{client.SCRAM("joe", password), client.Cryptosign(s.key)} {
			want := []string{c.scram, c.sign}[i]
			err := s.join(t, c.newest, client.Bind(c.kind, method)...)
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s by %s: %v", method.Method(), c.kind, err)
			}
		}
	}
	if err := s.join(t, tls.VersionTLS13, client.Bind("tls-exporter", client.SCRAM("joe", "wrong"))...); !errors.Is(err, wamp.AuthenticationFailed) {
		t.Errorf("a wrong password: %v", err)
	}
}

// A bound proof made on one connection is invalid on another, even if the client trusts the man in the middle.
func TestBindStopsManInTheMiddle(t *testing.T) {
	s := serveTLS(t)
	between := serveBetween(t, s)
	for _, bound := range []bool{false, true} {
		for _, method := range []client.Auth{client.SCRAM("joe", password), client.Cryptosign(s.key)} {
			methods := []client.Auth{method}
			if bound {
				methods = client.Bind("tls-exporter", methods...)
			}
			err := between.join(t, tls.VersionTLS13, methods...)
			if bound != errors.Is(err, wamp.AuthenticationFailed) || !bound && err != nil {
				t.Errorf("%s, bound: %v: %v", method.Method(), bound, err)
			}
		}
	}
}

// serveBetween relays messages between its peers and a router.
func serveBetween(t *testing.T, s secured) secured {
	t.Helper()
	certificate, trust := certificate(t)
	l, err := transport.Listen("tls://127.0.0.1:0", transport.ListenOptions{TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}})
	kit.Must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		l.Run(ctx, func(near transport.Conn) {
			far, err := transport.Dial(ctx, s.url, transport.DialOptions{TLS: &tls.Config{RootCAs: s.trust, ServerName: "router"}})
			if err != nil {
				t.Error(err)
				return
			}
			var both sync.WaitGroup
			both.Go(func() { handOn(near, far) })
			both.Go(func() { handOn(far, near) })
			both.Wait()
		})
	})
	t.Cleanup(func() {
		stop()
		serving.Wait()
	})
	return secured{l.URL(), trust, s.key}
}

func handOn(from, to transport.Conn) {
	defer from.Close()
	defer to.Close()
	for {
		m, _, err := from.ReadMessage()
		if err != nil {
			return
		}
		batch := append([]byte{0, 0, byte(len(m) >> 8), byte(len(m))}, m...)
		if _, err := to.Write(batch, true); err != nil {
			return
		}
	}
}

func TestBindSkipsOtherMethods(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	var names []string
	for _, a := range client.Bind("tls-exporter", client.Ticket("x"), client.Cryptosign(key), client.CRA("x"), client.SCRAM("joe", "x")) {
		names = append(names, a.Method())
	}
	if got := strings.Join(names, " "); got != "cryptosign wamp-scram" {
		t.Errorf("bound: %s", got)
	}
}

// Without TLS there is nothing to bind to. A challenge without binding is not answered.
func TestBindNeedsTheConnectionAndTheRouter(t *testing.T) {
	s := serveTLS(t)
	n := newNetwork(t)
	key := client.Cryptosign(s.key)
	joined := run(func() error {
		_, err := client.Connect(t.Context(), client.Options{
			Dial: n.dial, Realm: "realm1", Auth: client.Bind("tls-exporter", key), Reconnect: client.Reconnect{Disabled: true},
		})
		return err
	})
	conn := <-n.dialled
	if err := <-joined; err == nil || !strings.Contains(err.Error(), "the connection is not TLS") {
		t.Errorf("without TLS: %v", err)
	}
	conn.Close()

	n.opts.Serializer = wamp.CBOR
	joined = run(func() error {
		_, err := client.Connect(t.Context(), client.Options{
			Realm: "realm1", Auth: client.Bind("tls-exporter", key), Reconnect: client.Reconnect{Disabled: true},
			Dial: func(ctx context.Context) (client.Conn, error) {
				c, err := n.dial(ctx)
				if err == nil {
					c.Transport().ChannelBinding = func(string) ([]byte, bool) { return make([]byte, 32), true }
				}
				return c, err
			},
		})
		return err
	})
	p := n.accept()
	if extra := p.options(p.expect(wamp.Hello))["authextra"].(map[string]any); extra["channel_binding"] != "tls-exporter" {
		t.Errorf("authextra %v", extra)
	}
	p.send(codec.Message{Type: wamp.Challenge, Text: []byte("cryptosign"), Dict: p.dict(map[string]any{
		"challenge": strings.Repeat("ff", 32), "channel_binding": nil,
	})})
	p.expect(wamp.Abort)
	if err := <-joined; err == nil || !strings.Contains(err.Error(), "does not support") {
		t.Errorf("a router that does not bind: %v", err)
	}
}
