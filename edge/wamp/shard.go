package wamp

import "hash/fnv"

// Weigh returns the weight of a node for a resource key. The node with the highest weight gets the events or calls with the
// key (rendezvous hashing). The weight is the same in every router and after every restart.
func Weigh(node, resource string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(node))
	h.Write([]byte{0})
	h.Write([]byte(resource))
	x := h.Sum64() // the high bits of FNV hardly depend on the last octets; this step mixes them
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// Sharding returns the options of a CALL that is to go to one node by its resource key; nil without a key.
func Sharding(resource string) map[string]any {
	if resource == "" {
		return nil
	}
	return map[string]any{"runmode": Partition, "rkey": resource}
}

// Partition is the runmode of CALLs with a resource key.
const Partition = "partition"
