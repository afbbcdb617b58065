package kit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Sign makes a certificate and its key. The fields that the template leaves out get values for a server or a client at
// 127.0.0.1, valid for a day. Without by the certificate signs itself.
func Sign(name string, template x509.Certificate, by *tls.Certificate) (made tls.Certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return made, err
	}
	if template.SerialNumber == nil {
		if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
			return made, err
		}
	}
	template.Subject.CommonName = name
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	}
	if template.IPAddresses == nil {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	template.KeyUsage, template.BasicConstraintsValid = x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign, true
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	parent := &tls.Certificate{Leaf: &template, PrivateKey: key}
	if by != nil {
		parent = by
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent.Leaf, &key.PublicKey, parent.PrivateKey)
	if err != nil {
		return made, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// PEM returns the texts of the files of a certificate and of its key.
func PEM(c tls.Certificate) (certificate, key string) {
	der, _ := x509.MarshalPKCS8PrivateKey(c.PrivateKey) // cannot fail for a key of Sign
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return text("CERTIFICATE", c.Certificate[0]), text("PRIVATE KEY", der)
}

// WritePair writes a certificate and its key: NAME.pem and NAME.key.
func WritePair(dir, name string, c tls.Certificate) (certificate, key string, err error) {
	text, secret := PEM(c)
	certificate, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	if err := os.WriteFile(certificate, []byte(text), 0o600); err != nil {
		return "", "", err
	}
	return certificate, key, os.WriteFile(key, []byte(secret), 0o600)
}

// Certificates writes an authority and the certificates that it has signed, for servers at an address and for clients: ca.pem
// and NAME.pem, each with its key in a file of the same name that ends in .key. They are valid for a day, and
// their serial numbers count from 1.
func Certificates(t testing.TB, dir, address string, names ...string) {
	t.Helper()
	var authority *tls.Certificate
	for i, name := range append([]string{"ca"}, names...) {
		c, err := Sign(name, x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), IsCA: i == 0, IPAddresses: []net.IP{net.ParseIP(address)}}, authority)
		Must(t, err)
		if i == 0 {
			authority = &c
		}
		_, _, err = WritePair(dir, name, c)
		Must(t, err)
	}
}
