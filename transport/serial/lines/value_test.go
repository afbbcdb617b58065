package lines

import (
	"reflect"
	"strings"
	"testing"

	"runnel/transport/serial/reading"
)

// Values are converted to the kind of their field, or are flaws.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		kind  Kind
		value any
		want  any // nil: unusable
	}{
		{Boolean, raw("on"), true}, {Boolean, raw(" YES "), true}, {Boolean, int64(1), true}, {Boolean, true, true},
		{Boolean, raw("off"), false}, {Boolean, "No", false}, {Boolean, int64(0), false}, {Boolean, false, false},
		{Boolean, raw("2"), nil}, {Boolean, raw(""), nil}, {Boolean, nil, nil},
		{Hex, raw("0"), int64(0)}, {Hex, raw("0x1F"), int64(31)}, {Hex, raw("ff"), int64(255)},
		{Hex, raw("7fffffffffffffff"), int64(1<<63 - 1)}, {Hex, raw("8000000000000000"), uint64(1 << 63)},
		{Hex, raw("10000000000000000"), nil}, {Hex, raw("g"), nil}, {Hex, raw(""), nil},
		{Text, raw(" x "), "x"}, {Text, int64(5), "5"}, {Text, "x", "x"}, {Text, true, "true"},
		{Number, raw(" 5 "), int64(5)}, {Number, uint64(5), uint64(5)}, {Number, 5.5, 5.5}, {Number, true, nil}, {Number, nil, nil},
	} {
		got, err := Field{Kind: c.kind}.convert(c.value)
		if (err == nil) != (c.want != nil) || err == nil && got != c.want {
			t.Errorf("%v as %s: %T %v, %v; want %T %v", c.value, KindNames[c.kind], got, got, err, c.want, c.want)
		}
	}
}

// Bits are read lowest first, in whole bytes.
func TestBits(t *testing.T) {
	byteOf := func(set ...int) []any {
		list := make([]any, 8)
		for i := range list {
			list[i] = false
		}
		for _, i := range set {
			list[i] = true
		}
		return list
	}
	for text, want := range map[string][]any{
		"0": byteOf(), "5": byteOf(0, 2), "0x80": byteOf(7), "255": byteOf(0, 1, 2, 3, 4, 5, 6, 7), "256": append(byteOf(), byteOf(0)...),
		" 0X1 ": byteOf(0), "x": nil, "-1": nil, "": nil, "0x": nil,
	} {
		got, err := bitList(text)
		if (err == nil) != (want != nil) || err == nil && !reflect.DeepEqual(got, any(want)) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// Sentences are recognized by their checksum.
func TestSentence(t *testing.T) {
	for line, want := range map[string]bool{
		sum("GPGGA,1"): true, "!" + sum("AIVDM,1")[1:]: true, `\g:1-2-73874*00\` + sum("GPGGA,1"): true,
		"$GPGGA,1": false, "$GPGGA,1*00": false, "": false, "GPGGA,1": false, `\` + sum("GPGGA,1"): false,
	} {
		if got := Sentence(line); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

// A line that the configuration leaves out counts as neither good nor bad.
func TestIgnoredLines(t *testing.T) {
	s := NewSensor(parser(t, Config{Format: CSV, Columns: []string{"a", "b"}}), nil)
	var got []any
	s.Run(strings.NewReader("\n1,2\na,b\n \n3,4\n5\n"), func(e reading.Event) { got = append(got, e.Kwargs["a"]) })
	if st := s.State(); !reflect.DeepEqual(got, []any{int64(1), int64(3)}) || st.Good != 2 || st.Ignored != 1 || st.Bad != 1 || st.BadInARow != 1 {
		t.Errorf("%v, %+v", got, st)
	}
}

// A line without any value is bad in each format.
func TestEmptyLines(t *testing.T) {
	for _, c := range []struct {
		config Config
		line   string
		want   string
	}{
		{Config{Format: Fixed, Columns: []string{"a", "b"}, Widths: []int{2, 2}}, "     ", "all columns are empty"},
		{Config{Format: Fixed, Columns: []string{"a", "b"}, Widths: []int{2, 2}}, "1 2 3", "longer than the columns"},
		{Config{Format: KeyValue}, "heading", "no name with a value"},
	} {
		if _, err := parser(t, c.config).Parse([]byte(c.line), noon); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.line, err, c.want)
		}
	}
}

// Only the units of the values in the line are published.
func TestUnitsOfTheLine(t *testing.T) {
	p := parser(t, Config{Format: KeyValue, Time: "none", Fields: []Field{{Name: "T", As: "temp", Unit: "°C"}, {Name: "H", Unit: "%"}}})
	for line, want := range map[string]any{
		"T=1,H=2": fields{"temp": "°C", "H": "%"}, "T=1": fields{"temp": "°C"}, "H=2,X=3": fields{"H": "%"}, "X=3": nil,
	} {
		e, err := p.Parse([]byte(line), noon)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if got := e.Kwargs["units"]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: units %v, want %v", line, got, want)
		}
	}
}
