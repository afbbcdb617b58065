package sparkplug

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// A value fits a type if the type has it exactly, or as the nearest number with a fraction. Other values are null.
func TestScalars(t *testing.T) {
	integer := func(n int64) scalar { return scalar{set: true, bits: uint64(n)} }
	float := func(f float64) scalar { return scalar{set: true, bits: math.Float64bits(f)} }
	text := func(s string) scalar { return scalar{set: true, text: s} }
	for _, c := range []struct {
		kind DataType
		v    any
		want scalar
	}{
		{Int8, int64(-128), integer(-128)}, {Int8, int64(-129), scalar{}}, {Int8, int64(127), integer(127)}, {Int8, int64(128), scalar{}},
		{Int16, int64(-32768), integer(-32768)}, {Int16, int64(-32769), scalar{}}, {Int32, int64(1<<31 - 1), integer(1<<31 - 1)}, {Int32, int64(1 << 31), scalar{}},
		{UInt8, int64(0), integer(0)}, {UInt8, int64(-1), scalar{}}, {UInt8, int64(255), integer(255)}, {UInt8, int64(256), scalar{}},
		{UInt16, int64(65535), integer(65535)}, {UInt16, int64(65536), scalar{}}, {UInt32, int64(1<<32 - 1), integer(1<<32 - 1)}, {UInt32, int64(1 << 32), scalar{}},
		{Int64, int64(-1), integer(-1)}, {Int64, uint64(math.MaxInt64), integer(math.MaxInt64)}, {Int64, uint64(1 << 63), scalar{}},
		{UInt64, int64(-1), scalar{}}, {UInt64, int64(0), integer(0)}, {UInt64, uint64(1 << 63), scalar{set: true, bits: 1 << 63}},
		{Int32, 7.0, integer(7)}, {Int32, 7.5, scalar{}}, {Int64, float64(1 << 53), integer(1 << 53)}, {Int64, float64(1<<53 + 2), scalar{}}, {Int64, "7", scalar{}},
		{Double, int64(3), float(3)}, {Double, uint64(3), float(3)}, {Float, 1.5, float(1.5)}, {Double, "1.5", scalar{}}, {Double, true, scalar{}},
		{Boolean, true, integer(1)}, {Boolean, false, integer(0)}, {Boolean, int64(1), scalar{}},
		{String, "a", text("a")}, {String, "", text("")}, {String, nil, scalar{}}, {String, int64(7), text("7")}, {String, []any{int64(1), "x"}, text(`[1,"x"]`)},
		{Bytes, []byte("ab"), text("ab")}, {Bytes, "ab", scalar{}},
		{DateTime, "1970-01-01T00:00:00Z", integer(0)}, {DateTime, "1970-01-01T00:00:01.5+00:00", integer(1500)}, {DateTime, "1969-12-31T23:59:59Z", scalar{}},
		{DateTime, "noon", scalar{}}, {DateTime, int64(5), scalar{}}, {uuid, int64(1), scalar{}}, {0, nil, scalar{}},
	} {
		if got := scalarOf(c.kind, c.v); got.set != c.want.set || got.set && got != c.want {
			t.Errorf("%v (%T) as type %d: %+v, want %+v", c.v, c.v, c.kind, got, c.want)
		}
	}
}

// The first value determines the type. A later number or text that does not fit widens the type, and with it the
// current value.
func TestTypes(t *testing.T) {
	for _, c := range []struct {
		first, next any
		kind, wider DataType
		kept        any // the first value as one of the wider type
	}{
		{int64(-7), 1.5, Int64, Double, -7.0},
		{uint64(1 << 63), 1.5, UInt64, Double, float64(1 << 63)},
		{int64(7), uint64(1 << 63), Int64, Double, 7.0},
		{uint64(7), int64(-1), UInt64, Double, 7.0},
		{int64(7), 8.0, Int64, Int64, int64(7)},
		{int64(7), "x", Int64, Int64, int64(7)},
		{1.5, int64(7), Double, Double, 1.5},
		{1.5, "x", Double, Double, 1.5},
		{true, int64(7), Boolean, Boolean, true},
		{"text", 7.5, String, String, "text"},
		{[]byte("ab"), 7.5, Bytes, Bytes, []byte("ab")},
		{"2026-11-22T12:00:00.5Z", "text", DateTime, String, "2026-11-22T12:00:00.5Z"},
		{"2026-11-22T12:00:00Z", "", DateTime, DateTime, "2026-11-22T12:00:00Z"},
		{"2026-11-22T12:00:00Z", int64(7), DateTime, DateTime, "2026-11-22T12:00:00Z"},
		{nil, int64(7), 0, 0, nil},
	} {
		kind := typeOf(c.first)
		wider := widened(kind, c.next)
		kept := converted(kind, wider, scalarOf(kind, c.first))
		if kind != c.kind || wider != c.wider || kept != scalarOf(c.wider, c.kept) {
			t.Errorf("%v, then %v: type %d, then %d with %+v", c.first, c.next, kind, wider, kept)
		}
	}
	for kind := Int8; kind <= UInt64; kind++ {
		if got := widened(kind, 1.5); got != Double {
			t.Errorf("type %d becomes %d", kind, got)
		}
	}
	for kind, v := range map[DataType]int64{UInt8: 255, UInt32: 1<<32 - 1, Int8: -1, Int32: -1} {
		if got := converted(kind, Double, scalarOf(kind, v)); got != scalarOf(Double, float64(v)) {
			t.Errorf("%d of type %d becomes %+v", v, kind, got)
		}
	}
	if got := converted(Int64, Double, scalar{}); got.set {
		t.Errorf("null becomes %+v", got)
	}
}

// The members of a map have paths as names. "time" and "units" describe the other arguments, if they have the form for that.
func TestSamples(t *testing.T) {
	units := Argument{"units", map[string]any{"t": "°C", "m": "V"}}
	for _, c := range []struct {
		arguments []Argument
		want      string
		at        time.Time
	}{
		{[]Argument{{"t", 1.5}, {"u", true}}, "[{t  1.5} {u  true}]", minute(1)},
		{[]Argument{{"t", 1.5}, units, {"u", true}}, "[{t °C 1.5} {u  true}]", minute(1)},
		{[]Argument{{"time", "2026-11-22T12:07:00Z"}, {"t", 1.5}}, "[{t  1.5}]", minute(7)},
		{[]Argument{{"time", "noon"}}, "[{time  noon}]", minute(1)},
		{[]Argument{{"start", "2026-11-22T12:07:00Z"}}, "[{start  2026-11-22T12:07:00Z}]", minute(1)},
		{[]Argument{{"units", "metric"}}, "[{units  metric}]", minute(1)},
		{[]Argument{{"m", map[string]any{"b": 2.5, "a": map[string]any{"x": nil}}}, units}, "[{m/a/x  <nil>} {m/b  2.5}]", minute(1)},
		{[]Argument{{"m", map[string]any{}}}, "[]", minute(1)},
	} {
		list, ms := samples(c.arguments, minute(1))
		if got := fmt.Sprint(list); got != c.want || ms != uint64(c.at.UnixMilli()) {
			t.Errorf("%v: %s at %d", c.arguments, got, ms)
		}
	}
	if _, ms := samples(nil, time.UnixMilli(-5)); ms != 0 {
		t.Errorf("before 1970: %d", ms)
	}
}

// A new unit, a new type and a number with a fraction cause the next birth. Null keeps the type.
func TestLearning(t *testing.T) {
	d := newDesk(t, nil).connect()
	if err := d.Configure("m", &Device{}, &Metric{Name: "c", URI: "com.c"}, false); err != nil {
		t.Fatal(err)
	}
	number := uint64(0)
	step := func(what string, births int, kind DataType, unit string, v any, arguments ...Argument) {
		t.Helper()
		number++
		before := len(d.host.Samples("DBIRTH", "m", "c"))
		d.say("m", number, minute(int(number)), arguments...)
		s := d.latest("DBIRTH", "m", "c")
		if got := len(d.host.Samples("DBIRTH", "m", "c")) - before; got != births || s.Type != int(kind) || s.Unit != unit || s.Value != v {
			t.Errorf("%s: %d births, the last one with %+v", what, got, s)
		}
	}
	units := Argument{"units", map[string]any{"c": "A"}}
	step("null at first", 1, String, "", nil, Argument{"c", nil})
	step("an integer", 1, Int64, "", int64(5), Argument{"c", int64(5)})
	step("another one", 0, Int64, "", int64(5), Argument{"c", int64(6)})
	step("a unit", 1, Int64, "A", int64(7), Argument{"c", int64(7)}, units)
	step("null", 0, Int64, "A", int64(7), Argument{"c", nil}, units)
	step("a fraction", 1, Double, "A", 7.5, Argument{"c", 7.5}, units)
	if v := d.latest("DDATA", "m", "c"); v.Value != 7.5 || v.Type != int(Double) {
		t.Errorf("%+v", v)
	}
}
