package transport

import (
	"errors"
	"sync"
)

// Descriptors shares the file descriptors of a process among its listeners, so that peers can't use up those that the
// router itself needs: for the disk, uplinks, serial ports, a reload. Some are for Unix sockets alone, so that programs
// and operators on this machine get in when peers elsewhere have taken all others. Any goroutine may use it.
type Descriptors struct {
	mu   sync.Mutex
	used int
	all  int // connections in all
	far  int // connections of which there may be as many before only Unix sockets get more
}

var errNoDescriptors = errors.New("no descriptor is left for another connection")

// Parts of the descriptors that a process may have.
const (
	ownShare   = 8 // the router's own: an eighth, within these bounds
	ownMin     = 48
	ownMax     = 1024
	localShare = 16 // for Unix sockets alone: a sixteenth, at least
	localMin   = 8
)

// NewDescriptors shares those of a process that may have limit.
func NewDescriptors(limit int) *Descriptors {
	own := min(max(limit/ownShare, ownMin), ownMax)
	all := max(limit-own, limit/4)
	return &Descriptors{all: all, far: all - max(all/localShare, min(localMin, all/2))}
}

// take takes one, for a connection of this machine by a Unix socket or for any other.
func (d *Descriptors) take(local bool) bool {
	if d == nil {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.used >= d.all || !local && d.used >= d.far {
		return false
	}
	d.used++
	return true
}

// give gives one back.
func (d *Descriptors) give() {
	if d == nil {
		return
	}
	d.mu.Lock()
	d.used--
	d.mu.Unlock()
}
