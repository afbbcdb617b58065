package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/report"
	"runnel/edge"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// realmOptions returns the options of a realm, including the nodes and tokens of the fleet.
func (n *Node) realmOptions(c *config.Config, r config.Realm) (edge.RealmOptions, error) {
	return config.RealmOptions(c, r, n.fleet.Principals(r)...)
}

// serve answers the router's own procedures and those of the fleet in one realm.
func (n *Node) serve(ctx context.Context, r *reporter) error {
	for procedure, answer := range n.fleet.Procedures(r.realm, fleetRouter{n}) {
		if _, err := r.Register(ctx, procedure, client.RegisterOptions{Persist: true}, answer); err != nil {
			return fmt.Errorf("register %s: %w", procedure, err)
		}
	}
	if _, err := r.Register(ctx, procedureDoctor, client.RegisterOptions{Persist: true}, n.doctor.answer); err != nil {
		return fmt.Errorf("register %s: %w", procedureDoctor, err)
	}
	return report.Serve(ctx, r.Client, r.realm, n, n.log)
}

var _ fleet.Router = fleetRouter{}

// fleetRouter is the router as the fleet's procedures see it.
type fleetRouter struct{ *Node }

func (f fleetRouter) realm(name string) (config.Realm, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.config.Realms, func(r config.Realm) bool { return r.Name == name })
	if i < 0 {
		return config.Realm{}, false
	}
	return f.config.Realms[i], true
}

func (f fleetRouter) Roles(realm string) (names []string) {
	r, _ := f.realm(realm)
	for _, role := range r.Roles {
		names = append(names, role.Name)
	}
	return names
}

func (f fleetRouter) Strict(realm string) bool {
	r, _ := f.realm(realm)
	return r.Strict
}

func (f fleetRouter) Configured(realm, authid string) bool {
	r, _ := f.realm(realm)
	return slices.ContainsFunc(r.Principals, func(p config.Principal) bool { return p.Authid == authid })
}

// Refresh updates the realm's principals. It waits for a change of the configuration in progress, and must not undo
// it.
func (f fleetRouter) Refresh(realm string) error {
	f.changing.Lock()
	defer f.changing.Unlock()
	r, ok := f.realm(realm)
	if !ok || !f.running {
		return errNotRunning
	}
	f.mu.Lock()
	c := f.config
	f.mu.Unlock()
	opts, err := f.realmOptions(c, r)
	if err == nil {
		err = f.router.UpdateRealm(opts)
	}
	return err
}

// Linked lists the connected sessions through the meta API. If an authid has several sessions, it returns the last one.
func (f fleetRouter) Linked(ctx context.Context, realm string) (map[string]string, error) {
	c, err := client.Connect(ctx, client.Options{Dial: f.internal(config.LinkRole, realm), Realm: realm, Reconnect: client.Reconnect{Disabled: true}, Log: f.log})
	if err != nil {
		return nil, err
	}
	defer c.Close(ctx)
	result, err := c.Call(ctx, "wamp.session.list", client.CallOptions{}, client.Payload{})
	if err != nil {
		return nil, err
	}
	linked := map[string]string{}
	args := result.Args()
	if len(args) == 0 {
		return linked, nil
	}
	ids, _ := args[0].([]any)
	for _, id := range ids {
		about, err := c.Call(ctx, "wamp.session.get", client.CallOptions{}, client.Args(id))
		if errors.Is(err, wamp.NoSuchSession) {
			continue // it has left meanwhile
		}
		if err != nil {
			return nil, err
		}
		if args := about.Args(); len(args) > 0 {
			details, _ := args[0].(map[string]any)
			authid, _ := details["authid"].(string)
			way, _ := details["transport"].(map[string]any)
			linked[authid] = fmt.Sprint(way["peer"])
		}
	}
	return linked, nil
}
