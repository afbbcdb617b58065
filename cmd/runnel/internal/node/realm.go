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
	*joining
	realm string
	work  *work
	desk  *desk // of the same realm
}

// joining reports when a client of the router itself has tried to join.
type joining struct {
	tried chan struct{} // closed after the first attempt, successful or not
	once  sync.Once
}

func newJoining() *joining { return &joining{tried: make(chan struct{})} }

func (j *joining) up(client.Welcome) { j.failed(nil) }

// failed records a failed attempt, for example at the limit of sessions.
func (j *joining) failed(error) { j.once.Do(func() { close(j.tried) }) }

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
	r := &reporter{realm: realm, joining: newJoining(), desk: n.newDesk(realm)}
	r.Client = client.New(client.Options{Dial: n.internal(config.StatusRole, realm), Realm: realm, Log: n.log, OnUp: r.up, OnFailed: r.failed})
	return r
}

// startReporter returns when the procedures are registered, so that every session that joins finds them.
func (n *Node) startReporter(r *reporter) {
	r.work = n.reporting.start(func(ctx context.Context) error { return n.serve(ctx, r) })
	r.desk.work = n.reporting.start(r.desk.Run)
	for _, part := range []struct {
		*joining
		*work
	}{{r.joining, r.work}, {r.desk.joining, r.desk.work}} {
		select {
		case <-part.tried:
		case <-part.done:
		}
	}
}

// stop ends the reporter without waiting: its session may be the one that asked for the reload.
func (r *reporter) stop() {
	r.work.stop()
	r.desk.work.stop()
}
