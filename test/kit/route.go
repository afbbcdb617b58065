package kit

import (
	"errors"
	"io"
	"slices"
	"sync"
)

// Route is the way to a router, which a test can interrupt. The zero value is open. Any goroutine may call its methods.
type Route struct {
	mu sync.Mutex
	// Guarded by mu.
	cut   bool
	conns []io.Closer // oldest first
}

// Enter adds a connection, which Break and Cut close. It fails while the route is cut.
func (r *Route) Enter(conn io.Closer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut {
		return errors.New("no route to host")
	}
	r.conns = append(r.conns, conn)
	return nil
}

// Break closes all connections, newest first.
func (r *Route) Break() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.close()
}

// Cut closes all connections and lets none enter until Mend.
func (r *Route) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = true
	r.close()
}

// Mend lets connections enter again.
func (r *Route) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = false
}

// close closes all connections. The caller holds mu.
func (r *Route) close() {
	for _, c := range slices.Backward(r.conns) {
		c.Close()
	}
	r.conns = nil
}
