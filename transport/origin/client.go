package origin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the addresses of trusted reverse proxies, whose headers name the client. Nil: no proxy is trusted.
type Proxies []netip.Prefix

// ParseProxies parses addresses ("127.0.0.1") and networks ("10.0.0.0/8").
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

// Trusts reports whether an address belongs to a trusted proxy.
func (p Proxies) Trusts(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, one := range p {
		if one.Contains(ip) {
			return true
		}
	}
	return false
}

// maxHops is the maximum number of proxies in a chain.
const maxHops = 16

// Client returns the address of the client on whose behalf the proxy at remote sends a request. It returns false if remote
// is not trusted or names no client. Of a chain of addresses, Client returns the last one that is not a trusted proxy's,
// because the client may have forged those before it. X-Forwarded-For has precedence over Forwarded: few proxies set
// Forwarded, and many pass it on as the client sent it.
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
			break // an obfuscated name or no address
		}
		found = text
		if !p.Trusts(ip) {
			break
		}
	}
	return found, found != ""
}

// forwardedFor returns the chain of addresses, the nearest last.
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

// parseNode parses an address with or without a port (RFC 7239, 6).
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
