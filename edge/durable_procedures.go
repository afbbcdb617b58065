package edge

import (
	"runnel/edge/codec"
	"runnel/edge/durable"
	"runnel/edge/store"
	"runnel/edge/wamp"
)

// The procedures for durable subscriptions, in every realm. runnel.durable.ack and .keep act on the caller's own subscriptions
// and need no permission; the others are for operators. The keyword argument owner selects the subscription of that owner.
const (
	durablePrefix = "runnel.durable."
	durableAck    = durablePrefix + "ack"
	durableKeep   = durablePrefix + "keep"
)

var durableProcedures = map[string]func(*metaCall) ([]any, error){
	durableAck:              (*metaCall).durableAck,
	durableKeep:             (*metaCall).durableKeep,
	durablePrefix + "ls":    (*metaCall).durableList,
	durablePrefix + "peek":  (*metaCall).durablePeek,
	durablePrefix + "drop":  (*metaCall).durableDrop,
	durablePrefix + "reset": (*metaCall).durableReset,
}

// isOwnProcedure reports whether uri is a procedure outside "wamp." that the router itself answers.
func isOwnProcedure(uri []byte) bool {
	return len(uri) > len(durablePrefix) && string(uri[:len(durablePrefix)]) == durablePrefix
}

// isOwnDurable reports whether a procedure acts on the caller's own durable subscriptions only.
func isOwnDurable(uri []byte) bool { return string(uri) == durableAck || string(uri) == durableKeep }

// durableAck answers runnel.durable.ack(subscription, publication or list of publications) with the number of events that it
// has acknowledged. The keyword argument position replaces the second argument for clients whose handlers do not get the
// publication id: it is KeyPosition of an event, or a list of positions.
func (c *metaCall) durableAck() ([]any, error) {
	subscription, err := c.id(0)
	if err != nil {
		return nil, err
	}
	var place *seat
	for _, own := range c.caller.durableSeats() {
		if own.subscription == subscription {
			place = own
		}
	}
	if place == nil {
		return nil, wamp.NoSuchSubscription
	}
	acknowledged := 0
	given, byPosition := c.arg(1), false
	if position := c.keyword("position"); !isGiven(given) && isGiven(position) {
		given, byPosition = position, true
	}
	take := func(v codec.Value) error {
		id, ok := idOf(v)
		if !ok {
			return refusal{wamp.InvalidArgument, "argument 2 must be a publication id, or a list of them; or position= a position, or a list of them"}
		}
		a := place.courier.attachment
		if byPosition && a.AckPosition(uint64(id)) || !byPosition && a.Ack(id) {
			acknowledged++
		}
		return nil
	}
	list, ok := given.Items()
	if !ok {
		err = take(given)
	}
	for ok && err == nil && list.Next() {
		err = take(list.Value())
	}
	return []any{acknowledged}, err
}

// durableKeep answers runnel.durable.keep(prefix, names): it removes durable subscriptions that the caller, or an earlier
// session of its authid, has created. Their names begin with prefix and are not in the list. It returns the names of those that
// it has removed. A session whose rules have changed removes the subscriptions of its former rules by it.
func (c *metaCall) durableKeep() ([]any, error) {
	prefix, err := c.text(0)
	if err != nil {
		return nil, err
	}
	if prefix == "" {
		return nil, refusal{wamp.InvalidArgument, "argument 1, the prefix of the names, must not be empty"}
	}
	keep := make(map[string]bool)
	list, ok := c.arg(1).Items()
	for ok && list.Next() {
		var name string
		name, ok = textOf(list.Value())
		keep[name] = true
	}
	if !ok {
		return nil, refusal{wamp.InvalidArgument, "argument 2 must be a list of names"}
	}
	removed := []any{}
	s := c.realm.durables()
	if s == nil {
		return []any{removed}, nil
	}
	for _, d := range s.Own(c.caller.numberingOwner(), prefix) {
		if keep[d.Name] {
			continue
		}
		c.turn.flush() // the disk may be slow
		events := d.State().Events
		if err := c.realm.removeDurable(c.turn, d); err != nil {
			return nil, err
		}
		c.realm.log.Info("durable subscription removed by its owner", "subscription", d.Name, "authid", c.caller.authid, "events", events)
		removed = append(removed, d.Name)
	}
	return []any{removed}, nil
}

// durableList answers runnel.durable.ls with a list of durable.State.
func (c *metaCall) durableList() ([]any, error) {
	list := c.realm.durableStates()
	if list == nil {
		list = []durable.State{}
	}
	return []any{list}, nil
}

// named returns the durable subscription whose name is the first argument.
func (c *metaCall) named() (*durable.Subscription, error) {
	name, err := c.text(0)
	if err != nil {
		return nil, err
	}
	owner, chosen := textOf(c.keyword("owner"))
	s := c.realm.durables()
	if s == nil {
		return nil, refusal{wamp.Unavailable, noDurables}
	}
	d, err := s.Named(name, owner, chosen)
	if err != nil {
		return nil, refusal{wamp.InvalidArgument, err.Error()}
	}
	return d, nil
}

const maxPeeked = 1000

// durablePeek answers runnel.durable.peek(name, count) with the oldest events of the backlog, a dict each.
func (c *metaCall) durablePeek() ([]any, error) {
	d, err := c.named()
	if err != nil {
		return nil, err
	}
	count := 10
	if v := c.arg(1); isGiven(v) && !store.ReadLimit(v, &count) {
		return nil, refusal{wamp.InvalidArgument, "argument 2, the number of events, must be a positive integer"}
	}
	past, err := d.Peek(min(count, maxPeeked))
	if err != nil {
		return nil, refusal{wamp.Unavailable, err.Error()}
	}
	list := []any{}
	size := resultHead
	for _, e := range past {
		if size += e.Size(); len(list) > 0 && size > c.caller.out.hard/2 {
			break
		}
		list = append(list, e.Fields())
	}
	return []any{list}, nil
}

// durableDrop answers runnel.durable.drop(name): it removes the subscription with its backlog.
func (c *metaCall) durableDrop() ([]any, error) {
	d, err := c.named()
	if err != nil {
		return nil, err
	}
	events := d.State().Events
	if err := c.realm.removeDurable(c.turn, d); err != nil {
		return nil, err
	}
	c.realm.log.Warn("durable subscription removed by an operator", "subscription", d.State().Name, "events", events)
	return []any{events}, nil
}

// durableReset answers runnel.durable.reset(name, from): it moves the subscription to from. It returns the size of the backlog.
func (c *metaCall) durableReset() ([]any, error) {
	d, err := c.named()
	if err != nil {
		return nil, err
	}
	from, err := c.text(1)
	if err != nil {
		return nil, err
	}
	start, err := durable.ParseStart(from)
	if err == nil {
		err = d.Reset(start)
	}
	if err != nil {
		return nil, refusal{wamp.InvalidArgument, err.Error()}
	}
	state := d.State()
	c.realm.log.Warn("durable subscription reset by an operator", "subscription", state.Name, "from", from, "events", state.Events)
	return []any{state.Events}, nil
}
