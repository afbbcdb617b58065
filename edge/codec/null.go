package codec

import "runnel/edge/wamp"

// Some clients, such as nexus's, send null for Arguments or ArgumentsKw that they do not have. It is read as if the element
// were absent, and Message.Nulls says so: the letter of the protocol knows no null there.

// payload sets m.Payload to Arguments and ArgumentsKw, which stand in data from start and from keys, up to end.
func (m *Message) payload(s wamp.Serializer, items int, data []byte, start, keys, end int) {
	m.Payload.Serializer, m.Payload.Items, m.Payload.Raw = s, items, data[start:end]
	if beginsNull(s, data[start]) || items == 2 && beginsNull(s, data[keys]) {
		m.leaveOutNulls(s, items, data, start, keys, end)
	}
}

// beginsNull reports whether an element that was accepted begins like null; for MessagePack it may be undefined, too.
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
func (m *Message) leaveOutNulls(s wamp.Serializer, items int, data []byte, start, keys, end int) {
	m.Nulls = true
	noArguments := beginsNull(s, data[start])
	noKeywords := items < 2 || beginsNull(s, data[keys])
	switch {
	case noArguments && noKeywords:
		m.Payload = Payload{}
	case noKeywords:
		m.Payload.Items = 1
		m.Payload.Raw = data[start:skip(s, data, start, MaxDepth)] // in JSON a comma stands in front of keys
	case noArguments: // the only payload that is no part of data
		m.Payload.Raw = append(append(make([]byte, 0, 3+end-keys), emptyArguments[s]...), data[keys:end]...)
	}
}

// emptyArguments stands in front of ArgumentsKw.
var emptyArguments = [...]string{wamp.JSON: "[],", wamp.MsgPack: string([]byte{msgpackFixArray}), wamp.CBOR: string([]byte{cborArray << 5})}
