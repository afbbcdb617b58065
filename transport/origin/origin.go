// Package origin decides which web pages may connect to a listener. A browser sends the requests of any page to any address
// that it can reach, including the router's. Two headers, which no page can set, identify the request:
//
//	Host     the name by which the browser found the listener. A foreign page can make its own name resolve to the
//	         listener's address (DNS rebinding). A name is therefore accepted only if it is the machine's or configured.
//	Origin   the site of the page. Programs other than browsers do not send it, and neither does a plain GET.
//
//	pattern.go   the patterns of a configuration for both
//	machine.go   the names and addresses of the machine
//	client.go    the client behind a proxy
//
// No other header influences the decision.
package origin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Policy is the set of pages and names that one listener accepts. It is immutable: any goroutine may use it. A nil Policy
// accepts the names and addresses of the machine only.
type Policy struct {
	pages []pattern // of origins
	hosts []pattern
	any   bool // any page may connect, by any name
}

// NewPolicy compiles the configuration of a listener. origins are pages that may connect besides the listener's own
// ("app.example.com", "https://*.example.com:8443"; "*" is any). hosts are names of the listener besides those of the
// machine. The host of a page in origins is accepted as a name of the listener, too.
func NewPolicy(origins, hosts []string) (*Policy, error) {
	p := &Policy{}
	for _, text := range origins {
		one, err := parseOrigin(text)
		if err != nil {
			return nil, err
		}
		p.pages, p.any = append(p.pages, one), p.any || one.isAny()
	}
	for _, text := range hosts {
		one, err := parseHost(text)
		if err != nil {
			return nil, err
		}
		p.hosts = append(p.hosts, one)
	}
	return p, nil
}

// Check returns an error for a request that a foreign page may have caused. names are further names of the machine, such
// as those in the listener's certificate.
func (p *Policy) Check(r *http.Request, names ...string) error {
	if p == nil {
		p = &Policy{}
	}
	origin := r.Header.Get("Origin")
	if p.any || origin == "" && r.Host == "" { // HTTP/1.0: no browser
		return nil
	}
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	own := func(name string) bool { return p.isHost(name) || isNamed(name, names) || isMachine(name, local) }
	host, port := split(r.Host)
	if r.Host != "" && !own(host) && !p.isPage(host) {
		return fmt.Errorf("host %.100q is not a known name of this machine; allow it with hosts = [%.100q] in the listener's configuration", r.Host, host)
	}
	if origin == "" {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return fmt.Errorf("origin %.100q names no web page that can be allowed; open the page by http:// or https://", origin)
	}
	if p.allows(u) {
		return nil
	}
	name, at := split(u.Host)
	if defaultPort(u.Scheme, at) == defaultPort(u.Scheme, port) && own(name) {
		return nil // a page of this listener, by any of the machine's names
	}
	return fmt.Errorf("web page of origin %.100q may not connect to %.100q; allow it with origins = [%.100q] in the listener's configuration",
		origin, r.Host, origin)
}

// allows reports whether a page is configured.
func (p *Policy) allows(u *url.URL) bool {
	for _, page := range p.pages {
		if page.matches(u.Scheme, u.Host) {
			return true
		}
	}
	return false
}

// isHost reports whether a name is one of the configured hosts.
func (p *Policy) isHost(name string) bool {
	for _, one := range p.hosts {
		if glob(one.host, name) {
			return true
		}
	}
	return false
}

// isPage reports whether a name is the host of a configured page. A pattern that matches every host is not considered.
func (p *Policy) isPage(name string) bool {
	for _, one := range p.pages {
		if one.host != "*" && glob(one.host, name) {
			return true
		}
	}
	return false
}

// isNamed reports whether a certificate with the given names is valid for a name. The first label may be a wildcard.
func isNamed(name string, names []string) bool {
	_, domain, _ := strings.Cut(name, ".")
	for _, one := range names {
		one = strings.ToLower(one)
		if one == name || domain != "" && one == "*."+domain {
			return true
		}
	}
	return false
}

// split splits a Host header or an origin's host into name and port. It returns the name in lower case, without a final
// dot, and an IPv6 address without brackets.
func split(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ""
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if ip, err := netip.ParseAddr(name); err == nil {
		name = ip.Unmap().String()
	}
	return name, port
}

// defaultPort returns port, or the default port of the scheme if port is "".
func defaultPort(scheme, port string) string {
	switch {
	case port != "":
		return port
	case scheme == "https":
		return "443"
	}
	return "80"
}
