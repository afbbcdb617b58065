package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// The procedures. The realm's permissions decide which roles may call those for operators. Sessions that joined with a token
// may call runnel.fleet.enrol only.
const (
	TokenNew    = "runnel.token.new"    // role, uses, expires in seconds -> the token and its properties
	TokenList   = "runnel.token.ls"     // -> a list of tokens
	TokenRevoke = "runnel.token.revoke" // id
	NodeList    = "runnel.fleet.ls"     // -> a list of nodes
	NodeGet     = "runnel.fleet.get"    // id -> a node
	NodeForget  = "runnel.fleet.forget" // id
	NodeEnrol   = "runnel.fleet.enrol"  // node, key, board, version -> the node
)

// Router is the router that a registry belongs to.
type Router interface {
	// Roles lists the roles of a realm.
	Roles(realm string) []string
	// Strict reports whether a realm has strict URIs.
	Strict(realm string) bool
	// Configured reports whether the configuration has a principal.
	Configured(realm, authid string) bool
	// Refresh updates a realm's principals from the registry.
	Refresh(realm string) error
	// Linked returns the addresses of the connected nodes, keyed by node id.
	Linked(ctx context.Context, realm string) (map[string]string, error)
}

// NodeReport describes a node in the result of runnel.fleet.ls, and in the events below runnel.fleet.on_state.
type NodeReport struct {
	Node
	Up           bool      `json:"up"`
	Address      string    `json:"address,omitempty"`
	Name         string    `json:"name,omitempty"` // the id in the node's configuration, if it is another one
	LastSeen     time.Time `json:"last_seen,omitzero"`
	OnlineSince  time.Time `json:"online_since,omitzero"`
	OfflineSince time.Time `json:"offline_since,omitzero"`
	Began        time.Time `json:"began,omitzero"` // when the node's router started

	Remote  bool          `json:"remote,omitempty"` // the node answers commands
	Lines   []LineReport  `json:"lines,omitempty"`
	Queues  []QueueReport `json:"queues,omitempty"`
	Queue   int           `json:"queue"` // events that wait in all queues
	Alarms  []string      `json:"alarms,omitempty"`
	Applied *Applied      `json:"applied,omitempty"`
}

// TokenReport describes a token in the result of runnel.token.ls. It holds no secret.
type TokenReport struct {
	ID      string    `json:"id"`
	Role    string    `json:"role"`
	Uses    int       `json:"uses"`
	Used    int       `json:"used"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	State   string    `json:"state"`
}

func (t Token) report() TokenReport {
	return TokenReport{t.ID, t.Role, t.Uses, t.Used, t.Created, t.Expires, t.State()}
}

// Procedures returns the handlers of a realm's procedures, keyed by URI.
func (r *Registry) Procedures(realm string, router Router) map[string]client.Handler {
	p := procedures{r, realm, router}
	handlers := map[string]client.Handler{}
	for uri, answer := range map[string]func(context.Context, *client.Invocation) (any, error){
		TokenNew: p.newToken, TokenList: p.tokens, TokenRevoke: p.revoke, NodeList: p.nodes, NodeGet: p.node, NodeForget: p.forget, NodeEnrol: p.enrol,
	} {
		handlers[uri] = func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			result, err := answer(ctx, inv)
			if refused := (*Error)(nil); errors.As(err, &refused) {
				return client.Payload{}, client.NewError(refused.URI, refused.Text)
			}
			if err != nil {
				return client.Payload{}, err
			}
			return client.Args(result), nil
		}
	}
	return handlers
}

type procedures struct {
	*Registry
	realm  string
	router Router
}

func (p procedures) newToken(_ context.Context, inv *client.Invocation) (any, error) {
	o := inv.Kwargs()
	role, _ := o["role"].(string)
	if roles := p.router.Roles(p.realm); !slices.Contains(roles, role) {
		return nil, &Error{Invalid, fmt.Sprintf("realm %s has no role %q; it has: %s", p.realm, role, strings.Join(roles, ", "))}
	}
	uses, _ := o["uses"].(int64)
	seconds, _ := o["expires"].(int64)
	if seconds > int64(LongestLife/time.Second) {
		seconds = int64(LongestLife/time.Second) + 1
	}
	text, t, err := p.NewToken(p.realm, role, int(min(uses, MostUses+1)), time.Duration(seconds)*time.Second)
	if err == nil {
		err = p.router.Refresh(p.realm)
	}
	return map[string]any{"token": text, "about": t.report()}, err
}

func (p procedures) tokens(context.Context, *client.Invocation) (any, error) {
	list := []TokenReport{}
	for _, t := range p.Tokens(p.realm) {
		list = append(list, t.report())
	}
	return list, nil
}

func (p procedures) revoke(_ context.Context, inv *client.Invocation) (any, error) {
	if err := p.Revoke(p.realm, text(inv)); err != nil {
		return nil, err
	}
	return nil, p.router.Refresh(p.realm)
}

func (p procedures) nodes(ctx context.Context, _ *client.Invocation) (any, error) {
	list := []NodeReport{}
	for _, n := range p.Nodes(p.realm) {
		list = append(list, NodeReport{Node: n})
	}
	for _, id := range p.states.ids(p.realm) {
		if !p.enrolled(key{p.realm, id}) {
			list = append(list, NodeReport{Node: Node{ID: id, Realm: p.realm}})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list, p.fill(ctx, list)
}

// fill adds the states. Nodes of earlier versions do not report, so fill finds their links in the list of sessions.
func (p procedures) fill(ctx context.Context, list []NodeReport) (err error) {
	var linked map[string]string
	for i := range list {
		n := &list[i]
		if p.states.fill(n) {
			continue
		}
		if linked == nil {
			if linked, err = p.router.Linked(ctx, p.realm); err != nil {
				return err
			}
		}
		n.Address, n.Up = linked[n.ID]
	}
	return nil
}

func (p procedures) node(ctx context.Context, inv *client.Invocation) (any, error) {
	id := text(inv)
	n := NodeReport{Node: Node{ID: id, Realm: p.realm}}
	enrolled := p.enrolled(key{p.realm, id})
	if enrolled {
		for _, known := range p.Nodes(p.realm) {
			if known.ID == id {
				n.Node = known
			}
		}
	} else if _, _, known := p.states.link(key{p.realm, id}); !known {
		return nil, noSuchNode(p.realm, id)
	}
	list := []NodeReport{n}
	err := p.fill(ctx, list)
	return list[0], err
}

func (p procedures) forget(_ context.Context, inv *client.Invocation) (any, error) {
	if err := p.Forget(p.realm, text(inv)); err != nil {
		return nil, err
	}
	return nil, p.router.Refresh(p.realm)
}

// enrol handles runnel.fleet.enrol. The caller has joined with a token, which its disclosed authid names.
func (p procedures) enrol(_ context.Context, inv *client.Invocation) (any, error) {
	token, ok := strings.CutPrefix(inv.CallerAuthid(), tokenAuthid(""))
	if !ok || inv.CallerAuthrole() != enrolRole {
		return nil, &Error{"wamp.error.not_authorized", "only a session that joined with a token may enrol a node"}
	}
	o := inv.Kwargs()
	if id, _ := o["node"].(string); p.router.Strict(p.realm) {
		if other := p.namesake(id); other != "" {
			return nil, &Error{Taken, fmt.Sprintf("the realm has strict URIs, in which %s and the node %s have the same name %s; choose another id", bounded(id), other, wamp.Component(other))}
		}
	}
	field := func(name string) string {
		value, _ := o[name].(string)
		return value
	}
	n, err := p.Enrol(p.realm, token, Request{field("node"), field("key"), field("board"), field("version")}, func(authid string) bool {
		return strings.HasPrefix(authid, tokenAuthid("")) || p.router.Configured(p.realm, authid)
	})
	if err == nil {
		err = p.router.Refresh(p.realm)
	}
	return n, err
}

// namesake returns another node of the realm whose id gives the same URI component; "" if there is none.
func (p procedures) namesake(id string) string {
	ids := p.states.ids(p.realm)
	for _, n := range p.Nodes(p.realm) {
		ids = append(ids, n.ID)
	}
	for _, other := range ids {
		if other != id && wamp.Component(other) == wamp.Component(id) {
			return other
		}
	}
	return ""
}

// text returns the first argument.
func text(inv *client.Invocation) string {
	if args := inv.Args(); len(args) > 0 {
		s, _ := args[0].(string)
		return s
	}
	return ""
}
