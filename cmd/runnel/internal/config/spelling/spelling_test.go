package spelling

import (
	"slices"
	"testing"
)

func TestNearest(t *testing.T) {
	for s, want := range map[string]string{"bauds": "baud", "relam": "realm", "x": "", "ur": "url", "qqqqqq": "", "aud": "baud", "rrealm": "realm", "aelm": "realm", "ab": ""} {
		if got := Nearest(s, []string{"baud", "realm", "url"}); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
}

// Of names that are equally near, the first is meant.
func TestNearestOfTwo(t *testing.T) {
	if got := Nearest("port", []string{"sort", "part"}); got != "sort" {
		t.Errorf("%q", got)
	}
}

func TestSimilar(t *testing.T) {
	names := []string{"sensor", "series", "serial", "server", "service"}
	for s, want := range map[string][]string{
		"serail": {"serial", "series", "server"}, "SER": {"series", "serial", "server"}, "se": {"sensor", "series", "serial"}, "qqq": nil, "": nil,
	} {
		if got := Similar(s, names); !slices.Equal(got, want) {
			t.Errorf("%q: %q", s, got)
		}
	}
}

func TestDistance(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"abc", ""}: 3, {"", "ab"}: 2, {"kitten", "sitting"}: 3, {"abc", "bc"}: 1, {"bc", "abc"}: 1, {"abc", "xbcd"}: 2, {"ab", "ba"}: 2,
	} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("%q: %d, want %d", pair, got, want)
		}
	}
}
