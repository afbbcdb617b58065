package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"syscall"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/doctor"
	"runnel/cmd/runnel/internal/report"
	"runnel/edge/client"
	"runnel/transport/systemd"
)

// StatusOf returns the status, as JSON, of the router that runs with a configuration. It connects to --url, else to a
// listener of the configuration for programs of this machine.
func (r *Router) StatusOf(ctx context.Context, c *config.Config) ([]byte, error) {
	ask := *r
	if ask.URL == "" {
		ask.URL = localURL(c)
		if len(c.Realms) > 0 { // an invalid configuration may lack its realms
			ask.Realm = c.Realms[0].Name
		}
	}
	if ask.URL == "" {
		return nil, doctor.ErrNotRunning
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := ask.Connect(ctx)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil, doctor.ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	defer Close(conn)
	result, err := conn.Call(ctx, report.ProcedureStatus, client.CallOptions{}, client.Payload{})
	if err != nil {
		return nil, ask.Explain(report.ProcedureStatus, CallError(err))
	}
	args, _, err := result.Decode()
	if err != nil || len(args) == 0 {
		return nil, fmt.Errorf("%s: cannot read the answer: %v", report.ProcedureStatus, err)
	}
	return json.Marshal(args[0])
}

// localURL returns the first Unix socket at which a configuration listens, else a loopback address; "" if it has neither.
// Of sockets that systemd passes it finds those at the usual paths.
func localURL(c *config.Config) (found string) {
	for _, l := range c.Listens {
		if _, passed := systemd.Name(l.URL); passed {
			if socket := existingSocket(); socket != "" {
				return socket
			}
			continue
		}
		at, err := config.ListenURL(l.URL)
		u, bad := url.Parse(at)
		if err != nil || bad != nil {
			continue
		}
		if u.Scheme == "unix" {
			return at
		}
		ip := net.ParseIP(u.Hostname())
		if found == "" && u.Port() != "0" && (u.Scheme == "tcp" || u.Scheme == "ws") && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
			found = at
		}
	}
	return found
}
