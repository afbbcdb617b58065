package wire

import "testing"

// Whole messages fit as long as there is room; an empty buffer takes one of any length.
func TestFits(t *testing.T) {
	const two = "\x00\x00\x00\x01a\x00\x00\x00\x02bb"
	for _, c := range []struct {
		batch      string
		used, size int
		want       int
		torn       bool
	}{
		{"", 0, 10, 0, false}, {two, 0, 11, 11, false}, {two, 0, 10, 5, false}, {two, 0, 1, 5, false}, {two, 1, 11, 5, false},
		{two, 1, 6, 5, false}, {two, 1, 5, 0, false}, {two[:10], 0, 100, 5, true}, {two[:3], 0, 100, 0, true},
	} {
		n, err := Fits([]byte(c.batch), c.used, c.size)
		if n != c.want || (err != nil) != c.torn {
			t.Errorf("%q with %d of %d taken: %d, %v; want %d, torn %v", c.batch, c.used, c.size, n, err, c.want, c.torn)
		}
	}
}
