package transport

import (
	"fmt"
	"net/url"
)

// parseURL parses a URL to listen at or to dial.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL", RedactURL(raw)) // the error of url.Parse may contain a password
	}
	switch u.Scheme {
	case "tcp", "tls", "ws", "wss":
		return u, checkHost(u)
	case "unix":
		if u.Host != "" || u.Path == "" {
			return nil, fmt.Errorf("%s: a Unix socket's URL has three slashes, as in unix:///run/runnel/runnel.sock", RedactURL(u.String()))
		}
		return u, checkPath(u)
	case "serial":
		return u, nil
	case "":
		return nil, fmt.Errorf("%q has no scheme, such as tcp:// or unix://", raw)
	}
	return nil, fmt.Errorf("%s: scheme %q is not one of tcp, tls, unix, ws, wss, serial", RedactURL(u.String()), u.Scheme)
}

// isGuest reports whether a listener's scheme means another protocol than WAMP.
func isGuest(scheme string) bool { return scheme == "mqtt" || scheme == "mqtts" }

// parseListenURL parses a URL to listen at.
func parseListenURL(raw string) (*url.URL, error) {
	if u, err := url.Parse(raw); err == nil && isGuest(u.Scheme) {
		return u, checkHost(u)
	}
	return parseURL(raw)
}

// CheckURL returns an error if a URL is not valid to listen at or to dial.
func CheckURL(raw string) error {
	_, err := parseListenURL(raw)
	return err
}

func checkHost(u *url.URL) error {
	if u.Scheme == "tcp" || u.Scheme == "tls" {
		if u.Port() == "" {
			return fmt.Errorf("%s: the port is missing, as in %s://127.0.0.1:8080", RedactURL(u.String()), u.Scheme)
		}
		if u.Path != "" && u.Path != "/" {
			return fmt.Errorf("%s: a %s URL has no path", RedactURL(u.String()), u.Scheme)
		}
		return nil
	}
	if u.Host == "" {
		return fmt.Errorf("%s: the host is missing", RedactURL(u.String()))
	}
	return nil
}

// maxUnixPath is the length of the longest path in a socket address, in bytes (sun_path without the final zero).
const maxUnixPath = 107

func checkPath(u *url.URL) error {
	if len(u.Path) > maxUnixPath {
		return fmt.Errorf("%s: the path has %d bytes, a Unix socket's at most %d; choose a shorter one", RedactURL(u.String()), len(u.Path), maxUnixPath)
	}
	return nil
}
