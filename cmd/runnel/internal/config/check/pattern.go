package check

import (
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config/position"
	"runnel/edge/wamp"
)

// Pattern warns about a URI with wildcard characters, which would be matched literally.
func (k Keys) Pattern(at position.Place, key, uri string, match wamp.Match) {
	if !wamp.ValidURI(uri, match, false) {
		return // URI has reported it
	}
	if meant, how := meantPattern(uri); how != "" {
		k.Warn(at, key, "%q is matched character by character and most likely matches nothing; write %s = %q with match = %q", uri, key, meant, how)
		return
	}
}

// Prefix warns about a prefix that ends within a component.
func (k Keys) Prefix(at position.Place, key, uri string, match wamp.Match) {
	if _, how := meantPattern(uri); match == wamp.Prefix && uri != "" && how == "" && !strings.HasSuffix(uri, ".") {
		k.Warn(at, key, "the prefix %q also matches URIs like %q; write %q to match only what is below it", uri, uri+"2", uri+".")
	}
}

// meantPattern translates a pattern in the notation of Crossbar, Autobahn or MQTT. It returns the URI and the matching policy;
// how is "" if the URI is not such a pattern.
func meantPattern(uri string) (meant, how string) {
	separator := "."
	if strings.Contains(uri, "/") && !strings.Contains(uri, ".") {
		separator = "/"
	}
	components := strings.Split(uri, separator)
	last := len(components) - 1
	wild := slices.IndexFunc(components, isWild)
	switch {
	case wild < 0 && strings.HasSuffix(components[last], "*"):
		return strings.TrimRight(strings.Join(components, "."), "*"), "prefix"
	case wild < 0:
		return "", ""
	case wild == last && components[last] != "+" && !strings.HasPrefix(components[last], "<"):
		components[last] = ""
		return strings.Join(components, "."), "prefix"
	}
	for i := range components {
		if isWild(components[i]) {
			components[i] = ""
		}
	}
	return strings.Join(components, "."), "wildcard"
}

// isWild reports whether a component is a wildcard in one of these notations.
func isWild(component string) bool {
	return slices.Contains([]string{"*", "**", "#", "+", ">"}, component) || strings.HasPrefix(component, "<") && strings.HasSuffix(component, ">")
}
