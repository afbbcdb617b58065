package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/transport"
)

// checkCertificates checks the validity of the certificates that the router presents, and of those that it trusts.
func checkCertificates(_ context.Context, e *examination) {
	if e.config == nil {
		return
	}
	for _, l := range e.config.Listens {
		e.pair("listener "+l.URL, l.Certificate, l.Key)
		e.authorities("listener "+l.URL, "client_ca", l.ClientCA)
	}
	for _, u := range e.config.Uplinks {
		if u.Certificate != "" {
			e.pair("uplink "+u.Name, u.Certificate, u.Key)
		}
		e.authorities("uplink "+u.Name, "ca", u.CA)
	}
}

func (e *examination) pair(object string, file, key config.Path) {
	if file == "" {
		return
	}
	pair, err := transport.OpenKeyPair(string(file), string(key))
	if err != nil {
		e.add(Finding{"certificate", Error, object, err.Error(), "correct the files that certificate and key name"})
		return
	}
	now := time.Now()
	c := pair.Certificate()
	switch {
	case now.Before(c.NotBefore):
		e.add(Finding{"certificate", Error, object, fmt.Sprintf("the certificate %s is not valid before %s: it is too new, or the clock is wrong", file, c.NotBefore.UTC().Format(time.DateOnly)), "date shows the clock"})
	case !now.Before(c.NotAfter):
		e.add(Finding{"certificate", Error, object, fmt.Sprintf("%s: %s", file, c.Alarm(now)), "renew it; the router reloads the files by itself"})
	case c.ExpiresSoon(now):
		e.add(Finding{"certificate", Warning, object, fmt.Sprintf("the certificate %s expires at %s", file, c.NotAfter.UTC().Format(time.RFC3339)), "renew it; the router reloads the files by itself"})
	}
}

// authorities reports certificates of authorities that have expired or are not valid yet.
func (e *examination) authorities(object, key string, file config.Path) {
	text, err := os.ReadFile(string(file))
	if file == "" || err != nil {
		return // the check of the configuration has reported it
	}
	now := time.Now()
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err == nil && (now.After(c.NotAfter) || now.Before(c.NotBefore)) {
			e.add(Finding{"certificate", Error, object, fmt.Sprintf("%s %s: the certificate of %s is not valid now, only from %s to %s", key, file, c.Subject, c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly)), "get the authority's new certificate; date shows the clock"})
		}
	}
}
