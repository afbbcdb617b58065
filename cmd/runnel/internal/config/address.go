package config

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config/directory"
	"runnel/cmd/runnel/internal/config/values"
	"runnel/transport"
)

// claim is an address at which a part of the configuration listens.
type claim struct {
	at   Place
	what string // "listener tcp://127.0.0.1:8080"

	path string // of a Unix socket; empty for host and port

	host netip.Addr // unspecified: all addresses of the machine
	port int        // 0: any free port
}

// addresses reports listeners that use the same address.
func (k checker) addresses() {
	var claims []claim
	for _, l := range k.c.Listens {
		if c, ok := claimOf(l.Place, "listener", l.URL); ok {
			claims = append(claims, c)
		}
	}
	if c, ok := claimOf(k.c.Metrics.Place, "[metrics]", k.c.Metrics.URL); ok {
		claims = append(claims, c)
	}
	for i, c := range claims {
		for _, before := range claims[:i] {
			if before.overlaps(c) && before.what != c.what { // duplicates reports equal URLs
				k.Add(c.at, "url", "this address is already used by %s at %s; choose another port or path", before.what, before.at.Of("url"))
				break
			}
		}
	}
}

// claimOf returns the address of a checked URL. ok is false if it has no address, or a host name that needs a look-up.
func claimOf(at Place, kind, text string) (c claim, ok bool) {
	u, err := url.Parse(text)
	if text == "" || err != nil || !slices.Contains([]string{"tcp", "tls", "ws", "wss", "mqtt", "mqtts", "unix", "http"}, u.Scheme) {
		return c, false
	}
	c = claim{at: at, what: kind + " " + text}
	if u.Scheme == "unix" {
		text, err := ListenURL(text)
		if err != nil {
			return c, false
		}
		c.path = directory.RealPath(strings.TrimPrefix(text, "unix://"))
		return c, true
	}
	c.port, err = net.LookupPort("tcp", u.Port())
	if err != nil {
		return c, false
	}
	c.host, err = hostAddress(u.Hostname())
	return c, err == nil
}

// hostAddress returns the address of a host: a numeric one, localhost, or the empty host for all addresses.
func hostAddress(host string) (netip.Addr, error) {
	switch host {
	case "":
		return netip.IPv6Unspecified(), nil
	case "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	a, err := netip.ParseAddr(host)
	return a.Unmap(), err
}

// overlaps reports whether the system could not bind both addresses.
func (c claim) overlaps(other claim) bool {
	if c.path != "" || other.path != "" {
		return c.path == other.path
	}
	if c.port == 0 || c.port != other.port {
		return false
	}
	return c.host == other.host || c.host.IsUnspecified() || other.host.IsUnspecified() // a wildcard covers IPv4 and IPv6
}

// port reports an invalid port. Port 0 must be written as a number.
func (k checker) port(at Place, key, text, port string) {
	if n, err := net.LookupPort("tcp", port); err != nil {
		k.Add(at, key, "%q: %q is not a port; write a number up to 65535", text, port)
	} else if n == 0 && !strings.HasPrefix(port, "0") {
		k.Add(at, key, "%q: %q is not a port; write a number up to 65535", text, port)
	}
}

// farPort reports a port to which no connection is possible.
func (k checker) farPort(at Place, text, port string) {
	if k.port(at, "url", transport.RedactURL(text), port); port == "0" {
		k.Add(at, "url", "%q: cannot connect to port 0; write a number from 1 to 65535", transport.RedactURL(text))
	}
}

// endpoint checks the parts of an uplink's URL and makes the path of a Unix socket absolute.
func (k checker) endpoint(at Place, text *string) {
	u, err := url.Parse(*text)
	if err != nil {
		return // uplinkURL has reported it
	}
	if u.Scheme == "unix" {
		*text = "unix://" + values.Absolute(filepath.Dir(at.File), u.Host+u.Path)
	} else if u.Port() != "" {
		k.farPort(at, *text, u.Port())
	}
	if isMQTT(*text) {
		return
	}
	if (u.Scheme == "tcp" || u.Scheme == "tls") && (u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		k.Add(at, "url", "%q has more than a host and a port; give the link's credentials as authid with ticket, secret or key", transport.RedactURL(*text))
	}
	if err := transport.CheckURL(*text); err != nil {
		k.Add(at, "url", "%v", err)
	}
}

const lookUp = 3 * time.Second // bounds the look-up of a listener's host name

// host reports a host at which this machine can't listen. It tries a free port there.
func (k checker) host(at Place, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "unix" || u.Hostname() == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookUp)
	defer cancel()
	config := net.ListenConfig{}
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort(u.Hostname(), "0"))
	if err != nil {
		k.MayPass(at, "url", "this machine cannot listen at %q (%v); write 0.0.0.0 for all of its addresses, or one of them", u.Hostname(), err)
		return
	}
	l.Close()
}
