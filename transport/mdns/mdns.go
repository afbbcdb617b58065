// Package mdns finds the addresses of names below .local by multicast DNS (RFC 6762). It asks in two ways at once:
//
//   - as a one-shot querier, from a port of its own, to which the answer comes (sections 5.1 and 6.7): this needs neither
//     port 5353, which another responder of the machine may have, nor a privilege
//   - from port 5353, where it can be shared: the answer goes to the group, which is what firewalls let through
//
// The files:
//
//	mdns.go      Lookup: when to ask, and how long
//	socket.go    a socket for each interface and address family
//	message.go   a question, and what of an answer counts
package mdns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// lookupTime bounds Lookup: a name that nothing on the network has is not answered at all.
	lookupTime = 3 * time.Second

	// settleTime is how long further addresses are waited for after the first: each interface and family answers for itself.
	settleTime = 150 * time.Millisecond

	maxAddresses = 16
	maxName      = 253 // octets
)

// asked is when the question is sent, after the beginning (RFC 6762, 5.2: the first two a second apart, then longer).
var asked = []time.Duration{0, 300 * time.Millisecond, 1300 * time.Millisecond}

// ErrNotFound means that nothing on the local network has answered for the name.
var ErrNotFound = errors.New("nothing on the local network answers to this name (mDNS)")

// IsLocal reports whether a host name is one that is looked up by multicast DNS.
func IsLocal(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return strings.HasSuffix(host, ".local") && len(host) > len(".local") && len(host) <= maxName
}

// Lookup returns the addresses of a name, those first that are most likely to work: IPv4, then IPv6, link-local ones last
// and with their zone.
func Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	q, err := newQuestion(host, uint16(rand.Uint32()))
	if err != nil {
		return nil, fmt.Errorf("lookup %s: %w", host, err)
	}
	sockets, err := openSockets()
	if err != nil {
		return nil, fmt.Errorf("lookup %s: %w", host, err)
	}
	found := q.ask(ctx, sockets)
	if len(found) == 0 {
		return nil, fmt.Errorf("lookup %s: %w", host, ErrNotFound)
	}
	return found, nil
}

// ask sends the question until an answer comes or ctx is done. It closes the sockets.
func (q *question) ask(ctx context.Context, sockets []*socket) []netip.Addr {
	heard := make(chan netip.Addr, maxAddresses)
	var readers sync.WaitGroup
	for _, s := range sockets {
		readers.Go(func() { s.read(q, heard) })
	}
	defer func() {
		for _, s := range sockets {
			s.conn.Close()
		}
		readers.Wait()
	}()
	var found []netip.Addr
	next := time.NewTimer(0)
	defer next.Stop()
	var settled <-chan time.Time
	for sent := 0; ; {
		select {
		case <-next.C:
			for _, s := range sockets {
				s.send(q)
			}
			if sent++; sent < len(asked) {
				next.Reset(asked[sent] - asked[sent-1])
			}
		case a := <-heard:
			if !slices.Contains(found, a) && len(found) < maxAddresses {
				found = append(found, a)
			}
			if settled == nil {
				settled = time.After(settleTime)
			}
		case <-settled:
			return order(found)
		case <-ctx.Done():
			return order(found)
		}
	}
}

// order puts the addresses first that are most likely to work.
func order(list []netip.Addr) []netip.Addr {
	rank := func(a netip.Addr) int {
		switch {
		case a.Is4() && !a.IsLinkLocalUnicast():
			return 0
		case !a.IsLinkLocalUnicast():
			return 1
		case a.Is4():
			return 2
		}
		return 3
	}
	slices.SortStableFunc(list, func(a, b netip.Addr) int { return cmp.Compare(rank(a), rank(b)) })
	return list
}
