package transport

import (
	"errors"
	"sync"
)

// Descriptors limits the file descriptors that the listeners of a process use for connections. Peers thus cannot use up
// those that the router needs for files, uplinks, serial ports and reloads. Some are reserved for Unix sockets, so that
// local programs and operators can connect while remote peers occupy all others. Any goroutine may use it.
type Descriptors struct {
	mu     sync.Mutex
	used   int
	all    int // limit on connections
	remote int // limit on connections beyond which only Unix sockets get descriptors
}

var errNoDescriptors = errors.New("no file descriptor is left for another connection; raise the limit (LimitNOFILE, ulimit -n)")

// Shares of the process's descriptors.
const (
	ownShare   = 8 // the router's own: one eighth, between ownMin and ownMax
	ownMin     = 48
	ownMax     = 1024
	localShare = 16 // reserved for Unix sockets: one sixteenth, at least localMin
	localMin   = 8
)

// NewDescriptors returns the Descriptors of a process that may open limit files.
func NewDescriptors(limit int) *Descriptors {
	own := min(max(limit/ownShare, ownMin), ownMax)
	all := max(limit-own, limit/4)
	return &Descriptors{all: all, remote: all - max(all/localShare, min(localMin, all/2))}
}

// take reserves a descriptor for a connection. local is true for Unix sockets.
func (d *Descriptors) take(local bool) bool {
	if d == nil {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.used >= d.all || !local && d.used >= d.remote {
		return false
	}
	d.used++
	return true
}

// release returns a descriptor.
func (d *Descriptors) release() {
	if d == nil {
		return
	}
	d.mu.Lock()
	d.used--
	d.mu.Unlock()
}
