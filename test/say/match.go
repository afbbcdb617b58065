package say

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Match reports whether the text got matches the expectation want. On a match, it keeps the values of new names in want.
func (n Names) Match(want, got string) (bool, error) {
	w, err := Parse(want)
	if err != nil {
		return false, err
	}
	g, err := Parse(got)
	if err != nil {
		return false, err
	}
	news := Names{}
	if !n.matches(w, g, news) {
		return false, nil
	}
	for name, value := range news {
		n[name] = value
	}
	return true, nil
}

// Check is Match with an error that shows both texts if they do not match.
func (n Names) Check(want, got string) error {
	ok, err := n.Match(want, got)
	if err != nil {
		return fmt.Errorf("expected %s: %w", want, err)
	}
	if !ok {
		return fmt.Errorf("heard    %s\nexpected %s", got, want)
	}
	return nil
}

func (n Names) matches(want, got any, news Names) bool {
	switch w := want.(type) {
	case json.Number:
		g, ok := got.(json.Number)
		return ok && sameNumber(string(w), string(g))
	case string:
		return n.matchesText(w, got, news)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !n.matches(w[i], g[i], news) {
				return false
			}
		}
		return true
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for k := range w {
			if _, ok := g[k]; !ok || !n.matches(w[k], g[k], news) {
				return false
			}
		}
		return true
	}
	return want == got
}

func (n Names) matchesText(want string, got any, news Names) bool {
	if want == "*" {
		return true
	}
	name, kept := strings.CutPrefix(want, "$")
	if !kept {
		return want == got
	}
	for _, known := range []Names{n, news} {
		if value, ok := known[name]; ok {
			return reflect.DeepEqual(value, got)
		}
	}
	news[name] = got
	return true
}

// sameNumber compares integers by their digits, so that they are not rounded, and floats by value. An integer never equals
// a float.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	if !strings.ContainsAny(a, ".eE") || !strings.ContainsAny(b, ".eE") {
		return false
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && x == y
}
