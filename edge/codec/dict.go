package codec

import (
	"bytes"

	"runnel/edge/wamp"
)

// Dict is the options, details or extra of a message, encoded. An empty Raw means {}.
type Dict struct {
	Serializer wamp.Serializer
	Raw        []byte
}

// Empty reports whether d has no fields.
func (d Dict) Empty() bool {
	if len(d.Raw) == 0 {
		return true
	}
	f := d.Fields()
	return !f.Next()
}

// Clone returns a copy that shares no memory with d.
func (d Dict) Clone() Dict { return Dict{d.Serializer, bytes.Clone(d.Raw)} }

// Map decodes d. For the Go types see Value.Any.
func (d Dict) Map() (map[string]any, error) {
	if len(d.Raw) == 0 {
		return map[string]any{}, nil
	}
	v, err := Value(d).Any()
	if err != nil {
		return nil, err
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errNotDict
	}
	return m, nil
}

// NewDict encodes m. For the accepted types see AppendValue.
func NewDict(s wamp.Serializer, m map[string]any) (Dict, error) {
	if len(m) == 0 {
		return Dict{}, nil
	}
	raw, err := AppendValue(nil, s, m)
	if err != nil {
		return Dict{}, err
	}
	return Dict{s, raw}, nil
}

func (d Dict) appendTo(dst []byte, s wamp.Serializer) ([]byte, error) {
	if d.Serializer == s {
		return append(dst, d.Raw...), nil
	}
	return Transcode(dst, s, d.Serializer, d.Raw)
}

// Fields returns an iterator over the fields of d, in order:
//
//	for f := d.Fields(); f.Next(); {
//		f.Key(), f.Value()
//	}
//
// It allocates nothing, except for keys with JSON escapes or in CBOR chunks. The iteration ends early if d.Raw is
// malformed, which it never is after Parse.
func (d Dict) Fields() Fields {
	var f Fields
	f.open(d.Serializer, d.Raw, kindDict)
	return f
}

// Fields is the iterator that Dict.Fields returns.
type Fields struct {
	cursor
	key   []byte
	value Value
}

// Next advances to the next field and reports whether there is one.
func (f *Fields) Next() bool {
	if !f.more() {
		return false
	}
	if f.key = f.text(); f.key == nil {
		return false
	}
	f.value = f.item()
	return f.value.Raw != nil
}

// Key returns the field's name. It is a part of the dict's bytes, or new memory.
func (f *Fields) Key() []byte { return f.key }

// Value returns the field's value. It is a part of the dict's bytes.
func (f *Fields) Value() Value { return f.value }

// cursor iterates over the items of one list or map. It stops at malformed data.
type cursor struct {
	serializer wamp.Serializer
	data       []byte
	pos        int
	left       int // remaining items, or unknownCount: until the end
}

// open moves to the first item of raw, which must be a list or a map, as k says.
func (c *cursor) open(s wamp.Serializer, raw []byte, k kind) bool {
	if len(raw) == 0 || kindOf(s, raw[0]) != k {
		return false
	}
	*c = cursor{serializer: s, data: raw, pos: 1, left: unknownCount}
	if s == wamp.JSON || s == wamp.CBOR && raw[0]&31 == cborIndefinite {
		return true
	}
	count, pos := headCount(s, raw)
	if pos < 0 || count > uint64(len(raw)-pos) {
		c.left = 0
		return false
	}
	c.left, c.pos = int(count), pos
	return true
}

// kindOf distinguishes lists and maps by their first octet. It returns kindNull for anything else.
func kindOf(s wamp.Serializer, c byte) kind {
	list, dict := false, false
	switch s {
	case wamp.CBOR:
		list, dict = c>>5 == cborArray, c>>5 == cborMap
	case wamp.MsgPack:
		list, dict = msgpackIsArray(c), msgpackIsMap(c)
	case wamp.JSON:
		list, dict = c == '[', c == '{'
	}
	switch {
	case list:
		return kindList
	case dict:
		return kindDict
	}
	return kindNull
}

// headCount reads the count of a list or map of definite length.
func headCount(s wamp.Serializer, raw []byte) (uint64, int) {
	if s == wamp.CBOR {
		return cborArgument(raw, 0)
	}
	if raw[0] < msgpackNil {
		return uint64(raw[0] & 15), 1
	}
	return msgpackBig(raw, 1, 2<<(raw[0]&1))
}

func (c *cursor) more() bool {
	if c.left == 0 {
		return false
	}
	if c.left > 0 {
		c.left--
		return true
	}
	if c.serializer == wamp.CBOR {
		return c.pos < len(c.data) && c.data[c.pos] != cborBreak
	}
	c.pos = jsonSpace(c.data, c.pos)
	if c.pos < len(c.data) && c.data[c.pos] == ',' {
		c.pos = jsonSpace(c.data, c.pos+1)
	}
	return c.pos < len(c.data) && c.data[c.pos] != ']' && c.data[c.pos] != '}'
}

// text reads a key and moves to its value.
func (c *cursor) text() []byte {
	var text []byte
	pos := c.pos
	switch c.serializer {
	case wamp.CBOR:
		text, pos = cborText(c.data, pos)
	case wamp.MsgPack:
		text, pos = msgpackText(c.data, pos)
	default:
		text, _ = jsonText(c.data, pos)
		pos = jsonSkipKey(c.data, pos)
	}
	if pos < 0 {
		c.left = 0
		return nil
	}
	c.pos = pos
	if text == nil {
		text = []byte{} // "" in chunks is not nil
	}
	return text
}

func (c *cursor) item() Value {
	end := skip(c.serializer, c.data, c.pos, MaxDepth)
	if end < 0 {
		c.left = 0
		return Value{}
	}
	v := Value{c.serializer, c.data[c.pos:end]}
	c.pos = end
	return v
}
