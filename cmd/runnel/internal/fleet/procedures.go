package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"runnel/edge/client"
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
	// Configured reports whether the configuration has a principal.
	Configured(realm, authid string) bool
	// Refresh updates a realm's principals from the registry.
	Refresh(realm string) error
	// Linked returns the addresses of the connected nodes, keyed by node id.
	Linked(ctx context.Context, realm string) (map[string]string, error)
}

// NodeReport describes a node in the result of runnel.fleet.ls.
type NodeReport struct {
	Node
	Up      bool   `json:"up"`
	Address string `json:"address,omitempty"`
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
	linked, err := p.router.Linked(ctx, p.realm)
	if err != nil {
		return nil, err
	}
	list := []NodeReport{}
	for _, n := range p.Nodes(p.realm) {
		address, up := linked[n.ID]
		list = append(list, NodeReport{n, up, address})
	}
	return list, nil
}

func (p procedures) node(ctx context.Context, inv *client.Invocation) (any, error) {
	list, err := p.nodes(ctx, inv)
	if err != nil {
		return nil, err
	}
	for _, n := range list.([]NodeReport) {
		if n.ID == text(inv) {
			return n, nil
		}
	}
	return nil, &Error{NoSuchNode, fmt.Sprintf("there is no node %q in realm %s; runnel fleet ls lists them", text(inv), p.realm)}
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

// text returns the first argument.
func text(inv *client.Invocation) string {
	if args := inv.Args(); len(args) > 0 {
		s, _ := args[0].(string)
		return s
	}
	return ""
}
