package dedup

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// A record is used only if all its values are valid.
func TestDecode(t *testing.T) {
	a, n := []byte("a"), []byte("n")
	spans := func(count int) []any {
		fields := []any{form, a, n, 1, 10 * maxSpans}
		for i := range count {
			fields = append(fields, 3*i+1, 3*i+1)
		}
		return fields
	}
	for _, c := range []struct {
		fields []any
		ok     bool
	}{
		{[]any{form, a, n, 0, 9}, true},
		{[]any{form, a, n, 1, uint64(math.MaxUint64 - 1)}, true},
		{[]any{form, a, n, 1, 9, 2, 3, 5, 5}, true},
		{[]any{form, a, n, 1, 9, 1, 1, 3, 9}, true},
		{spans(maxSpans), true},
		{spans(maxSpans + 1), false},
		{[]any{formMore, a, n, 1, 9, 9}, true},
		{[]any{formMore, a, n, 1, 2, 3, 5, 5}, true},
		{[]any{formMore, a, n, 1, 1, maxMore}, true},
		{[]any{formMore, a, n, 1, 1, maxMore + 1}, false},
		{[]any{formMore, a, n, 1, 1, 1, 3, maxMore + 2}, false},
		{[]any{formMore, a, n, 1, 1, uint64(math.MaxUint64 - 1)}, false},
		{[]any{formMore, a, n, 1, 9}, false},
		{[]any{formMore, a, n, 1}, false},
		{[]any{formMore, a, n, 1, 5, 5, 2, 3}, false},
		{[]any{formMore, a, 7, 1, 9, 9}, false},
		{[]any{formMore + 1, a, n, 1, 9, 9}, false},
		{[]any{form, a, n, 1}, false},
		{[]any{}, false},
		{[]any{form, "a", n, 1, 9}, false},
		{[]any{form, a, 7, 1, 9}, false},
		{[]any{form, a, n, -1, 9}, false},
		{[]any{form, a, n, 1, "9"}, false},
		{[]any{form, a, n, uint64(math.MaxUint64), 9}, false},
		{[]any{form, a, n, 1, uint64(math.MaxUint64)}, false},
		{[]any{form, a, n, 1, 9, 2}, false},
		{[]any{form, a, n, 1, 9, "2", 3}, false},
		{[]any{form, a, n, 1, 9, 2, "3"}, false},
		{[]any{form, a, n, 1, 9, 0, 3}, false},  // numbers begin at 1
		{[]any{form, a, n, 1, 9, 3, 2}, false},  // a gap of negative length
		{[]any{form, a, n, 1, 9, 8, 10}, false}, // beyond the highest
		{[]any{form, a, n, 1, 9, 2, 3, 4, 5}, false},
		{[]any{form, a, n, 1, 9, 5, 5, 2, 3}, false},
	} {
		record, err := codec.AppendValue(nil, wamp.CBOR, c.fields)
		if err != nil {
			t.Fatal(err)
		}
		key, routed, more, ok := decode(record)
		if ok != c.ok {
			t.Errorf("%.60v: %v", fmt.Sprint(c.fields), ok)
		}
		again := encode(key, routed)
		if more != nil {
			again = encodeFields(more, formMore, []byte(key.Authid), []byte(key.Node), key.Epoch)
		}
		if c.ok && (key.Authid != "a" || key.Node != "n" || !slices.Equal(again, record)) {
			t.Errorf("%.60v became %+v, %+v, %+v", fmt.Sprint(c.fields), key, routed, more)
		}
	}
	if _, _, _, ok := decode([]byte{0xff}); ok {
		t.Error("what is no CBOR is used")
	}
}
