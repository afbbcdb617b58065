package lines

import (
	"testing"
)

// Without a type, only text that a program prints as a number is a number. With a type, text that people mean as one
// is, too.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		text  string
		plain any // without a type
		typed any // with type number; nil: unusable
	}{
		{"0", int64(0), int64(0)}, {"42", int64(42), int64(42)}, {"-42", int64(-42), int64(-42)}, {"21.50", 21.5, 21.5}, {"-0.5", -0.5, -0.5},
		{"-0", int64(0), int64(0)}, {"-0.0", 0.0, 0.0}, {"9223372036854775807", int64(1<<63 - 1), int64(1<<63 - 1)},
		{"18446744073709551615", uint64(1<<64 - 1), uint64(1<<64 - 1)},
		{"18446744073709551616", "18446744073709551616", nil}, {"123456789012345678901234", "123456789012345678901234", nil},
		{"007", "007", int64(7)}, {"00", "00", int64(0)}, {"0025", "0025", int64(25)}, {"038527", "038527", int64(38527)}, {"-05", "-05", int64(-5)}, {"00.5", "00.5", 0.5},
		{"1e5", "1e5", 1e5}, {"1E5", "1E5", 1e5}, {"510003E123", "510003E123", 510003e123}, {"5e999", "5e999", nil},
		{"+5", "+5", int64(5)}, {"+21.5", "+21.5", 21.5}, {".5", ".5", 0.5}, {"-.5", "-.5", -0.5}, {"5.", "5.", 5.0},
		{"-  450.38", "-  450.38", -450.38}, {"+    12", "+    12", int64(12)}, {"- 7", "- 7", int64(-7)},
		{"0x10", "0x10", nil}, {"NaN", "NaN", nil}, {"nan", "nan", nil}, {"Infinity", "Infinity", nil}, {"-inf", "-inf", nil}, {"1_000", "1_000", nil},
		{"1,5", "1,5", nil}, {"1 000", "1 000", nil}, {"--5", "--5", nil}, {"-", "-", nil}, {".", ".", nil}, {"e5", "e5", nil}, {"1.2.3", "1.2.3", nil},
		{"12e", "12e", nil}, {"५", "५", nil}, {"21.5 C", "21.5 C", nil},
	} {
		for kind, want := range map[Kind]any{Any: c.plain, Number: c.typed, Text: c.text} {
			p := parser(t, Config{Format: Pattern, Pattern: "^(?P<n>.*);(?P<other>.*)$", Time: "none", Fields: []Field{{Name: "n", Kind: kind}}})
			e, flaws, err := p.read([]byte(c.text+";x"), noon)
			if got := e.Kwargs["n"]; err != nil || got != want || (want == nil) != (len(flaws) == 1) {
				t.Errorf("%q as %s: %T %v, %v, %v; want %T %v", c.text, KindNames[kind], got, got, flaws, err, want, want)
			}
		}
	}
}
