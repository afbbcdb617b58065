package config

import (
	"time"

	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/wamp"
)

// The roles of the router's own sessions. No role of the configuration begins with "runnel.".
const (
	ownRoles   = "runnel."
	LinkRole   = ownRoles + "uplink"
	StatusRole = ownRoles + "status"
	EnrolRole  = ownRoles + "enrol" // of sessions that joined with a fleet token
	FleetRole  = ownRoles + "fleet" // of the session that serves the nodes of the fleet
)

// RealmOptions returns the options of a realm. It reads the secrets that the realm names. It adds the principals of the fleet;
// if an authid is in both, the principal of the configuration takes precedence.
func RealmOptions(c *Config, r Realm, fleet ...auth.Principal) (edge.RealmOptions, error) {
	who, err := principals(r, fleet)
	return edge.RealmOptions{
		Name: r.Name, Strict: r.Strict, Anonymous: r.Anonymous, Roles: roles(r), Principals: who,
		Authenticators: r.Authenticators, History: histories(r), State: stateDir(c, r.Name),
		Confirmed: confirmations(c, r.Name), Durable: append(durables(r), webhookSubscriptions(c, r.Name)...), DurableSize: int64(r.DurableSize),
	}, err
}

// enrolProcedure is the only procedure that a session with a fleet token may call.
const enrolProcedure = "runnel.fleet.enrol"

func roles(r Realm) []*auth.Role {
	list := []*auth.Role{
		auth.NewRole(LinkRole, []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}),
		auth.NewRole(StatusRole, []auth.Permission{{URI: "runnel.", Match: wamp.Prefix, Allow: auth.Register | auth.Publish}}),
		auth.NewRole(FleetRole, []auth.Permission{{URI: "runnel.", Match: wamp.Prefix, Allow: auth.Register | auth.Publish}, {URI: "wamp.session.get", Allow: auth.Call}}),
		auth.NewRole(EnrolRole, []auth.Permission{{URI: enrolProcedure, Allow: auth.Call, Disclose: true}}),
	}
	for _, role := range r.Roles {
		list = append(list, role.Compile())
	}
	return list
}

// nodeProcedures is the prefix of the procedures by which a node reports to its centre. They act only on the caller's
// own entry, so a role of links may call them unless one of its permissions decides otherwise.
const nodeProcedures = "runnel.fleet.node."

// Compile returns the role as the router applies it.
func (role Role) Compile() *auth.Role {
	list := permissions(role)
	compiled := auth.NewRole(role.Name, list)
	if _, decided := compiled.Explain(nodeProcedures + "report"); role.Forward && !decided && role.Authorizer == "" {
		compiled = auth.NewRole(role.Name, append(list, auth.Permission{URI: nodeProcedures, Match: wamp.Prefix, Allow: auth.Call}))
	}
	if role.Authorizer != "" {
		compiled = compiled.WithAuthorizer(role.Authorizer)
	}
	if role.Forward {
		compiled = compiled.WithForward()
	}
	if role.Durable {
		compiled = compiled.WithDurable()
	}
	return compiled
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
