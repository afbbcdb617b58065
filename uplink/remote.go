package uplink

import (
	"context"
	"sync"

	"runnel/edge/client"
)

// Remote is a way to the central router.
type Remote struct {
	URL  string // for the log and State
	Dial func(ctx context.Context) (client.Conn, error)
}

// remotes goes through the ways to the centre in their order, one an attempt, and begins again with the first after a
// session.
type remotes struct {
	list []Remote

	mu sync.Mutex
	// Guarded by mu.
	next int
	url  string // dialled last
}

func (r *remotes) dial(ctx context.Context) (client.Conn, error) {
	r.mu.Lock()
	way := r.list[r.next]
	r.next = (r.next + 1) % len(r.list)
	r.url = way.URL
	r.mu.Unlock()
	return way.Dial(ctx) // its error names the URL
}

// joined notes that the way dialled last has led to a session, and returns its URL.
func (r *remotes) joined() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = 0
	return r.url
}
