package origin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Proxies are the addresses of trusted reverse proxies, whose headers name the client. Nil: no proxy is trusted. The zero prefix
// stands for the peers of a Unix socket.
type Proxies []netip.Prefix

// Unix is the entry for proxies that connect to a Unix socket. The socket's mode and owner decide which processes may connect.
const Unix = "unix"

// ParseProxies parses addresses ("127.0.0.1"), networks ("10.0.0.0/8") and Unix.
func ParseProxies(list []string) (Proxies, error) {
	var p Proxies
	for _, text := range list {
		if text == Unix {
			p = append(p, netip.Prefix{})
			continue
		}
		one, err := netip.ParsePrefix(text)
		if err != nil {
			var ip netip.Addr
			if ip, err = netip.ParseAddr(text); err == nil {
				one = netip.PrefixFrom(ip.WithZone(""), ip.BitLen())
			}
		}
		if err != nil {
			return nil, fmt.Errorf("proxy %q: not an address or a network; write it like \"127.0.0.1\" or \"10.0.0.0/8\", or \"unix\" for a Unix socket", text)
		}
		if ip := one.Addr(); ip.Is4In6() && one.Bits() >= 96 {
			one = netip.PrefixFrom(ip.Unmap(), one.Bits()-96)
		}
		p = append(p, one.Masked())
	}
	return p, nil
}

// Trusts reports whether an address belongs to a trusted proxy. The zero address is that of a Unix socket's peer.
func (p Proxies) Trusts(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, one := range p {
		if one.Contains(ip) || !one.IsValid() && !ip.IsValid() {
			return true
		}
	}
	return false
}

// trustsPeer reports whether the peer of a connection is a trusted proxy.
func (p Proxies) trustsPeer(remote string) bool {
	at, _ := netip.ParseAddrPort(remote) // zero for a Unix socket
	return p.Trusts(at.Addr())
}

// Secure reports whether the proxy at remote says that the client uses TLS.
func (p Proxies) Secure(r *http.Request, remote string) bool {
	if !p.trustsPeer(remote) {
		return false
	}
	chain := forwarded(r.Header, "proto")
	if values := r.Header.Values("X-Forwarded-Proto"); len(values) > 0 { // a proxy may add a line to those that the client sent
		chain = strings.Split(values[len(values)-1], ",")
	}
	return strings.EqualFold(strings.Trim(chain[len(chain)-1], "\" "), "https")
}

// maxHops is the maximum number of proxies in a chain.
const maxHops = 16

// Client returns the address of the client on whose behalf the proxy at remote sends a request. It returns false if remote
// is not trusted or names no client. Of a chain of addresses, Client returns the last one that is not a trusted proxy's,
// because the client may have forged those before it. X-Forwarded-For has precedence over Forwarded: few proxies set
// Forwarded, and many pass it on as the client sent it.
func (p Proxies) Client(r *http.Request, remote string) (string, bool) {
	if !p.trustsPeer(remote) {
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
	return forwarded(h, "for")
}

// forwarded returns the values of a parameter in Forwarded, the nearest last (RFC 7239, 4). An element without it has "".
func forwarded(h http.Header, name string) (chain []string) {
	for text, more := strings.Join(h.Values("Forwarded"), ","), true; more; {
		var element, pair, found string
		element, text, more = cut(text, ',')
		for rest := true; rest; {
			pair, element, rest = cut(element, ';')
			if key, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(key, name) {
				found = value
			}
		}
		chain = append(chain, found)
	}
	return chain
}

// cut is strings.Cut for a separator outside quoted strings (RFC 9110, 5.6.4).
func cut(text string, separator byte) (before, after string, found bool) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == separator && !quoted:
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
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
