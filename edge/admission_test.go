package edge

import (
	"math"
	"testing"
)

func TestAdmissionNumbers(t *testing.T) {
	for _, c := range []struct {
		value any
		want  int
		ok    bool
	}{
		{nil, 7, true}, {int64(0), 0, true}, {int64(math.MaxInt32), math.MaxInt32, true},
		{int64(-1), 7, false}, {int64(math.MaxInt32 + 1), 7, false}, {"5", 7, false}, {5.5, 7, false},
	} {
		got := 7
		a := admission{fields: map[string]any{"iterations": c.value}}
		if err := a.number("iterations", &got); (err == nil) != c.ok || got != c.want {
			t.Errorf("%v: %d, %v", c.value, got, err)
		}
	}
}
