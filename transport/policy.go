package transport

import (
	"net/http"
	"net/netip"
	"slices"

	"runnel/edge/wamp"
	"runnel/transport/origin"
)

// setPolicy compiles the options on web clients: the pages that may connect, the names of the listener, the trusted
// proxies.
func (l *Listener) setPolicy() (err error) {
	hosts := l.opts.Hosts
	if name := l.url.Hostname(); name != "" && !unspecified(name) {
		hosts = append(hosts[:len(hosts):len(hosts)], name)
	}
	if l.policy, err = origin.NewPolicy(l.opts.Origins, hosts); err != nil {
		return err
	}
	l.proxies, err = origin.ParseProxies(l.opts.TrustedProxies)
	return err
}

// unspecified reports whether a host is 0.0.0.0 or ::.
func unspecified(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsUnspecified()
}

// client describes the client that makes a request, or returns an error that refuses the request. It is called for every
// request, whatever its path.
func (l *Listener) client(conn *webConn, r *http.Request) (wamp.Transport, error) {
	peer := conn.peer
	if l.network == "unix" { // its peers are proxies: their credentials are not the client's
		peer.HasCred, peer.UID, peer.GID, peer.PID, peer.Local = false, 0, 0, 0, false
	}
	if named, ok := l.proxies.Client(r, peer.Remote); ok {
		peer.Remote, peer.Local = named, false
	}
	return peer, l.policy.Check(r, l.names()...)
}

// names returns the names in the certificate that was presented last. A browser that checks certificates can reach the
// listener by no other name.
func (l *Listener) names() []string {
	shown := l.lastShown.Load()
	if shown == nil {
		return nil
	}
	names := slices.Clone(shown.DNSNames)
	for _, ip := range shown.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// overTLS reports whether the client connects over TLS, to the listener or to a trusted proxy in front of it.
func (l *Listener) overTLS(r *http.Request) bool {
	return l.tls != nil || l.proxies.Secure(r, r.RemoteAddr)
}

// startProxied makes a Unix socket accept requests and WebSockets from proxies, if the options allow it.
func (l *Listener) startProxied() error {
	if !slices.Contains(l.opts.TrustedProxies, origin.Unix) {
		return nil
	}
	if err := l.setPolicy(); err != nil {
		return err
	}
	l.startWeb()
	return nil
}
