package transport

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net"

	"runnel/edge/wamp"
)

// describeTLS fills in the data of a TLS connection that authentication may need. The TLS handshake is complete. server is
// the server's certificate. It is nil if it is unknown because an earlier TLS session was resumed.
func describeTLS(t *wamp.Transport, conn *tls.Conn, server *x509.Certificate) {
	state := conn.ConnectionState()
	if len(state.VerifiedChains) > 0 {
		peer := state.PeerCertificates[0]
		sum := sha256.Sum256(peer.Raw)
		t.Certificate = &wamp.Certificate{CommonName: peer.Subject.CommonName, SHA256: hex.EncodeToString(sum[:])}
	}
	t.ChannelBinding = func(kind string) ([]byte, bool) { return binding(conn.ConnectionState(), server, kind) }
}

// The label and the length of tls-exporter (RFC 9266, 2).
const (
	exporterLabel  = "EXPORTER-Channel-Binding"
	exporterLength = 32
)

// binding returns a connection's channel binding data.
func binding(state tls.ConnectionState, server *x509.Certificate, kind string) (data []byte, ok bool) {
	switch kind {
	case "tls-unique":
		data = state.TLSUnique
	case "tls-exporter":
		var err error
		if data, err = state.ExportKeyingMaterial(exporterLabel, nil, exporterLength); err != nil {
			return nil, false // TLS 1.2 without the extended master secret
		}
	case "tls-server-end-point":
		data = endPoint(server)
	}
	return data, len(data) > 0
}

// endPoint returns the hash of a server's certificate by the hash of its signature, and by SHA-256 in place of MD5 and
// SHA-1 (RFC 5929, 4.1). It returns nil for signatures without a hash of their own, for which the RFC defines none.
func endPoint(server *x509.Certificate) []byte {
	if server == nil {
		return nil
	}
	h := crypto.SHA256
	switch server.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		h = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		h = crypto.SHA512
	case x509.PureEd25519, x509.UnknownSignatureAlgorithm:
		return nil
	}
	sum := h.New()
	sum.Write(server.Raw)
	return sum.Sum(nil)
}

// noteCertificate makes a configuration record in l.shown which certificate it presents to a peer, because crypto/tls does
// not report it to the server. The choice of the certificate stays the same.
func (l *Listener) noteCertificate(c *tls.Config) {
	get, certificates := c.GetCertificate, c.Certificates
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		shown, err := pick(get, certificates, hello)
		if err == nil && shown != nil {
			l.shown.Store(hello.Conn, shown)
		}
		return shown, err
	}
}

// pick chooses a certificate in the same way as crypto/tls.
func pick(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), certificates []tls.Certificate, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if get != nil {
		if c, err := get(hello); c != nil || err != nil {
			return c, err
		}
	}
	for i := range certificates {
		if hello.SupportsCertificate(&certificates[i]) == nil {
			return &certificates[i], nil
		}
	}
	if len(certificates) > 0 {
		return &certificates[0], nil
	}
	return nil, nil
}

// shownTo removes and returns the certificate that was presented to a peer.
func (l *Listener) shownTo(below net.Conn) *x509.Certificate {
	v, ok := l.shown.LoadAndDelete(below)
	if !ok {
		return nil
	}
	c := v.(*tls.Certificate)
	leaf := c.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return nil
		}
	}
	l.lastShown.Store(leaf)
	return leaf
}
