package dedup

import (
	"math"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// A record is a list in CBOR:
//
//	[1, authid, node, epoch, highest number, first and last of a gap, ...]
const form = 1

// encode makes a numbering's record. A pending number that is not about to be recorded is a gap.
func (n *numbering[W]) encode() []byte {
	routed := n.routed.clone()
	for number, m := range n.pending {
		if !m.recorded {
			routed.remove(number)
		}
	}
	return encode(n.key, routed)
}

func encode(key Key, routed sequences) []byte {
	fields := []any{form, []byte(key.Authid), []byte(key.Node), key.Epoch, routed.highest}
	for _, s := range routed.open {
		fields = append(fields, s.first, s.last)
	}
	record, _ := codec.AppendValue(nil, wamp.CBOR, fields) // integers and byte strings can always be encoded
	return record
}

// decode reads a record, and checks it: it may be another version's.
func decode(record []byte) (key Key, routed sequences, ok bool) {
	value, err := codec.Value{Serializer: wamp.CBOR, Raw: record}.Any()
	fields, _ := value.([]any)
	if err != nil || len(fields) < 5 || len(fields)%2 == 0 || len(fields) > 5+2*maxSpans || fields[0] != any(int64(form)) {
		return key, routed, false
	}
	authid, isAuthid := fields[1].([]byte)
	node, isNode := fields[2].([]byte)
	epoch, isEpoch := unsigned(fields[3])
	highest, isHighest := unsigned(fields[4])
	routed.highest = highest
	for below := uint64(0); len(fields) > 5; fields = fields[2:] {
		first, isFirst := unsigned(fields[5])
		last, isLast := unsigned(fields[6])
		if !isFirst || !isLast || first <= below || last < first || last > highest {
			return key, routed, false
		}
		routed.open = append(routed.open, span{first, last})
		below = last + 1
	}
	return Key{string(authid), string(node), epoch}, routed, isAuthid && isNode && isEpoch && isHighest
}

// unsigned reads an integer below the largest, so that a next one always exists.
func unsigned(v any) (uint64, bool) {
	switch n := v.(type) {
	case int64:
		return uint64(n), n >= 0
	case uint64:
		return n, n < math.MaxUint64
	}
	return 0, false
}
