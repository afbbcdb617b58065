package edge

import (
	"hash/fnv"

	"runnel/edge/wamp"
)

// Sharding: if several nodes share work, everything for one resource key goes to one node
// (advanced/pubsub_sharded_subscription.md, advanced/rpc_sharded_registration.md). The specification only names the
// options. In this router:
//
//   - a subscriber or callee names its node with SUBSCRIBE.Options.nkey or REGISTER.Options.nkey (a callee without one is
//     known by its authid);
//   - an event with PUBLISH.Options.rkey goes, of the subscribers with a node key, to those of one node only, and to all
//     without one;
//   - a call with CALL.Options.runmode "partition" and rkey goes to the callee of one node, whatever the registration's
//     invocation policy.
//
// The node is chosen by rendezvous hashing. It stays the same as long as the node is connected. When nodes come and go,
// few resource keys move.

// weigh returns the weight of a node for a resource key. It is the same in every router and after every restart.
func weigh(node, resource string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(node))
	h.Write([]byte{0})
	h.Write([]byte(resource))
	x := h.Sum64() // the high bits of FNV hardly depend on the last octets; this step mixes them
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// node returns the node key whose subscribers get an event with the resource key; "" if no subscriber has one.
func (s *subscription) node(resource string) (best string) {
	var weight uint64
	for _, chunk := range s.seats {
		for _, seat := range chunk {
			if w := weigh(seat.node, resource); seat.node != "" && (best == "" || w > weight) {
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
		if w := weigh(seat.node, resource); best == nil || w > weight {
			best, weight = seat, w
		}
	}
	return best
}

// checkRunmode checks the sharding options of CALL.
func (o *callOptions) checkRunmode() error {
	switch o.runmode {
	case "":
		o.resource = "" // used only together with runmode
		return nil
	case "partition":
		if o.resource == "" {
			return refusal{wamp.InvalidArgument, `with option "runmode" "partition" there must be an "rkey"`}
		}
		return nil
	}
	return refusal{wamp.FeatureNotSupported, `option "runmode" can only be "partition"`}
}
