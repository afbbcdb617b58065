// Package mdns finds the addresses of .local names by multicast DNS (RFC 6762). It sends each question in two ways at once:
//
//   - as a one-shot querier, from a port of its own, to which responders send the answer (sections 5.1 and 6.7). This needs
//     no privilege and no port 5353, which another responder of the machine may occupy.
//   - from port 5353, if it can be shared. Responders then send the answer to the group, which firewalls allow.
//
// The files:
//
//	mdns.go      Lookup: when to ask, and for how long
//	socket.go    a socket for each interface and address family
//	message.go   encodes a question and parses an answer
package mdns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

const (
	// lookupTime bounds Lookup, because a name that no host has is not answered at all.
	lookupTime = 3 * time.Second

	// settleTime is the time to collect further addresses after the first answer: each interface and address family is
	// answered separately.
	settleTime = 150 * time.Millisecond

	maxAddresses = 16
	maxName      = 253 // bytes
)

// asked lists when the question is sent, from the start of Lookup (RFC 6762, 5.2: the first two a second apart, then at
// growing intervals).
var asked = []time.Duration{0, 300 * time.Millisecond, 1300 * time.Millisecond}

// ErrNotFound means that no host on the local network answered for the name.
var ErrNotFound = errors.New("no host on the local network answers to this name (mDNS)")

// IsLocal reports whether a host name is resolved by multicast DNS.
func IsLocal(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return strings.HasSuffix(host, ".local") && len(host) > len(".local") && len(host) <= maxName
}

// Lookup returns the addresses of a name in the order in which to try them: IPv4, then IPv6, and link-local addresses last
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

// ask sends the question repeatedly until ctx is done, and then closes the sockets.
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

// order sorts addresses in the order in which to try them.
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
	sort.SliceStable(list, func(i, j int) bool { return rank(list[i]) < rank(list[j]) })
	return list
}
