package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"runnel/transport/mdns"
)

// systemTime bounds the look-up of a .local name by the system's resolver. If no DNS server answers for such names, it
// would use up the whole time for dialling.
const systemTime = 2 * time.Second

// local dials hosts. It resolves .local names by multicast DNS if the system's resolver does not find them: a static binary
// does not use the mDNS modules of nsswitch.conf.
type local struct{ net.Dialer }

func (l local) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !mdns.IsLocal(host) {
		return l.DialContext(ctx, network, address)
	}
	found, err := lookupLocal(ctx, host)
	if err != nil {
		return nil, err
	}
	for i, a := range found {
		var conn net.Conn
		var failed error
		if conn, failed = l.try(ctx, network, net.JoinHostPort(a.String(), port), len(found)-i); failed == nil {
			return conn, nil
		}
		err = errors.Join(err, failed)
	}
	return nil, fmt.Errorf("%s: %w", host, err)
}

// try dials one address within its share of the time that is left.
func (l local) try(ctx context.Context, network, address string, shares int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(shares))
		defer cancel()
	}
	return l.DialContext(ctx, network, address)
}

// lookupLocal resolves a name by the system's resolver, and by multicast DNS if that fails.
func lookupLocal(ctx context.Context, host string) ([]netip.Addr, error) {
	brief, cancel := context.WithTimeout(ctx, systemTime)
	found, err := net.DefaultResolver.LookupNetIP(brief, "ip", host)
	cancel()
	if err == nil && len(found) > 0 {
		for i := range found {
			found[i] = found[i].Unmap()
		}
		return found, nil
	}
	return mdns.Lookup(ctx, host)
}
