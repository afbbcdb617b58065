// Package values has the values of a configuration that are written as strings: sizes, durations and the like.
package values

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"runnel/edge/wamp"
)

// Text is a value with its own notation in a string.
type Text interface{ Parse(s string) error }

// Size is a number of bytes: "64MB", "64MiB", "512kB" or a bare number.
type Size int64

var sizeUnits = []struct {
	name string
	size int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1},
}

// Parse implements Text.
func (z *Size) Parse(s string) error {
	number, unit := strings.TrimSpace(s), int64(1)
	for _, u := range sizeUnits {
		if n := len(number) - len(u.name); n > 0 && strings.EqualFold(number[n:], u.name) {
			number, unit = strings.TrimSpace(number[:n]), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is not a size; write it like \"512kB\", \"64MB\" or \"64MiB\"", s)
	}
	*z = Size(n * unit)
	return nil
}

// ParseInt takes a bare number.
func (z *Size) ParseInt(n int64) error { return z.Parse(fmt.Sprint(n)) }

// Duration is a time span: "10s", "1m30s", "250ms".
type Duration time.Duration

// Parse implements Text.
func (d *Duration) Parse(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration; write it like \"250ms\", \"10s\" or \"1m30s\"", s)
	}
	*d = Duration(v)
	return nil
}

// Mode is a file's permission bits: "0660".
type Mode os.FileMode

// Parse implements Text.
func (m *Mode) Parse(s string) error {
	v, err := strconv.ParseUint(s, 8, 32)
	if err != nil || v > 0o777 {
		return fmt.Errorf("%q is not a file mode; write it in octal, like \"0660\"", s)
	}
	*m = Mode(v)
	return nil
}

// Match is the matching policy of a URI.
type Match wamp.Match

// Parse implements Text.
func (m *Match) Parse(s string) error {
	v, ok := wamp.ParseMatch(s)
	if !ok {
		return fmt.Errorf("%q is not a matching policy; use %s", s, OneOf("exact", "prefix", "wildcard"))
	}
	*m = Match(v)
	return nil
}

// ParseMatch reads the name of a matching policy: exact, prefix or wildcard.
func ParseMatch(s string) (m Match, err error) {
	err = m.Parse(s)
	return m, err
}

// String makes the policy readable in messages.
func (m Match) String() string { return wamp.Match(m).String() }

// Level is the log level: debug, info, warn or error.
type Level slog.Level

// Parse implements Text.
func (l *Level) Parse(s string) error {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, s) {
		return fmt.Errorf("%q is not a log level; use %s", s, OneOf("debug", "info", "warn", "error"))
	}
	return (*slog.Level)(l).UnmarshalText([]byte(s))
}

// LogFormat is the format of the log: text or json.
type LogFormat string

// Parse implements Text.
func (f *LogFormat) Parse(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("%q is not a log format; use %s", s, OneOf("text", "json"))
	}
	*f = LogFormat(s)
	return nil
}

// OneOf writes a choice: "a", "b" or "c".
func OneOf(names ...string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = strconv.Quote(name)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:len(quoted)-1], ", ") + " or " + quoted[len(quoted)-1]
}
