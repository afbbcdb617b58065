// Package standin runs a router inside a test's process, for tests of programs that use one. The test determines the
// answers of its procedures.
package standin

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
	"runnel/transport/memory"
)

// Everything permits everything.
var Everything = []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}

// Plant serves a router with the realm "plant" at a Unix socket until the test ends. Its sessions have the permissions.
func Plant(t testing.TB, allow []auth.Permission, answers map[string]client.Handler) (r *edge.Router, url string) {
	t.Helper()
	r, url = edge.NewRouter(edge.Options{Log: slog.New(slog.DiscardHandler)}), "unix://"+filepath.Join(kit.ShortDir(t), "r.sock")
	kit.Must(t, r.AddRealm(edge.RealmOptions{Name: "plant", Anonymous: "all", Roles: []*auth.Role{auth.NewRole("all", allow)}}))
	Serve(t, r, url, "plant", answers)
	return r, url
}

// Serve serves a router at a URL until the test ends, then closes the router. A session of the realm registers the procedures
// that answers names. Serve returns the address at which the router listens.
func Serve(t testing.TB, r *edge.Router, url, realm string, answers map[string]client.Handler) net.Addr {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	l, err := transport.Listen(url, transport.ListenOptions{Log: quiet})
	kit.Must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx, func(c transport.Conn) { r.Serve(c) }) })
	callee, err := client.Connect(ctx, client.Options{Realm: realm, Log: quiet, Dial: func(context.Context) (client.Conn, error) {
		ours, theirs := memory.Internal(memory.Options{})
		running.Go(func() { r.Serve(theirs) })
		return ours, nil
	}})
	kit.Must(t, err)
	for uri, answer := range answers {
		_, err := callee.Register(ctx, uri, client.RegisterOptions{}, answer)
		kit.Must(t, err)
	}
	t.Cleanup(func() {
		stop()
		callee.Close(context.Background())
		r.Close(context.Background())
		running.Wait()
	})
	return l.Addr()
}
