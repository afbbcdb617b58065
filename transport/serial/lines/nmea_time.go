package lines

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// A receiver without a fix still sends a date: 1980, the date of its last fix, or a date 1024 weeks in the past after its
// week number has rolled over. Its time is therefore used only with a fix, and only if the date is plausible.

// fixFor is how long a reported fix is assumed to last, for sentences that do not report it themselves.
const fixFor = 10 * time.Second

// fix is the last report of whether the receiver has a fix.
type fix struct {
	mu    sync.Mutex
	valid bool
	at    time.Time
}

// time returns the time in a sentence, or the zero time if the sentence has none that can be trusted.
func (f *fix) time(name string, fields map[string]any, now time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	if valid, says := hasFix(name, fields); says {
		f.valid, f.at = valid, now
	}
	if !f.valid || now.Sub(f.at) > fixFor {
		return time.Time{}
	}
	day, _ := fields["date"].(string)
	if name == "ZDA" {
		year, _ := fields["year"].(int64)
		month, _ := fields["month"].(int64)
		number, _ := fields["day"].(int64)
		day = fmt.Sprintf("%04d-%02d-%02d", year, month, number)
	}
	clock, _ := fields["utc"].(string)
	t, err := time.Parse(time.DateTime, day+" "+clock)
	if err != nil || !plausible(t, now) {
		return time.Time{}
	}
	return t
}

// hasFix returns whether a sentence reports a fix. says is false if the sentence does not report it at all.
func hasFix(name string, fields map[string]any) (valid, says bool) {
	mode, hasMode := fields["mode"].(string)
	switch name {
	case "RMC", "GLL":
		return fields["status"] == "A" && (!hasMode || strings.ContainsAny(mode, "ADFPR")), true
	case "GNS":
		return strings.ContainsAny(mode, "ADFPR"), true
	case "GGA":
		quality, _ := fields["quality"].(int64)
		return quality >= 1 && quality <= 5, true
	}
	return false, false
}

// plausible reports whether t can be right: not before the program was built, and not years ahead of this machine's
// clock. The clock may be behind, as it may not be set yet.
func plausible(t, now time.Time) bool {
	latest := now
	if latest.Before(built()) {
		latest = built()
	}
	return !t.Before(built()) && t.Before(latest.AddDate(1, 0, 0))
}

// built is the beginning of the year in which the program was built.
var built = sync.OnceValue(func() time.Time {
	year := 2026
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				t, _ := time.Parse(time.RFC3339, s.Value)
				year = max(year, t.Year())
			}
		}
	}
	return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
})
