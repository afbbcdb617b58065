package transport

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// ServerFiles returns a listener's TLS configuration. The certificate and its key are read again when their files
// change. clientCA, if it is not "", holds the authorities that certificates of clients must be signed by; a client
// need not have one.
func ServerFiles(certificate, key, clientCA string) (*tls.Config, error) {
	k := &keyPair{certFile: certificate, keyFile: key}
	if err := k.load(); err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.get() }}
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

// ClientFiles returns a client's TLS configuration. Each file may be "". ca holds the authorities that the router's
// certificate must be signed by, instead of the system's; certificate and key are the client's own, and are read again
// when their files change.
func ClientFiles(ca, certificate, key string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pool, err := readPool(ca)
		if err != nil {
			return nil, err
		}
		c.RootCAs = pool
	}
	if certificate == "" {
		return c, nil
	}
	k := &keyPair{certFile: certificate, keyFile: key}
	if err := k.load(); err != nil {
		return nil, err
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return k.get() }
	return c, nil
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read certificates %s: there is none in it", file)
	}
	return pool, nil
}

// keyPair is a certificate and its key in files that may change.
type keyPair struct {
	certFile, keyFile string

	mu        sync.Mutex
	pair      *tls.Certificate
	cert, key fs.FileInfo // of the files that pair was read from
}

// get returns the pair as the files have it now; while they can't be read, or do not fit each other because only one of
// them has been replaced yet, as they had it before.
func (k *keyPair) get() (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !same(k.certFile, k.cert) || !same(k.keyFile, k.key) {
		k.load()
	}
	return k.pair, nil
}

func (k *keyPair) load() error {
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

// ParsePin reads the SHA-256 of a certificate or a public key, in hexadecimal with or without colons.
func ParsePin(pin string) (sum [sha256.Size]byte, err error) {
	octets, err := hex.DecodeString(strings.ReplaceAll(pin, ":", ""))
	if err != nil || len(octets) != len(sum) {
		return sum, fmt.Errorf("pin %q is not a SHA-256 in hexadecimal", pin)
	}
	return [sha256.Size]byte(octets), nil
}

// pinned returns c with a check for one certificate, or one public key, given by its SHA-256, in the place of the check
// for authorities and names.
func pinned(c *tls.Config, pin string) (*tls.Config, error) {
	want, err := ParsePin(pin)
	if err != nil {
		return nil, err
	}
	c = c.Clone()
	c.InsecureSkipVerify = true // of what VerifyConnection does instead
	c.VerifyConnection = func(s tls.ConnectionState) error {
		shown := s.PeerCertificates[0]
		certificate, key := sha256.Sum256(shown.Raw), sha256.Sum256(shown.RawSubjectPublicKeyInfo)
		if certificate != want && key != want {
			return fmt.Errorf("the SHA-256 of the certificate is %x and of its key %x; the pinned one is neither", certificate, key)
		}
		return nil
	}
	return c, nil
}
