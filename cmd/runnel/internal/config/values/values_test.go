package values

import (
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"runnel/edge/wamp"
)

// parsed returns what a value holds after it has parsed a text, or its error.
func parsed[T any, P interface {
	*T
	Text
}](text string) any {
	var v T
	if err := P(&v).Parse(text); err != nil {
		return err.Error()
	}
	return v
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ got, want any }{
		{parsed[Size]("0"), Size(0)},
		{parsed[Size]("512kB"), Size(512_000)},
		{parsed[Size]("3 MB"), Size(3_000_000)},
		{parsed[Size]("2gb"), Size(2_000_000_000)},
		{parsed[Size](" 4KiB "), Size(4096)},
		{parsed[Size]("64mib"), Size(64 << 20)},
		{parsed[Size]("1GiB"), Size(1 << 30)},
		{parsed[Size]("7b"), Size(7)},
		{parsed[Size]("8589934591GiB"), Size(8589934591 << 30)},
		{parsed[Size]("9223372036854775807"), Size(math.MaxInt64)},
		{parsed[Size]("9223372036854775B"), Size(9223372036854775)},
		{parsed[Size]("9223372036854775kB"), Size(9223372036854775000)},
		{parsed[Size]("8589934592GiB"), `"8589934592GiB" is not a size; write it like "512kB", "64MB" or "64MiB"`},
		{parsed[Size]("-1"), `"-1" is not a size; write it like "512kB", "64MB" or "64MiB"`},
		{parsed[Size]("MB"), `"MB" is not a size; write it like "512kB", "64MB" or "64MiB"`},
		{parsed[Size]("1.5MB"), `"1.5MB" is not a size; write it like "512kB", "64MB" or "64MiB"`},

		{parsed[Duration]("0"), Duration(0)},
		{parsed[Duration]("1m30s"), Duration(90 * time.Second)},
		{parsed[Duration]("-1s"), `"-1s" is not a duration; write it like "250ms", "10s" or "1m30s"`},
		{parsed[Duration]("10"), `"10" is not a duration; write it like "250ms", "10s" or "1m30s"`},

		{parsed[Mode]("0660"), Mode(0o660)},
		{parsed[Mode]("777"), Mode(0o777)},
		{parsed[Mode]("1000"), `"1000" is not a file mode; write it in octal, like "0660"`},
		{parsed[Mode]("0680"), `"0680" is not a file mode; write it in octal, like "0660"`},

		{parsed[Match]("exact"), Match(wamp.Exact)},
		{parsed[Match]("prefix"), Match(wamp.Prefix)},
		{parsed[Match]("wildcard"), Match(wamp.Wildcard)},
		{parsed[Match]("regex"), `"regex" is not a matching policy; use "exact", "prefix" or "wildcard"`},

		{parsed[Level]("debug"), Level(slog.LevelDebug)},
		{parsed[Level]("info"), Level(slog.LevelInfo)},
		{parsed[Level]("warn"), Level(slog.LevelWarn)},
		{parsed[Level]("error"), Level(slog.LevelError)},
		{parsed[Level]("info+1"), `"info+1" is not a log level; use "debug", "info", "warn" or "error"`},

		{parsed[LogFormat]("text"), LogFormat("text")},
		{parsed[LogFormat]("json"), LogFormat("json")},
		{parsed[LogFormat]("xml"), `"xml" is not a log format; use "text" or "json"`},
	} {
		if c.got != c.want {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
}

// A bare number of a file is a size in bytes.
func TestParseInt(t *testing.T) {
	var z Size
	if err := z.ParseInt(4096); err != nil || z != 4096 {
		t.Errorf("%d, %v", z, err)
	}
	if err := z.ParseInt(-1); err == nil {
		t.Error("a negative size has no error")
	}
}

func TestParseMatch(t *testing.T) {
	for text, want := range map[string]string{"": "exact", "exact": "exact", "prefix": "prefix", "wildcard": "wildcard"} {
		if m, err := ParseMatch(text); err != nil || m.String() != want {
			t.Errorf("%q: %v, %v", text, m, err)
		}
	}
	if _, err := ParseMatch("Prefix"); err == nil {
		t.Error("an unknown policy has no error")
	}
}

func TestOneOf(t *testing.T) {
	for want, names := range map[string][]string{"": nil, `"a"`: {"a"}, `"a" or "b"`: {"a", "b"}, `"a", "b" or "c"`: {"a", "b", "c"}} {
		if got := OneOf(names...); got != want {
			t.Error(fmt.Sprint(names), got)
		}
	}
}
