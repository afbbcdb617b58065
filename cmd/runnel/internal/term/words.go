package term

import (
	"fmt"
	"strconv"
	"time"
)

// Count writes "no listeners", "1 listener", "2 listeners".
func Count(n int, noun string) string {
	if n == 0 {
		return "no " + noun + "s"
	}
	return Counted(n, noun)
}

// Counted writes "0 events", "1 event", "2 events".
func Counted[N int | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Times writes "once", "twice", "3 times".
func Times(n uint64) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// Bytes writes a number of bytes with few digits: "512B", "12kB", "1.5MB", "2.0GB".
func Bytes[N int64 | uint64](n N) string {
	switch f := float64(n); {
	case f >= 1e9:
		return fmt.Sprintf("%.1fGB", f/1e9)
	case f >= 1e6:
		return fmt.Sprintf("%.1fMB", f/1e6)
	case f >= 1e4:
		return fmt.Sprintf("%.0fkB", f/1e3)
	}
	return strconv.FormatInt(int64(n), 10) + "B"
}

// Seconds turns seconds into a duration, rounded to a second.
func Seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Second)
}

// Since returns how long ago t was, rounded to a second.
func Since(t time.Time) time.Duration { return time.Since(t).Round(time.Second) }

// Dash writes "-" for an empty text.
func Dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
