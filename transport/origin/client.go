package origin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the addresses of reverse proxies that are believed when they name a client. Nil: none is.
type Proxies []netip.Prefix

// ParseProxies reads addresses ("127.0.0.1") and networks ("10.0.0.0/8").
func ParseProxies(list []string) (Proxies, error) {
	var p Proxies
	for _, text := range list {
		one, err := netip.ParsePrefix(text)
		if err != nil {
			var ip netip.Addr
			if ip, err = netip.ParseAddr(text); err == nil {
				one, err = ip.WithZone("").Unmap().Prefix(ip.Unmap().BitLen())
			}
		}
		if err != nil {
			return nil, fmt.Errorf("proxy %q: not an address or a network; write it like \"127.0.0.1\" or \"10.0.0.0/8\"", text)
		}
		p = append(p, one.Masked())
	}
	return p, nil
}

// Trusts reports whether an address is a proxy's.
func (p Proxies) Trusts(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, one := range p {
		if one.Contains(ip) {
			return true
		}
	}
	return false
}

// maxHops bounds how far a chain of proxies is followed.
const maxHops = 16

// Client returns the address of the client for which the proxy at remote asks; false if remote is not trusted, or names
// none. Of a chain the last address that is not a trusted proxy's counts: what stands before it, anybody may have written.
// X-Forwarded-For goes before Forwarded, which few proxies set and many pass on as the client has sent it.
func (p Proxies) Client(r *http.Request, remote string) (string, bool) {
	if len(p) == 0 {
		return "", false
	}
	at, err := netip.ParseAddrPort(remote)
	if err != nil || !p.Trusts(at.Addr()) {
		return "", false
	}
	chain := forwardedFor(r.Header)
	found := ""
	for i := len(chain) - 1; i >= 0 && i >= len(chain)-maxHops; i-- {
		ip, text, ok := parseNode(chain[i])
		if !ok {
			break // an obfuscated name, or none
		}
		found = text
		if !p.Trusts(ip) {
			break
		}
	}
	return found, found != ""
}

// forwardedFor returns the chain of clients, the nearest last.
func forwardedFor(h http.Header) (chain []string) {
	if values := h.Values("X-Forwarded-For"); len(values) > 0 {
		return strings.Split(strings.Join(values, ","), ",")
	}
	for _, element := range strings.Split(strings.Join(h.Values("Forwarded"), ","), ",") {
		client := ""
		for _, pair := range strings.Split(element, ";") {
			if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(name, "for") {
				client = value
			}
		}
		chain = append(chain, client)
	}
	return chain
}

// parseNode reads an address with or without a port, as RFC 7239, 6 has it.
func parseNode(text string) (ip netip.Addr, clean string, ok bool) {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), ""
	}
	if ip, err = netip.ParseAddr(host); err != nil || ip.Zone() != "" {
		return ip, "", false
	}
	ip = ip.Unmap()
	if port == "" || strings.Trim(port, "0123456789") != "" || len(port) > 5 {
		return ip, ip.String(), true
	}
	return ip, net.JoinHostPort(ip.String(), port), true
}
