package wamp

// Serializer is a serialization. Its value is the code of the RawSocket handshake (transport_rawsocket.md).
type Serializer uint8

const (
	JSON    Serializer = 1
	MsgPack Serializer = 2
	CBOR    Serializer = 3
)

// Serializers lists the serializers of Runnel, in order of preference.
var Serializers = [...]Serializer{CBOR, MsgPack, JSON}

// String returns "json", "msgpack" or "cbor", as in the name of the WebSocket subprotocol.
func (s Serializer) String() string {
	switch s {
	case JSON:
		return "json"
	case MsgPack:
		return "msgpack"
	case CBOR:
		return "cbor"
	}
	return "no serializer"
}

// Known reports whether Runnel supports s.
func (s Serializer) Known() bool { return s >= JSON && s <= CBOR }

// ParseSerializer returns the serializer with the name "json", "msgpack" or "cbor".
func ParseSerializer(name string) (s Serializer, ok bool) {
	for _, s := range Serializers {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}
