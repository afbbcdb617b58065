package node

import (
	"context"
	"time"

	"runnel/transport"
)

// Without a check, only rejected peers would notice an expired certificate or a failed renewal. The node therefore
// checks the certificates of its listeners and uplinks, and reports problems in its log, in runnel.status and in the
// metrics.

const (
	certificateInterval = 2 * time.Second // between two checks of the files
	certificateRepeat   = 24 * time.Hour  // until the log repeats a problem
	certificateGrace    = 5 * time.Second // for a renewal to replace both files
)

// watched records the last log line about a certificate.
type watched struct {
	serial, alarm string
	since, logged time.Time // when the alarm was raised, and when it was logged; zero: never
}

// watchCertificates checks the certificates until ctx is done.
func (n *Node) watchCertificates(ctx context.Context) error {
	known := make(map[*transport.KeyPair]*watched)
	tick := time.NewTicker(certificateInterval)
	defer tick.Stop()
	for {
		n.checkCertificates(known)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (n *Node) checkCertificates(known map[*transport.KeyPair]*watched) {
	pairs := n.keyPairs()
	for pair := range known {
		if pairs[pair] == nil {
			delete(known, pair)
		}
	}
	for pair, owner := range pairs {
		w := known[pair]
		if w == nil {
			w = &watched{}
			known[pair] = w
		}
		pair.Refresh()
		n.logCertificate(w, pair.Certificate(), owner)
	}
}

// keyPairs returns the pairs in use, with the attributes that name their owners in the log.
func (n *Node) keyPairs() map[*transport.KeyPair][]any {
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

// logCertificate logs a change of a certificate once, and a lasting problem once a day.
func (n *Node) logCertificate(w *watched, c transport.Certificate, owner []any) {
	log, now := n.log.With(owner...), time.Now()
	if w.serial != "" && w.serial != c.Serial {
		log.Info("certificate renewed", "expires", c.NotAfter.UTC())
	}
	w.serial = c.Serial
	if alarm := c.Alarm(now); alarm != w.alarm {
		if alarm == "" && !w.logged.IsZero() {
			log.Info("certificate is valid again", "expires", c.NotAfter.UTC())
		}
		w.alarm, w.since, w.logged = alarm, now, time.Time{}
	}
	halfway := c.Trouble != "" && now.Sub(w.since) < certificateGrace // a renewal may have replaced one of the files
	if w.alarm == "" || halfway || !w.logged.IsZero() && now.Sub(w.logged) < certificateRepeat {
		return
	}
	w.logged = now
	log.Warn("certificate needs attention", "err", w.alarm, "expires", c.NotAfter.UTC())
}
