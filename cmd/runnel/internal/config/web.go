package config

import "runnel/transport/origin"

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
