package nats

import "time"

// ShortenCalls makes the waits of calls short.
func (l *Link) ShortenCalls(unit time.Duration) {
	l.calls.times = times{unit, unit, 20 * unit, 10 * unit, unit, 4 * unit}
}

// ShortenLife makes the link notice the end of another link soon. Its other waits stay long, for a slow machine.
func (l *Link) ShortenLife() {
	t := &l.calls.times
	t.aliveFirst, t.aliveEvery, t.life = 100*time.Millisecond, 100*time.Millisecond, 3*time.Second
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
