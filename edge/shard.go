package edge

import (
	"hash/fnv"

	"runnel/edge/wamp"
)

// Sharding: where many nodes do the same work, those of one resource key go to one node
// (advanced/pubsub_sharded_subscription.md, advanced/rpc_sharded_registration.md). The specification names the options
// and leaves the rest open; here
//
//   - a subscriber or callee names its node with SUBSCRIBE.Options.nkey or REGISTER.Options.nkey (a callee without one is
//     known by its authid);
//   - an event with PUBLISH.Options.rkey goes, of the subscribers with a node key, to those of one node only, and to all
//     without one;
//   - a call with CALL.Options.runmode "partition" and rkey goes to the callee of one node, whatever the registration's
//     invocation policy.
//
// The node is chosen by rendezvous hashing: it stays the same as long as that node is there, and when nodes come and go
// few resource keys move.

// weigh returns how much a node attracts a resource key. It is the same in every router and after every restart.
func weigh(node, resource string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(node))
	h.Write([]byte{0})
	h.Write([]byte(resource))
	x := h.Sum64() // FNV's high bits hardly depend on the last octets; this finish spreads them
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// node returns the node key of the subscribers that an event with the resource key goes to; "" if none has one.
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

// checkRunmode checks what CALL.Options say of sharding.
func (o *callOptions) checkRunmode() error {
	switch o.runmode {
	case "":
		o.resource = "" // it only counts with a runmode
		return nil
	case "partition":
		if o.resource == "" {
			return refusal{wamp.InvalidArgument, `with option "runmode" "partition" there must be an "rkey"`}
		}
		return nil
	}
	return refusal{wamp.FeatureNotSupported, `option "runmode" can only be "partition"`}
}
