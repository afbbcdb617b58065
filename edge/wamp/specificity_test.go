package wamp

import "testing"

func TestCompareSpecificity(t *testing.T) {
	// From the most specific pattern to the least specific one.
	order := []Pattern{
		{"com.example.door", Exact}, {"com.example.do", Prefix}, {"com.", Prefix}, {"", Prefix},
		{"com.example.", Wildcard}, {"com..door", Wildcard}, {"com..", Wildcard}, {".example.door", Wildcard}, {"..", Wildcard},
	}
	for i, p := range order {
		for j, q := range order {
			if got, want := p.CompareSpecificity(q), i-j; (got < 0) != (want < 0) || (got > 0) != (want > 0) {
				t.Errorf("%v and %v: %d", p, q, got)
			}
		}
	}
}
