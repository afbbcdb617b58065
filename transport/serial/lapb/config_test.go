package lapb

import (
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		c   Config
		err string
	}{
		{Config{}, ""},
		{Config{Info: 32, Window: 7, Retries: 1, Name: strings.Repeat("n", 32)}, ""},
		{Config{Role: 2}, "role 2: out of range"},
		{Config{Baud: -1}, "baud -1: out of range"},
		{Config{Info: 31}, "frames of 31 octets: want 32 to 1024"},
		{Config{Info: 1025}, "frames of 1025 octets: want 32 to 1024"},
		{Config{Window: 8}, "window of 8 frames: want 1 to 7"},
		{Config{Window: -1}, "window of -1 frames: want 1 to 7"},
		{Config{Window: 2, HalfDuplex: true}, "window of 2 frames: half-duplex allows 1"},
		{Config{Retries: 21}, "21 retries: want 1 to 20"},
		{Config{Name: strings.Repeat("n", 33)}, `name "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn": want at most 32 octets of UTF-8`},
		{Config{Name: "\xff"}, `name "\xff": want at most 32 octets of UTF-8`},
		{Config{T1: -1}, "T1 -1ns: want at most 1m0s"},
		{Config{T3: time.Hour}, "T3 1h0m0s: want at most 1m0s"},
		{Config{T1: 100 * time.Millisecond, T2: 26 * time.Millisecond}, "T2 26ms: want at most a quarter of T1 (25ms)"},
		{Config{Poll: 1}, "poll is for half-duplex only"},
	} {
		err := c.c.Validate()
		if err == nil && c.err != "" || err != nil && err.Error() != c.err {
			t.Errorf("%+v: %v, want %q", c.c, err, c.err)
		}
	}
}

func TestT1(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want time.Duration
	}{
		{Config{}, 202 * time.Millisecond},
		{Config{Baud: 9600}, 1772 * time.Millisecond},
		{Config{Baud: 1_000_000, Window: 1, Info: 32}, 100 * time.Millisecond},
		{Config{HalfDuplex: true}, 100 * time.Millisecond},
		{Config{T1: time.Second}, time.Second},
	} {
		if got := c.c.withDefaults().T1; got.Truncate(time.Millisecond) != c.want {
			t.Errorf("%+v: %v, want %v", c.c, got, c.want)
		}
	}
}
