package nats

import "time"

// ShortenCalls makes the waits of calls short.
func (l *Link) ShortenCalls(unit time.Duration) {
	l.calls.times = times{unit, unit, 20 * unit, 10 * unit, unit, 4 * unit}
}
