package origin

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"runnel/transport/punycode"
)

// pattern is a configured page or name in the form that browsers send: lower case, punycode, no default port.
type pattern struct {
	scheme string // "": any
	host   string // with * for any characters
	port   string // "": the scheme's own; may have a *
}

func (p pattern) isAny() bool { return p.host == "*" && p.scheme == "" && p.port == "" }

// matches reports whether the pattern, which is not any page, matches a page.
func (p pattern) matches(scheme, host string) bool {
	scheme = strings.ToLower(scheme)
	name, port := split(host)
	return (p.scheme == "" || glob(p.scheme, scheme)) && glob(p.host, name) &&
		(p.port == port || p.port != "" && glob(p.port, defaultPort(scheme, port)))
}

// glob reports whether text matches a pattern whose only special character is *.
func glob(pattern, text string) bool {
	if pattern == text {
		return true
	}
	ok, err := path.Match(pattern, text)
	return err == nil && ok
}

// parseOrigin parses a pattern for pages. It returns an error if no browser's Origin can match the pattern.
func parseOrigin(text string) (p pattern, err error) {
	scheme, rest, hasScheme := strings.Cut(text, "://")
	switch {
	case text == "*":
		return pattern{host: "*"}, nil
	case strings.EqualFold(text, "null"):
		return p, bad(text, `browsers send null for local files and for sandboxed pages of any site; serve the page by http:// or https://, or write "*" to let any page connect`)
	case hasScheme:
		if p.scheme, err = parseScheme(scheme); err != nil {
			return p, bad(text, err.Error())
		}
	default:
		rest = text
	}
	if p.host, p.port, err = parseAddress(rest); err != nil {
		return p, bad(text, err.Error())
	}
	if p.port != "" && hasScheme && !strings.Contains(p.scheme, "*") && p.port == defaultPort(p.scheme, "") {
		p.port = ""
	}
	return p, nil
}

func bad(text, why string) error { return fmt.Errorf("origin %q: %s", text, why) }

// parseScheme parses the part in front of "://".
func parseScheme(text string) (string, error) {
	scheme := strings.ToLower(text)
	switch scheme {
	case "file":
		return "", errors.New(`browsers send null, not file://, for local files; serve the page by http:// or https://`)
	case "ws", "tcp":
		return "", errors.New("an origin is the address of a page; write http:// in place of " + scheme + "://")
	case "wss", "tls":
		return "", errors.New("an origin is the address of a page; write https:// in place of " + scheme + "://")
	case "":
		return "", errors.New("the scheme is missing; write it like https://app.example.com")
	}
	if strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+.-*") != "" {
		return "", fmt.Errorf("%q is not a scheme; write it like https://app.example.com", text)
	}
	return scheme, nil
}

// parseAddress parses a host with or without a port.
func parseAddress(text string) (host, port string, err error) {
	if i := strings.IndexAny(text, "/?#"); i >= 0 {
		if strings.Trim(text[i:], "/") == "" {
			return "", "", fmt.Errorf("an origin ends without a slash; write %q", text[:i])
		}
		return "", "", fmt.Errorf("an origin has no path; remove %q", text[i:])
	}
	if i := strings.LastIndex(text, "@"); i >= 0 {
		return "", "", fmt.Errorf("an origin has no user name; remove %q", text[:i+1])
	}
	host = text
	if i := strings.LastIndex(text, ":"); i > strings.LastIndex(text, "]") && (text[0] != '[' || strings.Contains(text, "]")) {
		if strings.Count(text, ":") > 1 && !strings.HasPrefix(text, "[") {
			return "", "", fmt.Errorf("an IPv6 address stands in brackets; write \"[%s]\"", text)
		}
		host, port = text[:i], text[i+1:]
		if err := checkPort(port); err != nil {
			return "", "", err
		}
	}
	host, err = parseName(host)
	return host, port, err
}

func checkPort(text string) error {
	if strings.Contains(text, "*") && strings.Trim(text, "0123456789*") == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != text {
		return fmt.Errorf("%q is not a port; it is 1 to 65535, or * for any", text)
	}
	return nil
}

// parseHost parses a name of the listener.
func parseHost(text string) (p pattern, err error) {
	if text == "*" {
		return pattern{host: "*"}, nil
	}
	name := text
	if ip, err := netip.ParseAddr(text); err == nil && ip.Is6() {
		name = "[" + text + "]"
	}
	if strings.ContainsAny(text, "/@?#") || strings.Contains(strings.TrimSuffix(name, "]"), "]:") || !strings.HasPrefix(name, "[") && strings.Contains(name, ":") {
		return p, fmt.Errorf("host %q: write the name alone, without scheme, port and path, like \"gw-001.example.com\"", text)
	}
	if p.host, err = parseName(name); err != nil {
		return p, fmt.Errorf("host %q: %w", text, err)
	}
	return p, nil
}

// parseName returns a host as a browser sends it.
func parseName(text string) (string, error) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		ip, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !strings.HasSuffix(inner, "]") || ip.Zone() != "" || !ip.Is6() {
			return "", fmt.Errorf("%q is not an IPv6 address", text)
		}
		return ip.Unmap().String(), nil
	}
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	for i, label := range labels {
		made, err := parseLabel(label)
		if err != nil {
			return "", err
		}
		labels[i] = made
	}
	last := labels[len(labels)-1]
	name := strings.Join(labels, ".")
	if strings.Trim(last, "0123456789") == "" { // browsers take it for an IPv4 address
		if _, err := netip.ParseAddr(name); err != nil {
			return "", fmt.Errorf("%q is not an IPv4 address", text)
		}
	}
	return name, nil
}

const nameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// parseLabel returns one component of a name. It converts Unicode to punycode and keeps a wildcard.
func parseLabel(label string) (string, error) {
	if label == "" {
		return "", errors.New("a component of the host is empty; write it like \"app.example.com\"")
	}
	ascii := strings.ToLower(label)
	if strings.Trim(ascii, nameCharacters+"*") == "" && len(label) == len(ascii) {
		return ascii, nil
	}
	if strings.Contains(label, "*") {
		return "", fmt.Errorf("%q: one component cannot contain both a * and letters beyond ASCII, because browsers send it encoded", label)
	}
	ascii, err := punycode.Label(label)
	if err != nil {
		return "", fmt.Errorf("a host name cannot contain %q", label)
	}
	return ascii, nil
}
