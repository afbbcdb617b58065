package config

import "net"

// Metrics is the address at which Prometheus can read the figures of runnel.status.
type Metrics struct {
	Place Place
	URL   string   `toml:"url"`   // "": no metrics
	Hosts []string `toml:"hosts"` // host names that clients use
}

func (k checker) metrics(m *Metrics) {
	k.hosts(m.Place, m.Hosts)
	if m.URL == "" {
		return
	}
	u := k.URL(m.Place, "url", m.URL, "http")
	if u == nil {
		return
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil || port == "" {
		k.Add(m.Place, "url", "%q has no port; write it like \"http://127.0.0.1:9100/metrics\"", m.URL)
		return
	}
	k.port(m.Place, "url", m.URL, port)
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		k.Warn(m.Place, "url", "every machine that reaches %s can read the metrics without a password; listen at 127.0.0.1 to prevent that", u.Host)
	}
}
