package config

import (
	"time"

	"runnel/transport"
)

// certificate warns of one that has expired or will soon.
func (k checker) certificate(at Place, certificate, key Path) {
	pair, err := transport.OpenKeyPair(string(certificate), string(key))
	if err != nil {
		return // said already
	}
	if alarm := pair.Certificate().Alarm(time.Now()); alarm != "" {
		k.c.Warnings.add(at, "certificate", "%s", alarm)
	}
}
