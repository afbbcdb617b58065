package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key, before := certificate(t, dir, "before")
	config, err := ServerFiles(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	l := run(t, "tls://127.0.0.1:0", ListenOptions{TLS: config})
	reach := func(pin string) error {
		c, err := Dial(context.Background(), l.URL(), DialOptions{Pin: pin})
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := reach(before); err != nil {
		t.Fatal(err)
	}
	pair, err := config.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	public := sha256.Sum256(pair.Leaf.RawSubjectPublicKeyInfo)
	if err := reach(hex.EncodeToString(public[:])); err != nil {
		t.Errorf("by the key: %v", err)
	}
	public[0]++
	if err := reach(hex.EncodeToString(public[:])); err == nil || !strings.Contains(err.Error(), "does not match the pin") {
		t.Errorf("by another key: %v", err)
	}
	old, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	_, _, after := certificate(t, dir, "after, with a longer name")
	new, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, old, 0o600); err != nil { // only one of the files has been replaced yet
		t.Fatal(err)
	}
	if err := reach(before); err != nil {
		t.Errorf("between: %v", err)
	}
	if err := os.WriteFile(key, new, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := reach(after); err != nil {
		t.Errorf("after: %v", err)
	}
	os.Remove(cert)
	if err := reach(after); err != nil {
		t.Errorf("without the file: %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := certificate(t, dir, "router")
	for name, f := range map[string]func() (*tls.Config, error){
		"no certificate":  func() (*tls.Config, error) { return ServerFiles(dir+"/none", key, "") },
		"no key":          func() (*tls.Config, error) { return ServerFiles(cert, dir+"/none", "") },
		"not a key":       func() (*tls.Config, error) { return ServerFiles(cert, cert, "") },
		"no authorities":  func() (*tls.Config, error) { return ServerFiles(cert, key, key) },
		"client: no file": func() (*tls.Config, error) { return ClientFiles(dir+"/none", "", "") },
		"client: no key":  func() (*tls.Config, error) { return ClientFiles("", cert, "") },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), dir) && !strings.Contains(err.Error(), "read key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOldTLS(t *testing.T) {
	cert, key, pin := certificate(t, t.TempDir(), "router")
	config, err := ServerFiles(cert, key, "")
	if err != nil {
		t.Fatal(err)
	}
	l := run(t, "tls://127.0.0.1:0", ListenOptions{TLS: config})
	old, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	if err == nil {
		old.Close()
		t.Error("TLS 1.1 was accepted")
	}
	_, err = Dial(context.Background(), l.URL(), DialOptions{Pin: pin, TLS: &tls.Config{MaxVersion: tls.VersionTLS11}})
	if err == nil {
		t.Error("TLS 1.1 was offered")
	}
}

// TestChannelBinding: both ends know the same data, and the client's certificate arrives.
func TestChannelBinding(t *testing.T) {
	cert, key, pin := certificate(t, t.TempDir(), "pump-7")
	server, err := ServerFiles(cert, key, cert)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		version uint16
		kinds   map[string]bool
	}{
		{tls.VersionTLS12, map[string]bool{"tls-unique": true, "tls-exporter": true, "tls-server-end-point": true, "else": false}},
		{tls.VersionTLS13, map[string]bool{"tls-unique": false, "tls-exporter": true, "tls-server-end-point": true, "else": false}},
	} {
		for _, scheme := range []string{"tls", "wss"} {
			client, err := ClientFiles(cert, cert, key)
			if err != nil {
				t.Fatal(err)
			}
			client.MaxVersion = c.version
			l := run(t, "tls://127.0.0.1:0", ListenOptions{TLS: server})
			conn, err := Dial(context.Background(), scheme+"://"+l.Addr().String(), DialOptions{TLS: client})
			if err != nil {
				t.Fatal(err)
			}
			near, far := conn.Transport(), (<-l.peers).Transport()
			for kind, want := range c.kinds {
				a, okA := near.ChannelBinding(kind)
				b, okB := far.ChannelBinding(kind)
				if okA != want || okB != want || !bytes.Equal(a, b) {
					t.Errorf("%s %x: %s is %x %v and %x %v", scheme, c.version, kind, a, okA, b, okB)
				}
			}
			if end, _ := far.ChannelBinding("tls-server-end-point"); hex.EncodeToString(end) != pin {
				t.Errorf("tls-server-end-point is %x, want the certificate's SHA-256 %s", end, pin)
			}
			if want := (wamp.Certificate{CommonName: "pump-7", SHA256: pin}); far.Certificate == nil || *far.Certificate != want {
				t.Errorf("the client's certificate is %+v", far.Certificate)
			}
			conn.Close()
			anyone, err := Dial(context.Background(), l.URL(), DialOptions{Pin: pin})
			if err != nil {
				t.Fatalf("without a certificate: %v", err)
			}
			if far := (<-l.peers).Transport(); far.Certificate != nil {
				t.Errorf("a client without a certificate has %+v", far.Certificate)
			}
			anyone.Close()
			n := 0
			l.shown.Range(func(any, any) bool { n++; return true })
			if n != 0 {
				t.Errorf("%d certificates are still remembered", n)
			}
		}
	}
}
