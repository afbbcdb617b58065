package nats

import "time"

// ShortenCalls makes the waits of calls short.
func (l *Link) ShortenCalls(unit time.Duration) {
	l.calls.times = times{unit, unit, 20 * unit, 10 * unit, unit, 4 * unit}
}

// ShortenLostTime shortens lostTime until restore is called. Links that are running already must end first.
func ShortenLostTime() (restore func()) {
	before := lostTime
	lostTime = 3 * time.Second
	return func() { lostTime = before }
}

// ShortenAnnouncements shortens announceEvery until restore is called. Links that are running already must end first.
func ShortenAnnouncements() (restore func()) {
	before := announceEvery
	announceEvery = 100 * time.Millisecond
	return func() { announceEvery = before }
}
