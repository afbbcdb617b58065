package wamp

import "strings"

// MaxURI is the longest URI in octets that Runnel accepts. The specification has no limit, but the cost of matching
// grows with the length.
const MaxURI = 1024

// ValidURI reports whether uri is valid in a message (basic/uri.md, "URIs").
//
// Loose rules always apply: components are separated by ".", and contain no white space, "#" or control character. With
// strict rules, components consist of lower-case letters, digits and "_". Empty components are valid only in patterns:
// anywhere in a wildcard, and as a trailing "." or an empty string in a prefix.
func ValidURI[T string | []byte](uri T, match Match, strict bool) bool {
	if len(uri) > MaxURI {
		return false
	}
	if len(uri) == 0 {
		return match != Exact
	}
	start := 0 // of the component
	for i := 0; i < len(uri); i++ {
		c := uri[i]
		if c == '.' {
			if i == start && match != Wildcard {
				return false
			}
			start = i + 1
			continue
		}
		if looseInvalid[c] || strict && strictInvalid(c) {
			return false
		}
	}
	return start < len(uri) || match != Exact
}

// looseInvalid marks the octets that no URI contains: ASCII white space, controls and "#". Other Unicode white space is
// valid: most implementations of the specification's regular expression read "\s" as ASCII.
var looseInvalid = func() (t [256]bool) {
	for c := 0; c <= ' '; c++ {
		t[c] = true
	}
	t['#'], t[0x7f] = true, true
	return t
}()

func strictInvalid(c byte) bool {
	return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_')
}

// Reserved reports whether the first component of uri is "wamp". Only the router itself may use such URIs (basic/uri.md).
func Reserved[T string | []byte](uri T) bool {
	return len(uri) >= 4 && string(uri[:4]) == "wamp" && (len(uri) == 4 || uri[4] == '.')
}

// OfNode reports whether the first component of uri is "runnel". These URIs are about the router itself and its
// machine. They go to another router only if a rule names them.
func OfNode[T string | []byte](uri T) bool {
	return len(uri) >= 7 && string(uri[:7]) == "runnel."
}

// Matches reports whether the pattern matches uri under policy m.
func (m Match) Matches(pattern, uri string) bool {
	switch m {
	case Prefix:
		return strings.HasPrefix(uri, pattern)
	case Wildcard:
		return MatchesWildcard(pattern, uri)
	}
	return pattern == uri
}

// MatchesWildcard reports whether uri has as many components as the pattern and equals it in all components that are
// not empty in the pattern.
func MatchesWildcard[T string | []byte](pattern string, uri T) bool {
	at := 0
	for i := 0; ; i++ {
		if i == len(pattern) || pattern[i] == '.' {
			empty := i == 0 || pattern[i-1] == '.'
			for empty && at < len(uri) && uri[at] != '.' {
				at++
			}
			if i == len(pattern) {
				return at == len(uri)
			}
		}
		if at == len(uri) || uri[at] != pattern[i] {
			return false
		}
		at++
	}
}

// Component turns a name into one component of a URI, valid under the strict rules too: it is in lower case, with "_" for every
// character but letters and digits. Different names may have the same component.
func Component(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '_'
	}, name)
}
