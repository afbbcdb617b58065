package main

import (
	"context"
	"time"

	"runnel/transport"
)

// Certificates expire, and their renewal fails, without a sign to anybody but the peers that are turned away. So the router
// looks after those of its listeners and uplinks, and says in its log, in runnel.status and in the metrics what is wrong.

const (
	certificateLook  = 2 * time.Second // between two looks at the files
	certificateAgain = 24 * time.Hour  // until the log repeats what is wrong
	certificateGrace = 5 * time.Second // for a renewal to replace both files
)

// certificateReport is what runnel.status tells of a certificate.
type certificateReport struct {
	Expires time.Time `json:"expires"`
	Expiry  float64   `json:"expiry"`            // seconds until then; negative: it has expired
	Trouble string    `json:"trouble,omitempty"` // why the files can't be used as they are now, so that the certificate is an old one
	Alarm   string    `json:"alarm,omitempty"`   // what somebody has to do something about; "": nothing
}

func reportCertificate(pair *transport.KeyPair) *certificateReport {
	if pair == nil {
		return nil
	}
	c, now := pair.Certificate(), time.Now()
	return &certificateReport{
		Expires: c.NotAfter.UTC(), Expiry: c.NotAfter.Sub(now).Seconds(), Trouble: c.Trouble, Alarm: c.Alarm(now),
	}
}

// alarm is what a terminal may print; "" if nothing is wrong.
func (c *certificateReport) alarm() string {
	if c == nil {
		return ""
	}
	return harmless(c.Alarm)
}

// watched is what the log has last said of a certificate.
type watched struct {
	serial, alarm string
	since, logged time.Time // since when alarm is what it is, and when it was logged; zero: it was not
}

// watchCertificates looks at the certificates until ctx is done.
func (n *node) watchCertificates(ctx context.Context) error {
	known := make(map[*transport.KeyPair]*watched)
	tick := time.NewTicker(certificateLook)
	defer tick.Stop()
	for {
		n.lookAtCertificates(known)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (n *node) lookAtCertificates(known map[*transport.KeyPair]*watched) {
	pairs := n.keyPairs()
	for pair := range known {
		if pairs[pair] == nil {
			delete(known, pair)
		}
	}
	for pair, of := range pairs {
		w := known[pair]
		if w == nil {
			w = &watched{}
			known[pair] = w
		}
		pair.Refresh()
		n.logCertificate(w, pair.Certificate(), of)
	}
}

// keyPairs returns the pairs in use, with the attributes that name them in the log.
func (n *node) keyPairs() map[*transport.KeyPair][]any {
	n.mu.Lock()
	defer n.mu.Unlock()
	pairs := make(map[*transport.KeyPair][]any)
	for _, l := range n.listeners {
		if l.pair != nil {
			pairs[l.pair] = []any{"listener", l.URL()}
		}
	}
	for _, u := range n.uplinks {
		if u.pair != nil {
			pairs[u.pair] = []any{"uplink", u.config.Name}
		}
	}
	return pairs
}

// logCertificate logs what has become of a certificate, once, and what stays wrong once a day.
func (n *node) logCertificate(w *watched, c transport.Certificate, of []any) {
	log, now := n.log.With(of...), time.Now()
	if w.serial != "" && w.serial != c.Serial {
		log.Info("certificate renewed", "expires", c.NotAfter.UTC())
	}
	w.serial = c.Serial
	if alarm := c.Alarm(now); alarm != w.alarm {
		if alarm == "" && !w.logged.IsZero() {
			log.Info("certificate in order again", "expires", c.NotAfter.UTC())
		}
		w.alarm, w.since, w.logged = alarm, now, time.Time{}
	}
	halfway := c.Trouble != "" && now.Sub(w.since) < certificateGrace
	if w.alarm == "" || halfway || !w.logged.IsZero() && now.Sub(w.logged) < certificateAgain {
		return
	}
	w.logged = now
	log.Warn("certificate needs attention", "err", w.alarm, "expires", c.NotAfter.UTC())
}

var certificateFigures = []figure[certificateReport]{
	{"expiry_seconds", "Seconds until the certificate expires; negative: since it has.", func(c *certificateReport) float64 { return c.Expiry }},
	{"alarm", "1 if the certificate has expired or will soon, or its files can't be used.", func(c *certificateReport) float64 { return one(c.Alarm != "") }},
}
