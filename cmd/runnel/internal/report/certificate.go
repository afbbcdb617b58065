package report

import (
	"time"

	"runnel/cmd/runnel/internal/term"
	"runnel/transport"
)

// Certificate is the certificate of a listener or an uplink.
type Certificate struct {
	Expires time.Time `json:"expires"`
	Expiry  float64   `json:"expiry"`            // seconds until then; negative: it has expired
	Trouble string    `json:"trouble,omitempty"` // why the files cannot be used now; the certificate in use is an older one
	Alarm   string    `json:"alarm,omitempty"`   // text for the operator; "": no action needed
}

func newCertificate(pair *transport.KeyPair) *Certificate {
	if pair == nil {
		return nil
	}
	c, now := pair.Certificate(), time.Now()
	return &Certificate{
		Expires: c.NotAfter.UTC(), Expiry: c.NotAfter.Sub(now).Seconds(), Trouble: c.Trouble, Alarm: c.Alarm(now),
	}
}

// alarm returns Alarm for a terminal; "" without a certificate.
func (c *Certificate) alarm() string {
	if c == nil {
		return ""
	}
	return term.Harmless(c.Alarm)
}
