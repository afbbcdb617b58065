package stories

import "testing"

// A subscription to what is meant as a prefix says so.
func TestSubHintsAtPrefix(t *testing.T) {
	r := serve(t, "")
	runnel(t, "sub", "com.example.", "--url", r.tcp).expect(t, 1, "", "--match prefix")
}
