package spelling

import "testing"

func TestNearest(t *testing.T) {
	for s, want := range map[string]string{"bauds": "baud", "relam": "realm", "x": "", "ur": "url", "qqqqqq": ""} {
		if got := Nearest(s, []string{"baud", "realm", "url"}); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
}
