// Package check checks the values of single keys of a configuration, and collects the problems and warnings.
package check

import (
	"net/url"
	"os"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/values"
	"runnel/edge/wamp"
	"runnel/transport"
)

// Keys checks the values of keys. An invalid value is a problem; a valid value that is most likely a mistake is a warning.
type Keys struct {
	Problems, Warnings *position.Problems

	starting bool            // see MayPass
	open     map[string]bool // world-readable files with a secret; each gets one warning
}

// New returns checks that add to problems and warnings. A node that starts leaves out the parts that fail; see MayPass.
func New(problems, warnings *position.Problems, starting bool) Keys {
	return Keys{problems, warnings, starting, map[string]bool{}}
}

// Add adds a problem of a key in the table at.
func (k Keys) Add(at position.Place, key, format string, args ...any) {
	k.Problems.Add(at, key, format, args...)
}

// Warn adds a warning about a key in the table at.
func (k Keys) Warn(at position.Place, key, format string, args ...any) {
	k.Warnings.Add(at, key, format, args...)
}

// Required reports a missing string.
func (k Keys) Required(at position.Place, key, value string) {
	if value == "" {
		k.Add(at, key, "missing; write %s = \"...\"", key)
	}
}

// Choice reports a value that is not one of names. An empty value is the default.
func (k Keys) Choice(at position.Place, key, value string, names ...string) {
	if value != "" && !slices.Contains(names, value) {
		k.Add(at, key, "%q is not known; use %s", value, values.OneOf(names...))
	}
}

// Once reports a name that names already holds, and adds it otherwise.
func (k Keys) Once(names map[string]position.Place, at position.Place, key, kind, name string) {
	if name == "" {
		return
	}
	id := kind + " " + name
	if first, taken := names[id]; taken {
		k.Add(at, key, "%s %q is already defined at %s", kind, strings.TrimSpace(name), first)
		return
	}
	names[id] = at
}

// Ping turns ping_interval = "0s", which means never, into -1, so that it differs from an unset key, which means the default.
func (k Keys) Ping(at position.Place, d *values.Duration) {
	if *d == 0 && at.Has("ping_interval") {
		*d = -1
	}
}

// URI reports a value that is not a URI, or not a pattern of that matching policy. The key must be set.
func (k Keys) URI(at position.Place, key, uri string, match wamp.Match) {
	if uri == "" && !at.Has(key) {
		k.Required(at, key, uri)
	} else if !wamp.ValidURI(uri, match, false) {
		if meant, how := meantPattern(uri); how != "" {
			k.Add(at, key, "%q is not a WAMP URI; write %s = %q with match = %q", uri, key, meant, how)
			return
		}
		k.Add(at, key, "%q is not a WAMP URI (match = %q); write components with dots between, like \"com.example.weather\"", uri, match)
	}
}

// URL parses a URL of one of the schemes. It reports any other value, and returns nil then.
func (k Keys) URL(at position.Place, key, text string, schemes ...string) *url.URL {
	if text == "" {
		k.Add(at, key, "missing; write %s = \"%s://...\"", key, schemes[0])
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		k.Add(at, key, "%.80q is not a URL; write it like \"%s://...\"", transport.RedactURL(text), schemes[0])
		return nil
	}
	if !slices.Contains(schemes, u.Scheme) {
		k.Add(at, key, "%.80q: unknown scheme; use %s", transport.RedactURL(text), values.OneOf(schemes...))
		return nil
	}
	return u
}

// MayPass reports a problem of the machine that may pass, such as a missing file or address. A node that starts leaves out the
// part concerned and retries it, so there it is a warning.
func (k Keys) MayPass(at position.Place, key, format string, args ...any) {
	if k.starting {
		k.Warn(at, key, format, args...)
		return
	}
	k.Add(at, key, format, args...)
}

// File reports a file that can't be read. An empty path is valid: the key is unset.
func (k Keys) File(at position.Place, key string, path values.Path) {
	if path == "" {
		return
	}
	if path.IsContent() {
		k.Add(at, key, "this is the content of a file; store it in a file that only the router can read, and write the file's name here")
		return
	}
	f, err := os.Open(string(path))
	if err != nil {
		k.MayPass(at, key, "%v", err)
		return
	}
	f.Close()
}

// Secret reads a secret once, so that a missing file is reported before the secret is needed.
func (k Keys) Secret(at position.Place, key string, s values.Secret) {
	if !s.Set() {
		return
	}
	if _, err := s.Value(); err != nil {
		k.Add(at, key, "%v", err)
		return
	}
	k.Private(at, key, s.File(at.File))
}

// Private warns about a file with a secret that every user of this machine can read.
func (k Keys) Private(at position.Place, key, file string) {
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm()&0o004 == 0 || k.open[file] {
		return
	}
	k.open[file] = true
	k.Warn(at, key, "%s holds a secret, but every user of this machine can read it; run chmod o-r on it", file)
}
