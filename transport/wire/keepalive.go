package wire

import (
	"fmt"
	"sync"
	"time"
)

// keepAlive finds a peer that is gone without a word. It has a timer, no goroutine.
//
// Silence counts only while the reader waits for octets: a reader that is busy, or held up because others are slow,
// hears nothing by its own fault.
type keepAlive struct {
	conn     *Conn
	interval time.Duration
	timeout  time.Duration
	ping     func() bool

	mu     sync.Mutex
	timer  *time.Timer
	life   uint32 // the Conn's counters at the last tick
	taken  uint32
	pinged bool // a PING was due, and is awaited or still on its way
	out    bool // it was written
}

// KeepAlive calls ping when the peer has been silent for interval (and before 2*interval are over), and closes the
// connection if nothing arrives for timeout after that. ping sends a PING, may wait for the wire, and reports whether
// it got out; if not, octets that the peer takes count as life. KeepAlive is called once, before the Conn is shared.
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
	k.timer.Stop()
	k.mu.Unlock()
}

// tick looks whether the peer was silent since the last tick.
func (k *keepAlive) tick() {
	if k.conn.Err() != nil {
		return
	}
	send, err := k.look()
	if err != nil {
		k.conn.Fail(err)
		return
	}
	if send && k.ping() {
		k.mu.Lock()
		k.out = true
		k.mu.Unlock()
	}
}

// look decides what a tick means, and sets the next one.
func (k *keepAlive) look() (send bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	life, taken := k.conn.life.Load(), k.conn.taken.Load()
	silent := life == k.life && life&1 == 1
	stuck := taken == k.taken
	k.life, k.taken = life, taken
	switch {
	case !silent:
		k.pinged, k.out = false, false
		k.timer.Reset(k.interval)
		return false, nil
	case k.pinged && k.out:
		return false, fmt.Errorf("no answer to PING in %v", k.timeout)
	case k.pinged && stuck:
		return false, fmt.Errorf("the peer took no octets for %v", k.timeout)
	}
	k.pinged, k.out = true, false
	k.timer.Reset(k.timeout)
	return true, nil
}
