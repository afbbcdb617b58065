package edge

import (
	"runnel/edge/patterns"
	"runnel/edge/wamp"
)

// The meta API describes subscriptions and registrations alike. This file has the parts that both share.

// entry is a subscription or a registration.
type entry interface {
	pattern() wamp.Pattern
	identity() wamp.ID
	details() map[string]any
	members() []any // the ids of its sessions
}

// about makes a procedure that finds the object that its arguments name, and returns one value of it.
func about[T, R any](find func(*metaCall) (T, error), value func(T) R) func(*metaCall) ([]any, error) {
	return func(c *metaCall) ([]any, error) {
		object, err := find(c)
		if err != nil {
			return nil, err
		}
		return []any{value(object)}, nil
	}
}

// byID returns the entry of tables whose id is the call's first argument. Without one it fails with missing.
func byID[E entry](c *metaCall, missing error, tables ...*patterns.Table[E]) (found E, err error) {
	id, err := c.id(0)
	if err != nil {
		return found, err
	}
	err = missing
	for _, table := range tables {
		table.All(func(e E) bool {
			if e.identity() == id {
				found, err = e, nil
			}
			return err != nil
		})
	}
	return found, err
}

// listing answers a list procedure with the ids of all entries. With the argument _overlaps it answers with ids and details
// of those that overlap.
func listing[E entry](c *metaCall, details func(E) map[string]any, tables ...*patterns.Table[E]) ([]any, error) {
	wanted, err := c.overlaps()
	if err != nil {
		return nil, err
	}
	if wanted == nil {
		return []any{lists(tables...)}, nil
	}
	withMembers := c.flag(wamp.KeyMembers)
	return overlapping(wanted, E.pattern, func(e E) map[string]any {
		d := details(e)
		if withMembers {
			d["members"] = e.members()
			if reg, ok := any(e).(*registration); ok {
				nodes := []any{} // of the members
				for _, seat := range reg.callees {
					nodes = append(nodes, seat.node)
				}
				d["nodes"], d["sharded"] = nodes, reg.sharded.Load()
			}
		}
		return d
	}, tables...)
}

// lists groups the ids of tables by match policy.
func lists[E entry](tables ...*patterns.Table[E]) map[string]any {
	ids := [3][]any{{}, {}, {}}
	for _, table := range tables {
		table.All(func(e E) bool {
			match := e.pattern().Match
			ids[match] = append(ids[match], e.identity())
			return true
		})
	}
	return byPolicy(ids)
}

// pattern returns a URI and the match policy in the options, which are the call's first arguments.
func (c *metaCall) pattern() (p wamp.Pattern, err error) {
	if p.URI, err = c.text(0); err == nil {
		p.Match, err = c.match(1)
	}
	return p, err
}
