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

// KeyPair is a certificate and its key in files that may change: they are read again when they have. While they can't be
// read, or do not fit each other because only one of them has been replaced yet, the pair stays as it was. Its methods may be
// called from any goroutine.
type KeyPair struct {
	certFile, keyFile string

	mu sync.Mutex
	// Guarded by mu.
	pair      *tls.Certificate
	cert, key fs.FileInfo // of the files that pair was read from
	trouble   error       // why the files can't be used as they are now
}

// Certificate is what there is to know of a pair's certificate.
type Certificate struct {
	NotBefore, NotAfter time.Time // of the certificate or of one in its chain, whichever is narrower
	Serial              string    // of the certificate
	Trouble             string    // why the files can't be used as they are now; the certificate is the one before. "": they are
}

// OpenKeyPair reads a certificate and its key.
func OpenKeyPair(certificate, key string) (*KeyPair, error) {
	k := &KeyPair{certFile: certificate, keyFile: key}
	if err := k.load(); err != nil {
		return nil, err
	}
	return k, nil
}

// Server returns a listener's TLS configuration. clientCA, if it is not "", holds the authorities that certificates of
// clients must be signed by; a client need not have one.
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

// Client returns a client's TLS configuration. ca, if it is not "", holds the authorities that the router's certificate must
// be signed by, instead of the system's. k may be nil: the client has no certificate.
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

// get returns the pair as the files have it now, or had it when they were whole.
func (k *KeyPair) get() *tls.Certificate {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refresh()
	return k.pair
}

// Refresh looks whether the files have changed, as each handshake does.
func (k *KeyPair) Refresh() { k.get() }

// Certificate returns what there is to know of the certificate in use.
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

// refresh reads the files again if they have changed. Holds mu.
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

// Soon reports whether the certificate expires soon: within two weeks, or for one that lives shorter than two months within a
// quarter of its life.
func (c Certificate) Soon(now time.Time) bool {
	return c.NotAfter.Sub(now) < min(14*24*time.Hour, c.NotAfter.Sub(c.NotBefore)/4)
}

// Alarm says what is wrong with the certificate at a time, in words for an operator; "" if nothing is.
func (c Certificate) Alarm(now time.Time) string {
	alarm := ""
	switch {
	case now.Before(c.NotBefore):
		alarm = fmt.Sprintf("the certificate is not valid before %s; check the clock", day(c.NotBefore))
	case !now.Before(c.NotAfter):
		alarm = fmt.Sprintf("the certificate expired on %s; renew it", day(c.NotAfter))
	case c.Soon(now):
		alarm = fmt.Sprintf("the certificate expires on %s; renew it", day(c.NotAfter))
	}
	switch {
	case c.Trouble == "":
		return alarm
	case alarm == "":
		return "the certificate's files have changed and can't be used: " + c.Trouble
	}
	return alarm + "; its files have changed and can't be used: " + c.Trouble
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
