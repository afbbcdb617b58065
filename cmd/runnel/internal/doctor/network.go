package doctor

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"runnel/cmd/runnel/internal/config"
	"runnel/transport"
)

// checkNames resolves the hosts of the uplinks.
func checkNames(ctx context.Context, e *examination) {
	if e.config == nil {
		return
	}
	known := map[string]bool{}
	for _, u := range e.config.Uplinks {
		for _, text := range u.URL {
			at, err := url.Parse(text)
			if err != nil || at.Hostname() == "" || known[at.Hostname()] || net.ParseIP(at.Hostname()) != nil {
				continue
			}
			known[at.Hostname()] = true
			if strings.HasSuffix(at.Hostname(), ".local") {
				continue // mDNS: checkUplinks looks it up when it connects
			}
			e.resolve(ctx, u, at.Hostname())
		}
	}
}

func (e *examination) resolve(ctx context.Context, u config.Uplink, host string) {
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err == nil && len(addresses) > 0 {
		return
	}
	e.add(Finding{"network", Error, "uplink " + u.Name, fmt.Sprintf("the name %s does not resolve: %v", host, err), fmt.Sprintf("getent hosts %s repeats the look-up; check the network (ip addr) and the name servers in /etc/resolv.conf, or correct the url", host)})
}

// reach connects and sends nothing, for servers that do not speak WAMP.
func reach(ctx context.Context, at *url.URL, port string) error {
	host := at.Host
	if at.Port() == "" {
		host = net.JoinHostPort(at.Hostname(), port)
	}
	conn, err := transport.DialStream(ctx, host, false, transport.DialOptions{})
	if err == nil {
		conn.Close()
	}
	return err
}
