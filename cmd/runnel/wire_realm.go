package main

import (
	"net/url"
	"path/filepath"
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// The roles of the router's own sessions. No role of the configuration begins with "runnel.".
const (
	ownRoles   = "runnel."
	linkRole   = ownRoles + "uplink"
	statusRole = ownRoles + "status"
)

func (n *node) addRealm(c *Config, r Realm) error {
	opts, err := realmOptions(c, r)
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
		Dial: n.within(statusRole, realm), Realm: realm, Log: n.log,
		OnUp: func(client.Welcome) { tried() }, OnFailed: func(error) { tried() }, // when there are too many sessions
	})
	return r
}

func realmOptions(c *Config, r Realm) (edge.RealmOptions, error) {
	who, err := principals(r)
	return edge.RealmOptions{
		Name: r.Name, Strict: r.Strict, Anonymous: r.Anonymous, Roles: roles(r), Principals: who,
		Authenticators: r.Authenticators, History: histories(r), State: stateDir(c, r.Name),
		Confirmed: confirmations(c, r.Name),
	}, err
}

func roles(r Realm) []*auth.Role {
	list := []*auth.Role{
		auth.NewRole(linkRole, []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}),
		auth.NewRole(statusRole, []auth.Permission{{URI: "runnel.", Match: wamp.Prefix, Allow: auth.Register | auth.Publish}}),
	}
	for _, role := range r.Roles {
		list = append(list, role.compile())
	}
	return list
}

func (role Role) compile() *auth.Role {
	compiled := auth.NewRole(role.Name, permissions(role))
	if role.Authorizer != "" {
		compiled = compiled.WithAuthorizer(role.Authorizer)
	}
	if role.Forward {
		compiled = compiled.WithForward()
	}
	return compiled
}

// systemData is where data goes if the configuration doesn't say: as a service, or wherever somebody has made it.
const systemData = "/var/lib/runnel"

// stateDir is where a realm keeps its retained events and histories; "" is nowhere.
func stateDir(c *Config, realm string) string {
	data := dataDir(c)
	if data == "" {
		return ""
	}
	return filepath.Join(data, "realm", url.PathEscape(realm))
}

// dataDir is where data goes; "" is nowhere.
func dataDir(c *Config) string {
	if c.keepsNothing {
		return ""
	}
	if c.Node.Data == "" && writable(systemData) {
		return systemData
	}
	return string(c.Node.Data)
}

func histories(r Realm) (list []edge.HistoryRule) {
	for _, h := range r.Histories {
		list = append(list, edge.HistoryRule{
			URI: h.URI, Match: wamp.Match(h.Match), Events: h.Events, Octets: int(h.MaxSize), Age: time.Duration(h.MaxAge),
		})
	}
	return list
}

func permissions(role Role) (list []auth.Permission) {
	for _, p := range role.Permissions {
		permission := auth.Permission{URI: p.URI, Match: wamp.Match(p.Match), Disclose: p.Disclose, Trust: p.Trust}
		for _, name := range p.Allow {
			action, _ := auth.ParseAction(name) // the configuration was checked
			permission.Allow |= action
		}
		list = append(list, permission)
	}
	return list
}
