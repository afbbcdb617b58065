package redact

import (
	"strings"
	"testing"
	"time"
)

// A value of the wrong type is repeated, unless its key is that of a secret.
func TestValue(t *testing.T) {
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"baud", "fast", `"fast" is a string`}, {"baud", true, "true is a boolean"}, {"baud", int64(7), "7 is an integer"}, {"baud", 1.5, "1.5 is a float"},
		{"ticket", "hunter2", "this is a string"}, {"secret", true, "this is a boolean"}, {"token", int64(7), "this is an integer"}, {"key", 1.5, "this is a float"},
		{"baud", strings.Repeat("x", 50), `"` + strings.Repeat("x", 40) + `" is a string`},
		{"baud", map[string]any{"a": 1}, "this is a table"}, {"baud", []map[string]any{}, "this is a list of tables"}, {"baud", []any{1}, "this is a list"}, {"baud", time.Time{}, "this is a date or a time"},
	} {
		if got := Value(c.key, c.value); got != c.want {
			t.Errorf("%s = %v: %s, want %s", c.key, c.value, got, c.want)
		}
	}
}

// A message of the TOML library keeps the names of keys, quotes and single characters. Other quotations are left out.
func TestSyntax(t *testing.T) {
	const noValue = "this is not a TOML value; write text in quotes"
	for message, want := range map[string]string{
		"expected two hexadecimal digits after '\\x', but got \"hu\"": "a backslash begins an escape; write text with a backslash in single quotes",
		"expected value but found \"hunter2\" instead":                noValue,
		"Invalid float value: \"hunter2\"":                            noValue,
		"invalid datetime: hunter2":                                   noValue,
		"12345678901234567890 is out of range for int64":              "the number is out of range; write text in quotes",
		"Key 'realm.name' has already been defined.":                  "Key 'realm.name' has already been defined.",
		"unexpected \"hunter2\" here":                                 "unexpected ... here",
		"unexpected 'hunter2' here":                                   "unexpected ... here",
		"after 'a', but before 'b'":                                   "after 'a', but before 'b'",
		"expected '.' or '=', but got 'h' instead":                    "expected '.' or '=', but got 'h' instead",
		"strings end with \"\"\"\"":                                   "strings end with \"\"\"\"",
		"control characters are written as '\\u0000'":                 "control characters are written as '\\u0000'",
		"expected ':' or 'h'":                                         "expected ':' or 'h'",
		"a single 'h' is kept":                                        "a single 'h' is kept",
	} {
		if got := Syntax(message); got != want {
			t.Errorf("%s: %s, want %s", message, got, want)
		}
	}
}
