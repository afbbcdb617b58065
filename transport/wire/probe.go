package wire

import "time"

// probeStep is how often Probe checks for received bytes.
const probeStep = 20 * time.Millisecond

// Probe calls ping and reports whether any bytes arrive within the given time. Any goroutine may call it.
func (c *Conn) Probe(ping func(), within time.Duration) bool {
	before := c.received.Load() &^ readerWaits
	go ping() // it may block until the connection is closed
	for end := time.Now().Add(within); time.Now().Before(end) && c.Err() == nil; time.Sleep(probeStep) {
		if c.received.Load()&^readerWaits != before {
			return true
		}
	}
	return false
}
