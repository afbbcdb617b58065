package edge

import (
	"runnel/edge/codec"
	"runnel/edge/durable"
	"runnel/edge/wamp"
)

// The procedures about durable subscriptions, in every realm. runnel.durable.ack acts on the caller's own subscriptions and needs
// no permission; the others are for operators. With the keyword argument owner, a name means the subscription of that owner.
const (
	durablePrefix = "runnel.durable."
	durableAck    = durablePrefix + "ack"
)

var durableProcedures = map[string]func(*metaCall) ([]any, error){
	durableAck:              (*metaCall).durableAck,
	durablePrefix + "ls":    (*metaCall).durableList,
	durablePrefix + "peek":  (*metaCall).durablePeek,
	durablePrefix + "drop":  (*metaCall).durableDrop,
	durablePrefix + "reset": (*metaCall).durableReset,
}

// isOwnProcedure reports whether the router itself answers calls of uri, beside those below "wamp.".
func isOwnProcedure(uri []byte) bool {
	return len(uri) > len(durablePrefix) && string(uri[:len(durablePrefix)]) == durablePrefix
}

// durableAck answers runnel.durable.ack(subscription, publication or list of publications) with the number of events that it
// has acknowledged.
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
	take := func(v codec.Value) error {
		id, ok := idOf(v)
		if !ok {
			return refusal{wamp.InvalidArgument, "argument 2 must be a publication id, or a list of them"}
		}
		if place.courier.attachment.Ack(id) {
			acknowledged++
		}
		return nil
	}
	list, ok := c.arg(1).Items()
	if !ok {
		err = take(c.arg(1))
	}
	for ok && err == nil && list.Next() {
		err = take(list.Value())
	}
	return []any{acknowledged}, err
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
	if v := c.arg(1); isGiven(v) && !readLimit(v, &count) {
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

// durableReset answers runnel.durable.reset(name, from): the subscription begins anew there. It returns the size of its backlog.
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
