package codec

import "runnel/edge/wamp"

// Some clients, such as nexus, send null for Arguments or ArgumentsKw that they do not have. Parse treats null as
// absent and sets Message.Nulls, because the protocol does not allow null there.

// payload sets m.Payload from data. Arguments begin at start, ArgumentsKw at keys; the payload ends at end.
func (m *Message) payload(s wamp.Serializer, items int, data []byte, start, keys, end int) {
	m.Payload.Serializer, m.Payload.Items, m.Payload.Raw = s, items, data[start:end]
	if beginsNull(s, data[start]) || items == 2 && beginsNull(s, data[keys]) {
		m.dropNulls(s, items, data, start, keys, end)
	}
}

// beginsNull reports whether an accepted element begins like null. In MessagePack it may also be undefined.
func beginsNull(s wamp.Serializer, c byte) bool {
	switch s {
	case wamp.CBOR:
		return c&^1 == cborNull
	case wamp.MsgPack:
		return c == msgpackNil || c == msgpackUndefined[0]
	}
	return c == 'n'
}

//go:noinline
func (m *Message) dropNulls(s wamp.Serializer, items int, data []byte, start, keys, end int) {
	m.Nulls = true
	noArguments := beginsNull(s, data[start])
	noKeywords := items < 2 || beginsNull(s, data[keys])
	switch {
	case noArguments && noKeywords:
		m.Payload = Payload{}
	case noKeywords:
		m.Payload.Items = 1
		m.Payload.Raw = data[start:skip(s, data, start, MaxDepth)] // without the comma that precedes keys in JSON
	case noArguments: // the only payload that is not a part of data
		m.Payload.Raw = append(append(make([]byte, 0, 3+end-keys), emptyArguments[s]...), data[keys:end]...)
	}
}

// emptyArguments is an empty Arguments list, to be followed by ArgumentsKw.
var emptyArguments = [...]string{wamp.JSON: "[],", wamp.MsgPack: string([]byte{msgpackFixArray}), wamp.CBOR: string([]byte{cborArray << 5})}
