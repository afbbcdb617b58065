package lines

import (
	"strings"
	"testing"
)

// A time without a zone is one of the configured zone; one with a zone keeps it.
func TestZones(t *testing.T) {
	for _, c := range []struct{ zone, text, want string }{
		{"+01:00", "2026-01-31 12:00:00", "2026-01-31T11:00:00.000Z"},
		{"-03:30", "2026-01-31T12:00:00.250", "2026-01-31T15:30:00.250Z"},
		{"UTC", "2026/01/31 12:00:00", "2026-01-31T12:00:00.000Z"},
		{"+02:00", "31.01.2026 12:00", "2026-01-31T10:00:00.000Z"},
		{"+02:00", "20260131120000", "2026-01-31T10:00:00.000Z"},
		{"+02:00", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"},
		{"+02:00", "1769860800", "2026-01-31T12:00:00.000Z"},
		{"+02:00", "260131120000W", "2026-01-31T11:00:00.000Z"},
		{"", "2026-01-31 12:00:00", ""},
		{"+02:00", "31.02.2026 12:00", ""},
		{"+02:00", "1999-01-31 12:00:00", ""},
	} {
		e, err := parser(t, Config{Format: CSV, Columns: []string{"clock", "t"}, Separator: ";", Time: "clock", Zone: c.zone}).Parse([]byte(c.text+";7"), noon)
		if got, _ := e.Kwargs["time"].(string); err != nil || got != c.want {
			t.Errorf("%s in %q: %q, %v, want %q", c.text, c.zone, got, err, c.want)
		}
	}
	for _, c := range []struct{ zone, time, want string }{
		{"local", "clock", ""}, {"+1", "clock", "want an offset"}, {"+25:00", "clock", "want an offset"}, {"../etc/passwd", "clock", "not known"}, {"Mars/Base", "clock", "not known"}, {"+01:00", "", "only if time names a field"},
		{"+01:00", TimeNone, "only if time names a field"},
	} {
		_, err := New(Config{Format: KeyValue, Topic: "com.example", Time: c.time, Zone: c.zone})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v, want %q", c.zone, c.time, err, c.want)
		}
	}
}
