package wamp

import "strings"

// MaxURI is the longest URI in octets that Runnel accepts. The specification sets no bound; the cost of matching grows
// with a URI's length, so there must be one.
const MaxURI = 1024

// ValidURI reports whether uri may stand in a message (basic/uri.md, "URIs").
//
// Loose rules, which always hold: components separated by ".", none with white space, "#" or a control character.
// Strict rules: components of lower-case letters, digits and "_" only. Empty components are legal only in a pattern:
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

// looseInvalid marks the octets that no URI holds: ASCII white space, controls and "#". Other white space of Unicode is
// let through: "\s" of the specification's regular expression means ASCII in most of its implementations.
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

// Reserved reports whether uri's first component is "wamp", which only the router itself may use (basic/uri.md).
func Reserved[T string | []byte](uri T) bool {
	return len(uri) >= 4 && string(uri[:4]) == "wamp" && (len(uri) == 4 || uri[4] == '.')
}

// OfNode reports whether uri's first component is "runnel": what a router tells and answers of itself, which is of interest
// where it runs. It crosses links only where a rule names it.
func OfNode[T string | []byte](uri T) bool {
	return len(uri) >= 7 && string(uri[:7]) == "runnel."
}

// Matches reports whether the pattern, under the policy m, matches uri.
func (m Match) Matches(pattern, uri string) bool {
	switch m {
	case Prefix:
		return strings.HasPrefix(uri, pattern)
	case Wildcard:
		return MatchesWildcard(pattern, uri)
	}
	return pattern == uri
}

// MatchesWildcard reports whether uri has as many components as the pattern and equals it in all those that the pattern
// does not leave empty.
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
