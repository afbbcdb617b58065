// Package origin decides which web pages may connect. A browser carries any page's request to any address it reaches, the
// router's included, and says only whose page it is.
package origin

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Check refuses web pages of other hosts, but those that allowed lists: hosts, or schemes and hosts, as patterns of
// package path ("app.example.com", "https://*.example.com"); "*" is any. local says that the connection comes from this
// machine. Programs that are not browsers send no Origin.
func Check(r *http.Request, allowed []string, local bool) error {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(allowed, "*") {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return fmt.Errorf("web page of unknown origin %q may not connect", origin)
	}
	if strings.EqualFold(u.Host, r.Host) && (!local || Proxied(r) || isOwnName(u.Hostname())) {
		return nil
	}
	for _, pattern := range allowed {
		if match(pattern, u) {
			return nil
		}
	}
	return fmt.Errorf("web page of origin %q may not connect to %q: add %q to the listener's origins to allow it",
		origin, r.Host, u.Host)
}

// Proxied reports whether a proxy passes somebody else's request on: then its own address says nothing about who.
func Proxied(r *http.Request) bool {
	return r.Header.Get("Forwarded") != "" || r.Header.Get("X-Forwarded-For") != ""
}

// isOwnName reports whether a page of that host can only be this machine's own. Another name may have been made to
// point here, by whoever owns it, for the time it takes to get past a check that compares names.
func isOwnName(host string) bool {
	return strings.EqualFold(host, "localhost") || net.ParseIP(host) != nil
}

func match(pattern string, u *url.URL) bool {
	target := u.Host
	if strings.Contains(pattern, "://") {
		target = u.Scheme + "://" + u.Host
	}
	ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(target))
	return err == nil && ok
}

// CheckPatterns says whether patterns are well-formed.
func CheckPatterns(patterns []string) error {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("origin %q: %w", p, err)
		}
	}
	return nil
}
