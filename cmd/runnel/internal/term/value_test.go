package term

import (
	"math"
	"reflect"
	"testing"
)

func TestParseValue(t *testing.T) {
	for text, want := range map[string]any{
		"21.5": 21.5, "21": int64(21), "9007199254740993": int64(9007199254740993), "18446744073709551615": uint64(math.MaxUint64),
		"true": true, "null": nil, `"21"`: "21", "plain": "plain", "": "", "1 2": "1 2", "{": "{", "1e400": "1e400",
		`[1,{"a":2}]`: []any{int64(1), map[string]any{"a": int64(2)}}, "-5": int64(-5), "01": "01", "NaN": "NaN",
	} {
		if got := ParseValue(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %T %v", text, got, got)
		}
	}
}

func TestPlainText(t *testing.T) {
	for _, c := range []struct {
		args   []any
		kwargs map[string]any
		want   string
	}{
		{nil, nil, ""},
		{[]any{int64(1), "two", nil, true, []any{1.5}}, nil, `1 "two" null true [1.5]`},
		{nil, map[string]any{"b": int64(1), "a": "x", "c d": int64(2)}, `a="x" b=1 "c d"=2`},
		{[]any{[]byte("hi\x00")}, nil, "0x686900"},
		{[]any{"\x1b[31m\n\u0085\u202e" + string(rune(0xe0001))}, nil, `"\u001b[31m\n\u0085\u202e\udb40\udc01"`}, // no terminal obeys it
		{nil, map[string]any{"\x1b": "\u009b"}, `"\x1b"="\u009b"`},
	} {
		got, err := PlainText(c.args, c.kwargs)
		if err != nil || got != c.want {
			t.Errorf("%q %q: got %s, %v; want %s", c.args, c.kwargs, got, err, c.want)
		}
	}
}

func TestJSONText(t *testing.T) {
	got, err := JSONText(map[string]any{"octets": []byte{1, 2}})
	if err != nil || got != `{"octets":"\u0000AQI="}` {
		t.Errorf("%s, %v", got, err)
	}
	if got, err = JSONText(map[string]any{"b": 1, "a": 2, "c": 3}); err != nil || got != `{"a":2,"b":1,"c":3}` {
		t.Errorf("%s, %v", got, err)
	}
}
