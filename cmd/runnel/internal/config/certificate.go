package config

import (
	"time"

	"runnel/transport"
)

// certificate warns about a certificate that has expired or will expire soon.
func (k checker) certificate(at Place, certificate, key Path) {
	pair, err := transport.OpenKeyPair(string(certificate), string(key))
	if err != nil {
		return // serverFiles or clientFiles has reported it
	}
	if alarm := pair.Certificate().Alarm(time.Now()); alarm != "" {
		k.Warn(at, "certificate", "%s", alarm)
	}
}
