package main

import (
	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
)

func (n *node) addRealm(c *config.Config, r config.Realm) error {
	opts, err := config.RealmOptions(c, r)
	if err != nil {
		return err
	}
	if err := n.router.AddRealm(opts); err != nil {
		return err
	}
	n.reporters = append(n.reporters, n.newReporter(r.Name))
	return nil
}

func (n *node) newReporter(realm string) *reporter {
	r := &reporter{realm: realm, tried: make(chan struct{})}
	tried := func() { r.once.Do(func() { close(r.tried) }) }
	r.Client = client.New(client.Options{
		Dial: n.within(config.StatusRole, realm), Realm: realm, Log: n.log,
		OnUp: func(client.Welcome) { tried() }, OnFailed: func(error) { tried() }, // when there are too many sessions
	})
	return r
}
