package longpoll

import (
	"net"
	"net/http"
	"net/netip"
	"sync"

	"runnel/edge/wamp"
)

// Limits on transports without a session. A single connection can open any number of transports. These limits keep an
// unauthenticated client from occupying all transports of the listener.
const (
	maxNewOfConn    = 4
	maxNewOfAddress = 64
)

// errCrowded refuses a client that has too many transports without a session.
var errCrowded error = refusal{http.StatusTooManyRequests, "too many of your transports have no session yet; send HELLO on them, or close them"}

// newcomers counts the transports without a session, by connection and by address.
type newcomers struct {
	mu   sync.Mutex
	held map[origin]int
}

// origin is a connection or an address.
type origin struct{ kind, name string }

// place is one transport's share of the limits. The transport holds it until it has a session or ends.
type place struct {
	of   *newcomers
	by   [2]origin
	once sync.Once
}

// reserve keeps a place for the client of a request. It returns nil if a limit is reached.
func (n *newcomers) reserve(r *http.Request, peer *wamp.Transport) *place {
	p := &place{of: n, by: [2]origin{{"connection", r.RemoteAddr + " " + host(peer.Remote)}, {"address", network(host(peer.Remote))}}}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held[p.by[0]] >= maxNewOfConn || n.held[p.by[1]] >= maxNewOfAddress {
		return nil
	}
	if n.held == nil {
		n.held = make(map[origin]int)
	}
	for _, by := range p.by {
		n.held[by]++
	}
	return p
}

// release frees the place. Further calls do nothing. p may be nil.
func (p *place) release() {
	if p == nil {
		return
	}
	p.once.Do(func() {
		p.of.mu.Lock()
		defer p.of.mu.Unlock()
		for _, by := range p.by {
			if p.of.held[by]--; p.of.held[by] == 0 {
				delete(p.of.held, by)
			}
		}
	})
}

// host returns an address without its port.
func host(remote string) string {
	if name, _, err := net.SplitHostPort(remote); err == nil {
		return name
	}
	return remote
}

// network returns the range of addresses that a single client can use: for IPv6 a prefix of 64 bits, for IPv4 the address.
func network(host string) string {
	ip, _ := netip.ParseAddr(host)
	if !ip.Unmap().Is6() { // IPv4, or no IP address at all
		return host
	}
	prefix, _ := ip.WithZone("").Prefix(64) // 64 bits are valid for IPv6
	return prefix.String()
}
