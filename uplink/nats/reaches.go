package nats

import (
	"context"
	"slices"
	"strings"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// reaches are the registrations by which the local router finds the nodes at other routers. They serve procedures that
// also have local callees. For other procedures, the registration of an import leads to the link. Owned by runCalls.
type reaches struct {
	link    *Link
	session wamp.ID // of the local router
	made    map[wamp.Pattern]*reached
}

type reached struct {
	registration *client.Registration // nil: that of the import
	nodes        string               // what the link has reported to the router
}

// set updates the registrations to the nodes at other routers.
func (r *reaches) set(ctx context.Context) {
	l := r.link
	if w, _ := l.local.Welcome(); w.Session != r.session {
		r.session = w.Session
		for _, m := range r.made {
			m.nodes = ""
		}
	}
	want := make(map[wamp.Pattern]string)
	for p, nodes := range l.calls.shards.beyond(l.router()) {
		if local, ok := l.importedPattern(p); ok && len(nodes) > 0 {
			want[local] = strings.Join(nodes, "\x00")
		}
	}
	for p, m := range r.made {
		if want[p] != "" {
			continue
		}
		if m.registration != nil {
			m.registration.Unregister(ctx)
		} else {
			l.tellReach(ctx, p, "")
		}
		delete(r.made, p)
	}
	for p, nodes := range want {
		m := r.made[p]
		if m == nil {
			m = &reached{}
			if !slices.ContainsFunc(l.calls.imports, func(q *Rule) bool { return q.local() == p }) {
				var err error
				m.registration, err = l.local.Register(ctx, p.URI, client.RegisterOptions{
					Match: p.Match, Invoke: wamp.First, ForwardTimeout: true, Extra: map[string]any{wamp.KeyFallback: true},
				}, l.forward)
				if err != nil {
					l.log.Debug("nodes of other routers are not known here", "procedure", p.URI, "err", err)
					continue
				}
			}
			r.made[p] = m
		}
		if m.nodes != nodes && l.tellReach(ctx, p, nodes) == nil {
			m.nodes = nodes
		}
	}
}

// tellReach reports the nodes that the link reaches by a registration to the local router.
func (l *Link) tellReach(ctx context.Context, p wamp.Pattern, nodes string) error {
	_, err := l.local.Call(ctx, wamp.Reach, client.CallOptions{}, client.Args(p.URI, map[string]any{"match": p.Match.String()}, nodes))
	return err
}

// local returns the local pattern of an imported procedure.
func (r *Rule) local() wamp.Pattern { return wamp.Pattern{URI: r.ToLocal(r.Procedure), Match: r.Match} }

// importedPattern returns the local pattern of a pattern of the cluster. ok is false if no rule imports all of it.
func (l *Link) importedPattern(p wamp.Pattern) (local wamp.Pattern, ok bool) {
	for _, r := range l.calls.imports {
		local = wamp.Pattern{URI: r.ToLocal(p.URI), Match: p.Match}
		q := wamp.Pattern{URI: r.Procedure, Match: r.Match}
		if q.Covers(p) && !wamp.Reserved(local.URI) && (!wamp.OfNode(local.URI) || wamp.OfNode(r.Procedure)) && wamp.ValidURI(local.URI, p.Match, false) {
			return local, true
		}
	}
	return local, false
}
