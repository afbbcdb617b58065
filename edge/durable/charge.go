package durable

// The entries in flight are charged to the memory budget, a chunk at a time.
const (
	flightChunk = 64  // entries
	entryCost   = 192 // bytes of an entry in the list and in the map; rather too high than too low
)

// charge charges another entry in flight. It returns false if the budget has no room; the entry then waits until others are
// done. One entry always has room. The caller holds mu.
func (d *Subscription) charge() bool {
	if len(d.flight) < d.charged*flightChunk {
		return true
	}
	if d.store.Keep != nil && !d.store.Keep(flightChunk*entryCost) {
		return len(d.flight) == 0
	}
	d.charged++
	return true
}

// uncharge frees the chunks that are no longer needed. While the subscription has consumers, it keeps one spare chunk. The
// caller holds mu.
func (d *Subscription) uncharge() {
	need := (len(d.flight) + flightChunk - 1) / flightChunk
	if d.running {
		need++
	}
	if spare := d.charged - need; spare > 0 {
		d.charged = need
		if d.store.Free != nil {
			d.store.Free(spare * flightChunk * entryCost)
		}
	}
}
