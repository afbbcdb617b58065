package edge

import (
	"math"
	"testing"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

func TestListedID(t *testing.T) {
	for _, c := range []struct {
		item any
		want wamp.ID // 0: refused
	}{
		{int64(1), 1}, {int64(wamp.MaxID), wamp.MaxID}, {int64(0), 0}, {int64(-1), 0}, {int64(wamp.MaxID) + 1, 0},
		{float64(1 << 32), 1 << 32}, {float64(wamp.MaxID), wamp.MaxID}, {float64(wamp.MaxID) + 2, 0},
		{1.5, 0}, {0.0, 0}, {-1.0, 0}, {math.NaN(), 0}, {math.Inf(1), 0}, {math.Inf(-1), 0},
		{uint64(math.MaxUint64), 0}, {"1", 0}, {true, 0}, {nil, 0}, {[]any{int64(1)}, 0}, {map[string]any{"a": int64(1)}, 0},
	} {
		for _, s := range wamp.Serializers {
			raw, err := codec.AppendValue(nil, s, c.item)
			if err != nil {
				t.Fatal(err)
			}
			if id, ok := (codec.Value{Serializer: s, Raw: raw}).ListedID(); ok != (c.want != 0) || ok && id != c.want {
				t.Errorf("%v: %T %v: %d, %t", s, c.item, c.item, id, ok)
			}
		}
	}
}

// Ids that the router chooses are within 32 bits and not soon given again.
func TestNextID(t *testing.T) {
	for name, m := range map[string]*realm{"at first": {}, "at the end": {lastID: 1<<32 - 3}} {
		seen := make(map[wamp.ID]bool)
		for range 1000 {
			id := m.nextID()
			if id == 0 || id > 1<<32-1 || seen[id] {
				t.Fatalf("%s: %d", name, id)
			}
			seen[id] = true
		}
	}
}
