package dedup

import (
	"math"
	"slices"

	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// A record is a list in CBOR: either the complete state of a numbering, which replaces earlier records, or the
// publications routed since.
//
//	[1, authid, node, epoch, highest number, first and last of a gap, ...]
//	[2, authid, node, epoch, first and last of some routed numbers, ...]
const (
	form     = 1
	formMore = 2

	// maxMore bounds the numbers in one record of formMore. A realm has fewer publications in progress.
	maxMore = 1 << 20
)

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

// encodeMore makes the record of numbers that were routed.
func encodeMore(key Key, numbers []uint64) []byte {
	slices.Sort(numbers)
	var spans []span
	for _, number := range numbers {
		if last := len(spans) - 1; last >= 0 && spans[last].last+1 == number {
			spans[last].last = number
		} else {
			spans = append(spans, span{number, number})
		}
	}
	return encodeFields(spans, formMore, []byte(key.Authid), []byte(key.Node), key.Epoch)
}

func encode(key Key, routed sequences) []byte {
	return encodeFields(routed.open, form, []byte(key.Authid), []byte(key.Node), key.Epoch, routed.highest)
}

func encodeFields(spans []span, fields ...any) []byte {
	for _, s := range spans {
		fields = append(fields, s.first, s.last)
	}
	record, _ := codec.AppendValue(nil, wamp.CBOR, fields) // integers and byte strings can always be encoded
	return record
}

// decode reads a record and checks it, because another version may have written it. It returns the numbers of a record
// of formMore in more, and those of any other record in routed.
func decode(record []byte) (key Key, routed sequences, more []span, ok bool) {
	value, err := codec.Value{Serializer: wamp.CBOR, Raw: record}.Any()
	fields, _ := value.([]any)
	if err != nil || len(fields) < 5 {
		return key, routed, nil, false
	}
	authid, isAuthid := fields[1].([]byte)
	node, isNode := fields[2].([]byte)
	epoch, isEpoch := unsigned(fields[3])
	key = Key{string(authid), string(node), epoch}
	ok = isAuthid && isNode && isEpoch
	switch fields[0] {
	case any(int64(form)):
		highest, isHighest := unsigned(fields[4])
		open, valid := decodeSpans(fields[5:], highest)
		return key, sequences{highest, open}, nil, ok && isHighest && valid && len(open) <= maxSpans
	case any(int64(formMore)):
		more, valid := decodeSpans(fields[4:], math.MaxUint64-1)
		numbers := uint64(0)
		for _, s := range more {
			if numbers += s.last - s.first + 1; numbers > maxMore || s.last-s.first >= maxMore {
				return key, routed, nil, false
			}
		}
		return key, routed, more, ok && valid
	}
	return key, routed, nil, false
}

// decodeSpans reads spans that do not touch, up to a highest number.
func decodeSpans(fields []any, highest uint64) (list []span, ok bool) {
	if len(fields)%2 != 0 {
		return nil, false
	}
	for below := uint64(0); len(fields) > 0; fields = fields[2:] {
		first, isFirst := unsigned(fields[0])
		last, isLast := unsigned(fields[1])
		if !isFirst || !isLast || first <= below || last < first || last > highest {
			return nil, false
		}
		list = append(list, span{first, last})
		below = last + 1
	}
	return list, true
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
