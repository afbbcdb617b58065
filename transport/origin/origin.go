// Package origin decides which web pages may talk to a listener. A browser carries any page's request to any address that
// it reaches, the router's included. Two headers that no page can set say what the request is about:
//
//	Host     the name by which the browser has found the listener. A foreign page can have its own name resolved to the
//	         listener's address (DNS rebinding), so a name is accepted only if it is one of the machine's or configured.
//	Origin   whose page it is. Programs that are not browsers send none, and neither does a plain GET.
//
//	pattern.go   what a configuration may say of both
//	machine.go   the names and addresses of the machine
//	client.go    on whose behalf a proxy asks
//
// No other header makes a check pass.
package origin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Policy is what one listener accepts. It is immutable: any goroutine may use it. Nil accepts what the machine itself is
// called.
type Policy struct {
	pages []pattern // of origins
	hosts []pattern
	any   bool // any page may connect, by any name
}

// NewPolicy compiles the configuration of a listener: pages that may connect beside the listener's own ("app.example.com",
// "https://*.example.com:8443"; "*" is any), and names by which the listener is reached beside those of the machine.
// A page that may connect may also be found at the listener's address, so its host is such a name.
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

// Check refuses a request that a foreign page may have caused. names are further names of the machine, such as those in
// the certificate that the listener has shown.
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

// allows reports whether a page is one of the configured.
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

// isPage reports whether a name is that of a configured page. A pattern for every host of a scheme names none.
func (p *Policy) isPage(name string) bool {
	for _, one := range p.pages {
		if one.host != "*" && glob(one.host, name) {
			return true
		}
	}
	return false
}

// isNamed reports whether a name is one of a certificate's, of which the first label may be a wildcard.
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

// split takes the Host header, or an origin's host, apart. The name is in lower case, without the dot that ends a
// complete one; an IPv6 address has no brackets.
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

// defaultPort fills in the port that a browser leaves out.
func defaultPort(scheme, port string) string {
	switch {
	case port != "":
		return port
	case scheme == "https":
		return "443"
	}
	return "80"
}
