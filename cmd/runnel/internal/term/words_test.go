package term

import (
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		Count(0, "listener"): "no listeners", Count(1, "listener"): "1 listener", Count(2, "listener"): "2 listeners",
		Counted(0, "event"): "0 events", Counted(1, "event"): "1 event",
		Times(1): "once", Times(2): "twice", Times(3): "3 times", Times(0): "0 times",
		Bytes(uint64(0)): "0B", Bytes(int64(9999)): "9999B", Bytes(int64(10_000)): "10kB", Bytes(int64(999_499)): "999kB", Bytes(int64(1e6)): "1.0MB",
		Bytes(uint64(999_900_000)): "999.9MB", Bytes(uint64(2e9)): "2.0GB",
		Seconds(1.4).String(): "1s", Seconds(90.5).String(): "1m31s",
		Since(time.Now().Add(-time.Hour)).Truncate(time.Minute).String(): "1h0m0s",
		Dash(""): "-", Dash("a"): "a",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
