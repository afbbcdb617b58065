package transport

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
)

// ServerFiles returns a listener's TLS configuration; see OpenKeyPair and KeyPair.Server.
func ServerFiles(certificate, key, clientCA string) (*tls.Config, error) {
	k, err := OpenKeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	return k.Server(clientCA)
}

// ClientFiles returns a client's TLS configuration. Each file may be ""; see OpenKeyPair and KeyPair.Client.
func ClientFiles(ca, certificate, key string) (*tls.Config, error) {
	if certificate == "" {
		return (*KeyPair)(nil).Client(ca)
	}
	k, err := OpenKeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	return k.Client(ca)
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read certificates %s: the file holds no PEM certificate", file)
	}
	return pool, nil
}

// ParsePin parses the SHA-256 of a certificate or a public key, in hexadecimal with or without colons.
func ParsePin(pin string) (sum [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(pin, ":", ""))
	if err != nil || len(b) != len(sum) {
		return sum, fmt.Errorf("pin %q is not a SHA-256 in hexadecimal", pin)
	}
	return [sha256.Size]byte(b), nil
}

// pinned returns a copy of c that accepts one certificate or one public key, given by its SHA-256. It replaces the check of
// authorities and names.
func pinned(c *tls.Config, pin string) (*tls.Config, error) {
	want, err := ParsePin(pin)
	if err != nil {
		return nil, err
	}
	c = c.Clone()
	c.InsecureSkipVerify = true // VerifyConnection checks the pin instead
	c.VerifyConnection = func(s tls.ConnectionState) error {
		shown := s.PeerCertificates[0]
		certificate, key := sha256.Sum256(shown.Raw), sha256.Sum256(shown.RawSubjectPublicKeyInfo)
		if certificate != want && key != want {
			return fmt.Errorf("the certificate does not match the pin: its SHA-256 is %x, that of its key is %x", certificate, key)
		}
		return nil
	}
	return c, nil
}
