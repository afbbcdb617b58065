package lines

import (
	"testing"
	"time"
)

// A sentence says by its status, its mode or its quality whether there is a fix.
func TestHasFix(t *testing.T) {
	for _, c := range []struct {
		name        string
		fields      map[string]any
		valid, says bool
	}{
		{"RMC", map[string]any{"status": "A"}, true, true},
		{"RMC", map[string]any{"status": "V"}, false, true},
		{"RMC", map[string]any{"status": "A", "mode": "D"}, true, true},
		{"RMC", map[string]any{"status": "A", "mode": "N"}, false, true},
		{"GLL", map[string]any{"status": "V", "mode": "A"}, false, true},
		{"GNS", map[string]any{"mode": "NA"}, true, true},
		{"GNS", map[string]any{"mode": "NN"}, false, true},
		{"GGA", map[string]any{"quality": int64(0)}, false, true},
		{"GGA", map[string]any{"quality": int64(1)}, true, true},
		{"GGA", map[string]any{"quality": int64(5)}, true, true},
		{"GGA", map[string]any{"quality": int64(6)}, false, true}, // estimated
		{"GGA", map[string]any{}, false, true},
		{"VTG", map[string]any{"mode": "A"}, false, false},
	} {
		if valid, says := hasFix(c.name, c.fields); valid != c.valid || says != c.says {
			t.Errorf("%+v: %v, %v", c, valid, says)
		}
	}
}

// Seconds or milliseconds since 1970, with or without a fraction, are a time.
func TestEpoch(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1000, "1.5": 1500, "1764424800": 1764424800_000, "1764424800123": 1764424800_123, "1e11": 1e14, "100000000001": 100000000_001,
	} {
		if got, err := epoch(text); err != nil || !got.Equal(time.UnixMilli(want)) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "-0.001", "1e15", "nan", "inf", "0x10", "1_000", "yesterday"} {
		if got, err := epoch(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
