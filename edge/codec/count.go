package codec

import (
	"errors"

	"runnel/edge/wamp"
)

var errTooMany = errors.New("too many values")

// MapUpTo decodes d like Map, but fails if d contains more than limit values at any depth. It bounds the memory for
// dicts received from unauthenticated peers.
func (d Dict) MapUpTo(limit int) (map[string]any, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	if Value(d).count(limit) > limit {
		return nil, errTooMany
	}
	return d.Map()
}

// Check validates a dict that was not made by Parse.
func (d Dict) Check() error {
	if len(d.Raw) == 0 {
		return nil
	}
	if _, ok := Value(d).Dict(); !ok {
		return errNotDict
	}
	return check(d.Serializer, d.Raw, MaxDepth)
}

// count counts v and the values in it. It stops beyond limit.
func (v Value) count(limit int) int {
	n := 1
	v = v.untagged()
	if list, ok := v.Items(); ok {
		for n <= limit && list.Next() {
			n += list.Value().count(limit - n)
		}
	} else if d, ok := v.Dict(); ok {
		for f := d.Fields(); n <= limit && f.Next(); {
			n += f.Value().count(limit - n)
		}
	}
	return n
}

// untagged returns the value inside CBOR tags.
func (v Value) untagged() Value {
	for v.Serializer == wamp.CBOR && len(v.Raw) > 0 && v.Raw[0]>>5 == cborTag {
		_, pos := cborArgument(v.Raw, 0)
		if pos < 0 {
			break
		}
		v.Raw = v.Raw[pos:]
	}
	return v
}
