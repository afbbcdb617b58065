package stories

import "testing"

// A subscription to a topic that looks like a prefix prints a hint.
func TestSubHintsAtPrefix(t *testing.T) {
	r := serve(t, "")
	runnel(t, "sub", "com.example.", "--url", r.tcp).expect(t, 1, "", "--match prefix")
}
