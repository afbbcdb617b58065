package wamp

// Serializer names a serialization. Its value is the one the RawSocket handshake uses (transport_rawsocket.md).
type Serializer uint8

const (
	JSON    Serializer = 1
	MsgPack Serializer = 2
	CBOR    Serializer = 3
)

// Serializers lists those Runnel speaks, in order of preference.
var Serializers = [...]Serializer{CBOR, MsgPack, JSON}

// String returns "json", "msgpack" or "cbor", as in the WebSocket subprotocol's name.
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

// Known reports whether Runnel speaks s.
func (s Serializer) Known() bool { return s >= JSON && s <= CBOR }

// ParseSerializer reads "json", "msgpack" or "cbor".
func ParseSerializer(name string) (s Serializer, ok bool) {
	for _, s := range Serializers {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}
