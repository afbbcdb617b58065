package edge

import (
	"cmp"
	"strings"

	"runnel/edge/wamp"
)

// Sharding: if several nodes share work, everything for one resource key goes to one node
// (advanced/pubsub_sharded_subscription.md, advanced/rpc_sharded_registration.md). The specification only names the
// options; docs/protocol.md says what they do here. The node is chosen by rendezvous hashing (wamp.Weigh). It stays the same
// as long as the node is connected. When nodes come and go, few resource keys move.

// node returns the node key whose subscribers get an event with the resource key; "" if no subscriber has one.
func (s *subscription) node(resource string) (best string) {
	var weight uint64
	for _, chunk := range s.seats {
		for _, seat := range chunk {
			if w := wamp.Weigh(seat.node, resource); seat.node != "" && (best == "" || w > weight) {
				best, weight = seat.node, w
			}
		}
	}
	return best
}

// chooseFor returns the callee for a resource key.
func (r *registration) chooseFor(resource string) (best *calleeSeat) {
	var weight uint64
	for _, seat := range r.callees {
		if w := seat.weight(resource); best == nil || w > weight {
			best, weight = seat, w
		}
	}
	return best
}

// weight returns the weight of the callee for a resource key. A callee that reaches nodes at other routers has the highest
// weight of these.
func (s *calleeSeat) weight(resource string) (weight uint64) {
	nodes := s.node
	if far := s.far.Load(); far != nil && *far != "" {
		nodes = *far
	}
	for node := range strings.SplitSeq(nodes, "\x00") {
		weight = max(weight, wamp.Weigh(node, resource))
	}
	return weight
}

// answering returns the callee for a call, and its registration; nil if there is none. For a call with a resource key it
// also considers the nodes at other routers that callees have named. Of both, the more specific registration wins; at equal
// patterns, the greater weight. The caller is not chosen for nodes that it has named.
func (s *session) answering(t *turn, uri []byte, o callOptions) (reg *registration, seat *calleeSeat) {
	reg, ok := s.realm.procedure(uri)
	if !ok {
		return nil, nil
	}
	seat = reg.choose(o)
	if o.resource == "" {
		return reg, seat
	}
	if !reg.sharded.Load() && !reg.sharded.Swap(true) {
		s.realm.announce(t, wamp.OnShard, s.id, reg.id)
	}
	if remote, ok := s.realm.fallbacks.Best(uri); ok && remote != reg {
		other, order := remote.chooseFor(o.resource), remote.pattern().CompareSpecificity(reg.pattern())
		if far := other.far.Load(); far != nil && *far != "" && other.session != s && (order < 0 || order == 0 && other.weight(o.resource) >= seat.weight(o.resource)) {
			return remote, other
		}
	}
	return reg, seat
}

// registrationReach records the nodes that the caller reaches by its registration of a pattern. Their names are one text,
// with "\x00" between them.
func (c *metaCall) registrationReach() ([]any, error) {
	p, err := c.pattern()
	nodes, wrong := c.text(2)
	reg, ok := c.realm.fallbacks.Get(p.Match, p.URI)
	if err = cmp.Or(err, wrong); err != nil || !ok {
		return nil, cmp.Or(err, error(wamp.NoSuchRegistration))
	}
	for _, seat := range reg.callees {
		if seat.session == c.caller {
			seat.far.Store(&nodes)
		}
	}
	return nil, nil
}

// checkRunmode checks the sharding options of CALL.
func (o *callOptions) checkRunmode() error {
	switch o.runmode {
	case "":
		o.resource = "" // used only together with runmode
		return nil
	case wamp.Partition:
		if o.resource == "" {
			return refusal{wamp.InvalidArgument, `with option "runmode" "partition" there must be an "rkey"`}
		}
		return nil
	}
	return refusal{wamp.FeatureNotSupported, `option "runmode" can only be "partition"`}
}
