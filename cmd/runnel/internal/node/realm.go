package node

import (
	"context"
	"sync"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
)

// reporter is the router's own session in one realm. It offers the procedures runnel.*.
type reporter struct {
	*client.Client
	realm string
	work  *work

	tried chan struct{} // closed after the first attempt to join, successful or not
	once  sync.Once
}

func (n *Node) addRealm(c *config.Config, r config.Realm) error {
	opts, err := n.realmOptions(c, r)
	if err != nil {
		return err
	}
	if err := n.router.AddRealm(opts); err != nil {
		return err
	}
	n.reporters = append(n.reporters, n.newReporter(r.Name))
	return nil
}

func (n *Node) newReporter(realm string) *reporter {
	r := &reporter{realm: realm, tried: make(chan struct{})}
	tried := func() { r.once.Do(func() { close(r.tried) }) }
	r.Client = client.New(client.Options{
		Dial: n.internal(config.StatusRole, realm), Realm: realm, Log: n.log,
		OnUp: func(client.Welcome) { tried() }, OnFailed: func(error) { tried() }, // it fails at the limit of sessions
	})
	return r
}

// startReporter returns when the procedures are registered, so that no session that joins finds them missing.
func (n *Node) startReporter(r *reporter) {
	r.work = n.reporting.start(func(ctx context.Context) error { return n.serve(ctx, r) })
	select {
	case <-r.tried:
	case <-r.work.done:
	}
}
