package setup

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// certificateYears is the validity of a self-signed certificate. Gateways verify it by its pin and ignore the dates; browsers
// that trust it check them.
const certificateYears = 10

// openCertificate returns the pin of the certificate in a file: the SHA-256 of its public key. If neither the file nor its key
// exists, it creates a self-signed certificate for this machine. It uses ECDSA on P-256, which every TLS client supports.
func openCertificate(file, keyFile string, names []string) (pin string, made bool, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := os.Stat(keyFile); missing == nil {
			return "", false, fmt.Errorf("create certificate %s: its key %s exists already; remove the key, or name both with --certificate and --certkey", file, keyFile)
		}
		text, err = makeCertificate(file, keyFile, names)
		made = err == nil
	}
	if err != nil {
		return "", false, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return "", false, fmt.Errorf("read certificate %s: the file does not begin with a PEM certificate", file)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", false, fmt.Errorf("read certificate %s: %w", file, err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(certificate.RawSubjectPublicKeyInfo)), made, nil
}

func makeCertificate(file, keyFile string, names []string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	// A machine without a real-time clock may start years in the past, and its certificate is valid from then on.
	begin := time.Now().Add(-24 * time.Hour)
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: names[0]},
		NotBefore: begin, NotAfter: begin.AddDate(certificateYears, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, // so that a client can use it as its CA file
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := writeNew(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o640); err != nil {
		return nil, fmt.Errorf("write key %s: %w%s", keyFile, bare(err), asRoot(err))
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := writeNew(file, text, 0o644); err != nil {
		return nil, fmt.Errorf("write certificate %s: %w%s", file, bare(err), asRoot(err))
	}
	return text, nil
}

// ownNames lists the names and addresses at which other machines may reach this one.
func ownNames(id string) (names []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if host, err := os.Hostname(); err == nil {
		add(host)
		if !strings.Contains(host, ".") {
			add(host + ".local")
		}
	}
	add(id)
	add("localhost")
	addresses, _ := net.InterfaceAddrs() // on an error the names alone are used
	for _, address := range addresses {
		if prefix, ok := address.(*net.IPNet); ok && !prefix.IP.IsLinkLocalUnicast() {
			add(prefix.IP.String())
		}
	}
	return names
}
