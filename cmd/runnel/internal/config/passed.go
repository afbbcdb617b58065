package config

import (
	"strings"

	"runnel/transport/systemd"
)

// unitKeys maps the keys of a Unix socket to the settings of a systemd socket unit.
var unitKeys = []struct{ key, unit string }{{"mode", "SocketMode="}, {"owner", "SocketUser="}, {"group", "SocketGroup="}}

// passed checks a listener whose sockets systemd passes. The sockets exist only if systemd has started the router.
func (k checker) passed(l *Listen) {
	name, _ := systemd.Name(l.URL)
	l.URL = systemd.Scheme + ":" + name // the scheme in lower case
	if err := systemd.CheckName(name); err != nil {
		k.Add(l.Place, "url", "%v", err)
	}
	for _, u := range unitKeys {
		if l.Place.Has(u.key) {
			k.Add(l.Place, u.key, "systemd creates the socket; remove %s, and set %s in the socket unit", u.key, u.unit)
		}
	}
	if l.Certificate != "" || l.Key != "" || l.ClientCA != "" {
		k.tls(l)
	}
}

// shareSockets gives each listener "systemd:" the names of the sockets that other listeners take.
func (c *Config) shareSockets() {
	var named []string
	for _, l := range c.Listens {
		if name, ok := systemd.Name(l.URL); ok && name != "" {
			named = append(named, name)
		}
	}
	for i := range c.Listens {
		if c.Listens[i].URL == systemd.Scheme+":" {
			c.Listens[i].Elsewhere = named
		}
	}
}

// isPassed reports whether systemd opens the sockets of a listener.
func (l *Listen) isPassed() bool { return strings.HasPrefix(l.URL, systemd.Scheme+":") }
