package longpoll

import (
	"net"
	"net/http"
	"net/netip"
	"sync"

	"runnel/edge/wamp"
)

// How many transports may wait for their session at a time. One connection opens any number of them, so their places have
// bounds of their own: a stranger must not hold all that there are.
const (
	maxNewOfConn    = 4
	maxNewOfAddress = 64
)

// errCrowded is that a client has as many transports without a session as it may have.
var errCrowded error = refusal{http.StatusTooManyRequests, "too many transports of yours have no session yet; say HELLO on those, or close them"}

// newcomers counts the transports without a session, by whose they are.
type newcomers struct {
	mu   sync.Mutex
	held map[origin]int
}

// origin is a connection or an address.
type origin struct{ kind, name string }

// place is what a transport holds until it has a session, or is gone.
type place struct {
	of   *newcomers
	by   [2]origin
	left sync.Once
}

// enter takes a place for a request's client; nil if there is none.
func (n *newcomers) enter(r *http.Request, peer *wamp.Transport) *place {
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

// leave gives the place back, once. There may be none.
func (p *place) leave() {
	if p == nil {
		return
	}
	p.left.Do(func() {
		p.of.mu.Lock()
		defer p.of.mu.Unlock()
		for _, by := range p.by {
			if p.of.held[by]--; p.of.held[by] == 0 {
				delete(p.of.held, by)
			}
		}
	})
}

// host is an address without its port.
func host(remote string) string {
	if name, _, err := net.SplitHostPort(remote); err == nil {
		return name
	}
	return remote
}

// network is what one client can choose its addresses from: with IPv6, 64 bits of them.
func network(host string) string {
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Unmap().Is4() {
		return host
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return host
	}
	return prefix.String()
}
