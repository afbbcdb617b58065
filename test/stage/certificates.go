package stage

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"

	"runnel/test/kit"
)

// authority signs the certificates of the router and of clients.
type authority struct{ tls.Certificate }

func newAuthority() (*authority, error) {
	made, err := kit.Sign("Stage CA", x509.Certificate{IsCA: true}, nil)
	return &authority{made}, err
}

// sign makes a certificate for a name.
func (a *authority) sign(name string) (tls.Certificate, error) {
	return kit.Sign(name, x509.Certificate{}, &a.Certificate)
}

// write puts the router's certificate, its key and the authority's certificate into files.
func (a *authority) write(dir string) error {
	made, err := a.sign("router")
	if err != nil {
		return err
	}
	if _, _, err := kit.WritePair(dir, "router", made); err != nil {
		return err
	}
	text, _ := kit.PEM(a.Certificate)
	return os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(text), 0o600)
}

// client returns the TLS configuration of a client that trusts the authority.
func (a *authority) client() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.Leaf)
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
}
