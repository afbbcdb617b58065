package wire

import "time"

// probeStep is how often Probe looks.
const probeStep = 20 * time.Millisecond

// Probe has ping ask the peer for a sign of life, and reports whether any octets come within the time. Any goroutine.
func (c *Conn) Probe(ping func(), within time.Duration) bool {
	before := c.life.Load() >> 1
	go ping() // it may wait for the wire, until the connection is closed
	for end := time.Now().Add(within); time.Now().Before(end) && c.Err() == nil; time.Sleep(probeStep) {
		if c.life.Load()>>1 != before {
			return true
		}
	}
	return false
}
