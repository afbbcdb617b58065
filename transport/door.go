package transport

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"runnel/edge/wamp"
	"runnel/transport/origin"
)

// openDoor compiles which web pages may connect, by which names, and which proxies are believed.
func (l *Listener) openDoor() (err error) {
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

// unspecified reports whether a host stands for all addresses of the machine.
func unspecified(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsUnspecified()
}

// client returns what is known of the client that makes a request, or refuses the request. Every request comes by here,
// whatever its path.
func (l *Listener) client(conn *webConn, r *http.Request) (wamp.Transport, error) {
	peer := conn.peer
	if named, ok := l.proxies.Client(r, peer.Remote); ok {
		peer.Remote, peer.Local = named, false
	}
	return peer, l.policy.Check(r, l.names()...)
}

// names are those in the certificate that was shown last. A browser that checks certificates reaches the listener by no
// other name.
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

// overTLS reports whether the client's way to the router is encrypted, as far as it is known: a trusted proxy may have
// taken the encryption off.
func (l *Listener) overTLS(r *http.Request) bool {
	if l.tls != nil {
		return true
	}
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && l.proxies.Trusts(at.Addr()) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}
