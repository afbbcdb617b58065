package rest

import (
	"context"
	"net/http"
	"sync"

	"runnel/edge/wamp"
)

// streams counts the streams of one listener. A stream of a durable subscription replaces the client's previous
// stream, whose connection may have died unnoticed.
type streams struct {
	mu     sync.Mutex
	total  int
	hosts  map[string]int
	owners map[string]*owner // by durable subscription and client
}

// owner identifies a stream, its client and its durable subscription.
type owner struct {
	cancel func()
	ended  chan struct{}
	host   string
	key    string // in streams.owners; "": not listed
}

func (l *streams) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// add counts a stream until remove is called.
func (l *streams) add(me *owner) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.total >= maxStreams:
		return refuse(http.StatusServiceUnavailable, wamp.Unavailable, "too many streams of events")
	case l.hosts[me.host] >= maxOfHost:
		return refuse(http.StatusTooManyRequests, wamp.Unavailable, "too many streams of events to this address")
	}
	if l.hosts == nil {
		l.hosts, l.owners = map[string]int{}, map[string]*owner{}
	}
	l.total++
	l.hosts[me.host]++
	return nil
}

func (l *streams) remove(me *owner) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.hosts[me.host]--; l.hosts[me.host] == 0 {
		delete(l.hosts, me.host)
	}
	if l.owners[me.key] == me {
		delete(l.owners, me.key)
	}
	close(me.ended)
}

// replace ends the client's stream of the same durable subscription, and returns once it has ended.
func (l *streams) replace(ctx context.Context, me *owner, who credentials, durable string) error {
	key := who.realm + " " + who.authid + " " + durable
	switch {
	case who.authid != "":
	case who.peer.Certificate != nil: // several devices may share an address
		key += " " + who.peer.Certificate.SHA256
	default:
		key += " " + me.host
	}
	l.mu.Lock()
	before := l.owners[key]
	l.owners[key], me.key = me, key
	l.mu.Unlock()
	if before == nil {
		return nil
	}
	before.cancel()
	select {
	case <-before.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
