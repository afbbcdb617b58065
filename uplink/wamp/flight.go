package wamp

import (
	"context"
	"sort"
	"sync"
)

// flight holds the events that were sent in one session at the centre and are not answered yet. Its methods may be called
// from any goroutine.
type flight struct {
	mu sync.Mutex
	// Guarded by mu.
	under map[uint64]shipment // by number
	over  bool                // the session has ended: under stays as it was at the end
	empty chan struct{}       // closed when nothing is in flight; nil: no goroutine waits for that
}

// shipment is an event in flight.
type shipment struct {
	sequence uint64
	topic    string
	size     int  // bytes of the payload
	probe    bool // sent to find out whether the centre accepts its held topic now
	proven   bool // the centre had answered in this session before the event was sent
}

func newFlight() *flight { return &flight{under: make(map[uint64]shipment)} }

// add records an event that is about to be sent.
func (f *flight) add(s shipment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.over {
		f.under[s.sequence] = s
	}
}

// remove forgets an event that was answered or could not be sent.
func (f *flight) remove(sequence uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	delete(f.under, sequence)
	if len(f.under) == 0 {
		f.release()
	}
}

// close records that the session has ended.
func (f *flight) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.release()
}

// release ends wait. The caller holds mu.
func (f *flight) release() {
	if f.empty != nil {
		close(f.empty)
		f.empty = nil
	}
}

// wait returns when nothing is in flight, when the session has ended, or when ctx is done.
func (f *flight) wait(ctx context.Context) {
	f.mu.Lock()
	if f.over || len(f.under) == 0 {
		f.mu.Unlock()
		return
	}
	if f.empty == nil {
		f.empty = make(chan struct{})
	}
	empty := f.empty
	f.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}

// open returns the events in flight, in order.
func (f *flight) open() (list []shipment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.under {
		list = append(list, s)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].sequence < list[j].sequence })
	return list
}
