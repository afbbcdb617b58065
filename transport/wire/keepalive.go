package wire

import (
	"fmt"
	"sync"
	"time"
)

// keepAlive detects a peer that has vanished without closing the connection. It has a timer and no goroutine.
//
// The peer's silence is measured only while the reader waits for it. A reader that is busy, or blocked by slow subscribers,
// receives nothing for reasons that are not the peer's.
type keepAlive struct {
	conn     *Conn
	interval time.Duration
	timeout  time.Duration
	ping     func() bool

	mu       sync.Mutex
	timer    *time.Timer
	received uint32 // the Conn's counters at the last tick
	sent     uint32
	pinged   bool      // a PING was due
	written  time.Time // when the last PING was written; zero: it was not
}

// KeepAlive calls ping after the peer has been silent for interval, at the latest after 2*interval. It closes the
// connection if nothing arrives for timeout after that. ping sends a PING, may block for timeout, and reports whether the
// PING was written. The peer's time begins when it was. Until then the connection stays open as long as the peer takes
// outbound bytes. KeepAlive is called once, before the Conn is shared.
func (c *Conn) KeepAlive(interval, timeout time.Duration, ping func() bool) {
	if interval <= 0 {
		return
	}
	k := &keepAlive{conn: c, interval: interval, timeout: timeout, ping: ping}
	c.alive = k
	k.mu.Lock()
	k.timer = time.AfterFunc(interval, k.tick)
	k.mu.Unlock()
}

func (k *keepAlive) stop() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer.Stop()
}

// tick checks whether the peer was silent since the last tick.
func (k *keepAlive) tick() {
	if k.conn.Err() != nil {
		return
	}
	send, err := k.check()
	if err != nil {
		k.conn.Fail(err)
		return
	}
	if send && k.ping() {
		k.mu.Lock()
		k.written = time.Now()
		k.mu.Unlock()
	}
}

// check decides whether a PING is due or the peer has timed out, and sets the next tick.
func (k *keepAlive) check() (send bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	received, sent := k.conn.received.Load(), k.conn.sent.Load()
	silent := received == k.received && received&readerWaits != 0
	stuck := sent == k.sent
	k.received, k.sent = received, sent
	switch {
	case !silent:
		k.pinged = false
		k.timer.Reset(k.interval)
		return false, nil
	case k.pinged && !k.written.IsZero():
		left := k.timeout - time.Since(k.written)
		if left <= 0 {
			return false, fmt.Errorf("no answer to PING in %v", k.timeout)
		}
		k.timer.Reset(left)
		return false, nil
	case k.pinged && stuck:
		return false, fmt.Errorf("the peer read no bytes for %v", k.timeout)
	}
	k.pinged, k.written = true, time.Time{}
	k.timer.Reset(k.timeout)
	return true, nil
}
