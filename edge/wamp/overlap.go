package wamp

import "strings"

// Pattern is a URI with a match policy.
type Pattern struct {
	URI   string
	Match Match
}

// Matches reports whether the pattern matches uri.
func (p Pattern) Matches(uri string) bool { return p.Match.Matches(p.URI, uri) }

// Overlaps reports whether there is a URI that both patterns match.
func (p Pattern) Overlaps(q Pattern) bool {
	switch {
	case p.Match == Exact:
		return q.Matches(p.URI)
	case q.Match == Exact:
		return p.Matches(q.URI)
	case p.Match == Prefix && q.Match == Prefix:
		return strings.HasPrefix(p.URI, q.URI) || strings.HasPrefix(q.URI, p.URI)
	case p.Match == Prefix:
		return meets(p.URI, q.URI)
	case q.Match == Prefix:
		return meets(q.URI, p.URI)
	}
	return strings.Count(p.URI, ".") == strings.Count(q.URI, ".") &&
		pairwise(p.URI, q.URI, func(a, b string, _ bool) bool { return a == "" || b == "" || a == b })
}

// Covers reports whether p matches every URI that q matches.
func (p Pattern) Covers(q Pattern) bool {
	switch {
	case q.Match == Exact:
		return p.Matches(q.URI)
	case p.Match == Exact || p.Match == Wildcard && q.Match == Prefix:
		return false
	case p.Match == Prefix && q.Match == Prefix:
		return strings.HasPrefix(q.URI, p.URI)
	case p.Match == Prefix:
		return pairwise(p.URI, q.URI, func(a, b string, last bool) bool {
			return a == b && a != "" || last && (a == "" || strings.HasPrefix(b, a))
		})
	}
	return strings.Count(p.URI, ".") == strings.Count(q.URI, ".") &&
		pairwise(p.URI, q.URI, func(a, b string, _ bool) bool { return a == "" || a == b })
}

// meets reports whether there is a URI that begins with prefix and matches the wildcard.
func meets(prefix, wildcard string) bool {
	return pairwise(prefix, wildcard, func(a, b string, last bool) bool {
		return b == "" || a == b || last && strings.HasPrefix(b, a)
	})
}

// pairwise reports whether alike holds for every component of a and the component of b at the same position. b must
// have at least as many components.
func pairwise(a, b string, alike func(a, b string, last bool) bool) bool {
	for more := true; more; {
		var one, other string
		one, a, more = strings.Cut(a, ".")
		other, rest, further := strings.Cut(b, ".")
		if !alike(one, other, !more) || more && !further {
			return false
		}
		b = rest
	}
	return true
}
