package transport

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// KeyPair is a certificate and its key in two files, which are read again when they change. While the files cannot be read,
// or do not match because only one of them is replaced yet, the previous pair stays in use. Any goroutine may use it.
type KeyPair struct {
	certFile, keyFile string

	mu sync.Mutex
	// Guarded by mu.
	pair      *tls.Certificate
	cert, key fs.FileInfo // of the files that pair was read from
	trouble   error       // why the current files cannot be used
}

// Certificate describes the certificate of a KeyPair.
type Certificate struct {
	NotBefore, NotAfter time.Time // the period in which the certificate and its whole chain are valid
	Serial              string    // of the certificate, in hexadecimal
	Trouble             string    // why the current files cannot be used; the previous certificate is in use. "": no trouble
}

// OpenKeyPair reads a certificate and its key.
func OpenKeyPair(certificate, key string) (*KeyPair, error) {
	k := &KeyPair{certFile: certificate, keyFile: key}
	if err := k.load(); err != nil {
		return nil, err
	}
	return k, nil
}

// Server returns a listener's TLS configuration. clientCA is a file with the authorities for client certificates; "": none.
// A client need not present a certificate.
func (k *KeyPair) Server(clientCA string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.get(), nil }}
	if clientCA == "" {
		return c, nil
	}
	pool, err := readPool(clientCA)
	if err != nil {
		return nil, err
	}
	c.ClientCAs, c.ClientAuth = pool, tls.VerifyClientCertIfGiven
	return c, nil
}

// Client returns a client's TLS configuration. ca is a file with the authorities for the router's certificate; "": the
// system's authorities. k may be nil: the client has no certificate.
func (k *KeyPair) Client(ca string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pool, err := readPool(ca)
		if err != nil {
			return nil, err
		}
		c.RootCAs = pool
	}
	if k != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return k.get(), nil }
	}
	return c, nil
}

// get returns the pair in the files, or the previous pair if the files cannot be used.
func (k *KeyPair) get() *tls.Certificate {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refresh()
	return k.pair
}

// Refresh reads the files again if they changed. Each handshake does the same.
func (k *KeyPair) Refresh() { k.get() }

// Certificate describes the certificate in use.
func (k *KeyPair) Certificate() Certificate {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := Certificate{Serial: k.pair.Leaf.SerialNumber.Text(16)}
	c.NotBefore, c.NotAfter = k.pair.Leaf.NotBefore, k.pair.Leaf.NotAfter
	for _, der := range k.pair.Certificate[1:] {
		if link, err := x509.ParseCertificate(der); err == nil {
			c.narrow(link)
		}
	}
	if k.trouble != nil {
		c.Trouble = k.trouble.Error()
	}
	return c
}

func (c *Certificate) narrow(link *x509.Certificate) {
	if link.NotBefore.After(c.NotBefore) {
		c.NotBefore = link.NotBefore
	}
	if link.NotAfter.Before(c.NotAfter) {
		c.NotAfter = link.NotAfter
	}
}

// refresh reads the files again if they changed or could not be used. The caller holds mu.
func (k *KeyPair) refresh() {
	if k.trouble != nil || !same(k.certFile, k.cert) || !same(k.keyFile, k.key) {
		k.trouble = k.load()
	}
}

func (k *KeyPair) load() error {
	cert, err := os.Stat(k.certFile)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	key, err := os.Stat(k.keyFile)
	if err != nil {
		return fmt.Errorf("read key: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate %s: %w", k.certFile, err)
	}
	k.pair, k.cert, k.key = &pair, cert, key
	return nil
}

func same(file string, was fs.FileInfo) bool {
	now, err := os.Stat(file)
	return err == nil && os.SameFile(now, was) && now.ModTime().Equal(was.ModTime()) && now.Size() == was.Size()
}

// ExpiresSoon reports whether the certificate expires within two weeks, or within a quarter of its lifetime if that is shorter.
func (c Certificate) ExpiresSoon(now time.Time) bool {
	return c.NotAfter.Sub(now) < min(14*24*time.Hour, c.NotAfter.Sub(c.NotBefore)/4)
}

// Alarm returns a text for the operator if the certificate is not valid, expires soon or cannot be replaced by the present
// files. It returns "" otherwise.
func (c Certificate) Alarm(now time.Time) string {
	alarm := ""
	switch {
	case now.Before(c.NotBefore):
		alarm = fmt.Sprintf("the certificate is not valid before %s; check the clock", day(c.NotBefore))
	case !now.Before(c.NotAfter):
		alarm = fmt.Sprintf("the certificate expired on %s; renew it", day(c.NotAfter))
	case c.ExpiresSoon(now):
		alarm = fmt.Sprintf("the certificate expires on %s; renew it", day(c.NotAfter))
	}
	switch {
	case c.Trouble == "":
		return alarm
	case alarm == "":
		return "the certificate's files have changed and cannot be used: " + c.Trouble
	}
	return alarm + "; its files have changed and cannot be used: " + c.Trouble
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
