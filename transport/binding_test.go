package transport

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestPick: the certificate is the configuration's choice, else the first.
func TestPick(t *testing.T) {
	refused := errors.New("refused")
	chosen, first := &tls.Certificate{}, []tls.Certificate{{}, {}}
	for _, c := range []struct {
		name         string
		get          func(*tls.ClientHelloInfo) (*tls.Certificate, error)
		certificates []tls.Certificate
		want         *tls.Certificate
		err          error
	}{
		{"nothing", nil, nil, nil, nil},
		{"a list", nil, first, &first[0], nil},
		{"a choice", func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return chosen, nil }, first, chosen, nil},
		{"an error", func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, refused }, first, nil, refused},
		{"no choice", func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }, first, &first[0], nil},
	} {
		if got, err := pick(c.get, c.certificates, &tls.ClientHelloInfo{}); got != c.want || err != c.err {
			t.Errorf("%s: %p, %v; want %p, %v", c.name, got, err, c.want, c.err)
		}
	}
}

// TestShownTo: the presented certificate is parsed if need be, and forgotten afterwards.
func TestShownTo(t *testing.T) {
	cert, key, _ := certificate(t, t.TempDir(), "router")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		shown *tls.Certificate
		want  string
	}{
		"parsed":     {&pair, "router"},
		"not parsed": {&tls.Certificate{Certificate: pair.Certificate}, "router"},
		"broken":     {&tls.Certificate{Certificate: [][]byte{[]byte("broken")}}, ""},
	} {
		l, below := &Listener{}, &net.TCPConn{}
		l.shown.Store(below, c.shown)
		leaf := l.shownTo(below)
		if (leaf == nil) != (c.want == "") || leaf != nil && leaf.Subject.CommonName != c.want || l.lastShown.Load() != leaf {
			t.Errorf("%s: %v", name, leaf)
		}
		if l.shownTo(below) != nil {
			t.Errorf("%s: it is shown twice", name)
		}
	}
}

// TestChain: a certificate is valid as long as its whole chain.
func TestChain(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	wide, key, _ := certificate(t, dir, "router")
	narrow, _, _ := certificateFor(t, other, "authority", -time.Minute, time.Minute)
	chain, err := os.ReadFile(wide)
	if err != nil {
		t.Fatal(err)
	}
	link, err := os.ReadFile(narrow)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := OpenKeyPair(wide, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(wide+".chain", append(chain, link...), 0o600); err != nil {
		t.Fatal(err)
	}
	chained, err := OpenKeyPair(wide+".chain", key)
	if err != nil {
		t.Fatal(err)
	}
	a, c := alone.Certificate(), chained.Certificate()
	if a.Serial != c.Serial || !c.NotBefore.After(a.NotBefore) || !c.NotAfter.Before(a.NotAfter) {
		t.Errorf("alone %+v, with its chain %+v", a, c)
	}
}
