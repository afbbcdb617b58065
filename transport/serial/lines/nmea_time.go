package lines

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// A receiver without a fix sends some date all the same: 1980, that of its last fix, or one that is 1024 weeks behind
// because its week number has begun anew. So its time is used only with a fix, and if the date is plausible.

// fixFor is how long a fix is good for sentences that do not say whether there is one.
const fixFor = 10 * time.Second

// fix is what a receiver said last of its fix.
type fix struct {
	mu    sync.Mutex
	valid bool
	at    time.Time
}

// time returns the time that a sentence gives, or the zero time if it gives none that can be trusted.
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

// hasFix reports whether a sentence says that there is a fix; says is false if it tells nothing of that.
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

// plausible reports whether a receiver's time can be right: the program is not younger than the present. A receiver may
// be ahead of this machine's clock, which may not have been set for long, but not by years.
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
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				year = max(year, t.Year())
			}
		}
	}
	return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
})
