package reading

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestScale(t *testing.T) {
	for _, c := range []struct {
		s       Scale
		n, want float64
	}{
		{Scale{}, 21.5, 21.5},
		{Scale{Factor: 0.1}, 3, 0.3},
		{Scale{Factor: 0.1, Offset: -40}, 615, 21.5},
		{Scale{Factor: 1.8, Offset: 32}, 100, 212},
		{Scale{Offset: 1}, 1, 2},
		{Scale{Factor: 2}, math.Inf(1), math.Inf(1)},
	} {
		if got := c.s.Apply(c.n); got != c.want {
			t.Errorf("%+v of %v: %v, want %v", c.s, c.n, got, c.want)
		}
		if back := c.s.Invert(c.want); back != c.n {
			t.Errorf("%+v back from %v: %v, want %v", c.s, c.want, back, c.n)
		}
	}
	if got := (Scale{Factor: 2}).Apply(math.NaN()); !math.IsNaN(got) {
		t.Errorf("NaN becomes %v", got)
	}
	if !(Scale{}).None() || !(Scale{Factor: 1}).None() || (Scale{Factor: 2}).None() || (Scale{Offset: 2}).None() {
		t.Error("None")
	}
}

func TestTemplate(t *testing.T) {
	values := map[string]any{"a": "roof", "n": int64(7), "dot": "x.y", "empty": "", "space": "a b", "float": 1.5, "wamp": "wamp",
		"longest": strings.Repeat("x", 64), "long": strings.Repeat("x", 65)}
	lookup := func(name string) (any, bool) {
		v, ok := values[name]
		return v, ok
	}
	for _, c := range []struct{ template, want string }{
		{"com.example.weather", "com.example.weather"},
		{"com.example.{a}", "com.example.roof"},
		{"{a}.example.s{n}x", "roof.example.s7x"},
		{"com.{longest}", "com." + strings.Repeat("x", 64)},
		{"com.{long}", ""},
		{"com.{dot}", ""},
		{"com.{empty}", ""},
		{"com.{space}", ""},
		{"com.{float}", ""},
		{"com.{nobody}", ""},
		{"{wamp}.session.on_join", ""},
	} {
		parsed, err := ParseTemplate(c.template)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parsed.Topic(lookup); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.template, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "com..example", "com.{", "com.}", "com.{}", "com.{a{b}}", "a b", "com.{a}.", "com.#"} {
		if _, err := ParseTemplate(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestNames(t *testing.T) {
	for template, want := range map[string][]string{"com.example": nil, "com.{a}": {"a"}, "{b}.x.{a}{c}.y": {"b", "a", "c"}} {
		parsed, err := ParseTemplate(template)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Names(); !slices.Equal(got, want) {
			t.Errorf("%s: names %q, want %q", template, got, want)
		}
		if got := parsed.Uses("a"); got != slices.Contains(want, "a") || parsed.Uses("x") {
			t.Errorf("%s: uses a: %v, x: %v", template, got, parsed.Uses("x"))
		}
	}
}

// TestSafe: every value becomes one component, and no value more than that.
func TestSafe(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{"roof", "roof"}, {"Halle 3/Süd.1", "Halle_3_Süd_1"}, {"a#+$\x00\tb", "a_____b"}, {"", "_"}, {".", "_"}, {1.5, "1_5"}, {int64(-7), "-7"}, {true, "true"},
		{strings.Repeat("é", 40), strings.Repeat("é", 32)}, {"x" + strings.Repeat("é", 40), "x" + strings.Repeat("é", 31)}, {[]any{1}, ""}, {nil, ""},
	} {
		parsed, err := ParseTemplate("com.{v}")
		if err != nil {
			t.Fatal(err)
		}
		got, err := parsed.Safe().Topic(func(string) (any, bool) { return c.value, true })
		if want := "com." + c.want; c.want != "" && got != want || (err == nil) != (c.want != "") {
			t.Errorf("%v: %q, %v; want %q", c.value, got, err, c.want)
		}
	}
	parsed, _ := ParseTemplate("{v}.x")
	if got, err := parsed.Safe().Topic(func(string) (any, bool) { return "wamp", true }); err == nil {
		t.Errorf("%q is reserved", got)
	}
}

func TestStamp(t *testing.T) {
	at := time.Date(2026, 11, 22, 13, 0, 0, 5e6, time.FixedZone("", 3600))
	if got := Timestamp(at); got != "2026-11-22T12:00:00.005Z" {
		t.Error(got)
	}
}

// A number of 32 bits becomes the decimal that people write for it.
func TestShortest(t *testing.T) {
	for text, want := range map[string]float64{
		"0.1": 0.1, "21.3": 21.3, "-7.25": -7.25, "0.001": 0.001, "123456.7": 123456.7, "0.33333334": 0.33333334, "1.1754944": 1.1754944, "8388607.5": 8388607.5,
		"16777216": 16777216, "1e10": 1e10, "0": 0, "Inf": math.Inf(1), "-Inf": math.Inf(-1),
	} {
		f, err := strconv.ParseFloat(text, 32)
		if err != nil {
			t.Fatal(err)
		}
		if got := Shortest(float32(f)); got != want {
			t.Errorf("%s becomes %v", text, got)
		}
	}
	if got := Shortest(float32(math.NaN())); !math.IsNaN(got) {
		t.Errorf("NaN becomes %v", got)
	}
}

// Numbers of a device become a float64; all else is no number.
func TestFloat(t *testing.T) {
	for _, c := range []struct {
		v    any
		want float64
		ok   bool
	}{{int64(-7), -7, true}, {uint64(math.MaxUint64), math.MaxUint64, true}, {1.5, 1.5, true}, {"1", 0, false}, {true, 0, false}, {nil, 0, false}} {
		if n, ok := Float(c.v); n != c.want || ok != c.ok {
			t.Errorf("%T %v: %v, %v", c.v, c.v, n, ok)
		}
	}
}

// Values of all kinds of integers and texts, and errors that name the value that is missing or unfit.
func TestTopicValues(t *testing.T) {
	parsed, err := ParseTemplate("com.{v}")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value any
		has   bool
		want  string
		fault string
	}{
		{7, true, "com.7", ""}, {int64(-7), true, "com.-7", ""}, {uint64(7), true, "", `value "7" of {v} is not a component`},
		{"", true, "", `value "" of {v}`}, {"a.b", true, "", `value "a.b" of {v}`}, {nil, false, "", "no value for {v}"},
		{strings.Repeat("x", 65), true, "", `value "` + strings.Repeat("x", 40) + `" of {v}`},
	} {
		got, err := parsed.Topic(func(string) (any, bool) { return c.value, c.has })
		if got != c.want || (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%v: %q, %v", c.value, got, err)
		}
	}
	safe := parsed.Safe()
	for v, want := range map[any]string{7: "com.7", uint64(7): "com.7", strings.Repeat("x", 64): "com." + strings.Repeat("x", 64), strings.Repeat("x", 65): "com." + strings.Repeat("x", 64)} {
		if got, err := safe.Topic(func(string) (any, bool) { return v, true }); got != want || err != nil {
			t.Errorf("%v: %q, %v", v, got, err)
		}
	}
	for text, want := range map[string]string{"com.}x": "} without {", "com.{x": "a name between", "com.{}": "a name between", "com.{a{b}": "a name between", "com. ": "is not a URI"} {
		if _, err := ParseTemplate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
