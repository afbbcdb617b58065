package config

import (
	"slices"

	"runnel/transport/origin"
)

// webKeys reports the keys for web clients at a listener without them. At a Unix socket the web clients connect through
// a proxy.
func (k checker) webKeys(l *Listen, scheme string) {
	proxied := slices.Contains(l.TrustedProxies, origin.Unix)
	switch {
	case scheme == "unix" && !proxied:
		k.onlyFor(l.Place, scheme, []string{"tcp", "tls", "ws", "wss"}, "origins", "hosts", "cookie", "compress", "console", "rest", "static")
		if l.Place.Has("trusted_proxies") {
			k.Add(l.Place, "trusted_proxies", "the peers of a Unix socket have no address; write [\"unix\"] to take requests from a proxy here, or remove it")
		}
	case scheme != "unix" && proxied:
		k.Add(l.Place, "trusted_proxies", "\"unix\" is only for unix:// listeners; write the address of the proxy")
	}
}

// web checks the settings for web clients: the origins of pages, the host names of this machine, and trusted proxies.
func (k checker) web(l *Listen) {
	for _, page := range l.Origins {
		if _, err := origin.NewPolicy([]string{page}, nil); err != nil {
			k.Add(l.Place, "origins", "%v", err)
		}
	}
	k.hosts(l.Place, l.Hosts)
	for _, proxy := range l.TrustedProxies {
		if _, err := origin.ParseProxies([]string{proxy}); err != nil {
			k.Add(l.Place, "trusted_proxies", "%v", err)
		}
	}
}

func (k checker) hosts(at Place, names []string) {
	for _, name := range names {
		if _, err := origin.NewPolicy(nil, []string{name}); err != nil {
			k.Add(at, "hosts", "%v", err)
		}
	}
}
