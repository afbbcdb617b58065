package packet

// Version is a protocol level (3.1.2.2).
type Version byte

// The versions of the protocol.
const (
	V311 Version = 4
	V5   Version = 5
)

// String returns the version as users write it.
func (v Version) String() string {
	switch v {
	case V311:
		return "3.1.1"
	case V5:
		return "5"
	}
	return "unknown"
}

// bridgeBit marks the CONNECT of a bridge. It is a common extension of MQTT 3.1.1.
const bridgeBit = 0x80

const protocolName = "MQTT"

// Type is the type of a packet (2.1.2).
type Type byte

// The types of packets.
const (
	TypeConnect Type = 1 + iota
	TypeConnack
	TypePublish
	TypePuback
	TypePubrec
	TypePubrel
	TypePubcomp
	TypeSubscribe
	TypeSuback
	TypeUnsubscribe
	TypeUnsuback
	TypePingreq
	TypePingresp
	TypeDisconnect
	TypeAuth
)

var typeNames = [...]string{"packet of type 0", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK",
	"UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"}

// String returns the specification's name.
func (t Type) String() string { return typeNames[t&15] }

// Packet is any packet. Append appends its bytes in a version; fields that the version lacks are left out.
type Packet interface {
	Append(dst []byte, v Version) []byte
}

// Connect is CONNECT (3.1).
type Connect struct {
	Version    Version
	Bridge     bool // with the bridge extension of 3.1.1
	CleanStart bool
	KeepAlive  uint16 // in seconds; 0: none
	ClientID   string
	Username   string
	Password   []byte
	Named      bool // there is a user name
	Secret     bool // there is a password
	Will       *Will
	Properties Properties
}

// Will is a last will (3.1.3.2).
type Will struct {
	QoS        byte
	Retain     bool
	Topic      string
	Payload    []byte
	Properties Properties
}

// Connack is CONNACK (3.2). In MQTT 3.1.1 Code is a return code of that version, see Code.FromV311.
type Connack struct {
	SessionPresent bool
	Code           Code
	Properties     Properties
}

// Publish is PUBLISH (3.3).
type Publish struct {
	Dup, Retain bool
	QoS         byte
	ID          uint16 // of QoS 1 and 2
	Topic       string
	Payload     []byte
	Properties  Properties
}

// Ack is PUBACK, PUBREC, PUBREL or PUBCOMP (3.4 to 3.7).
type Ack struct {
	Type       Type
	ID         uint16
	Code       Code
	Properties Properties
}

// Filter is one topic filter of a SUBSCRIBE with its options.
type Filter struct {
	Topic   string
	Options Options
}

// Options are the options of a subscription (3.8.3.1): the QoS and the bits below. MQTT 3.1.1 has only the QoS.
type Options byte

// Bits of Options.
const (
	NoLocal           Options = 1 << 2
	RetainAsPublished Options = 1 << 3
	RetainIfNew       Options = 1 << 4 // send retained messages only if the subscription is new
	RetainNever       Options = 2 << 4 // send no retained messages

	qosBits        Options = 3
	retainHandling Options = 3 << 4
)

// QoS returns the highest QoS that the subscriber wants.
func (o Options) QoS() byte { return byte(o & qosBits) }

func (o Options) valid(v Version) bool {
	if v < V5 {
		return o <= 2
	}
	return o&qosBits != 3 && o&retainHandling != retainHandling && o < 1<<6
}

// Subscribe is SUBSCRIBE (3.8).
type Subscribe struct {
	ID         uint16
	Filters    []Filter
	Properties Properties
}

// Unsubscribe is UNSUBSCRIBE (3.10).
type Unsubscribe struct {
	ID         uint16
	Topics     []string
	Properties Properties
}

// Suback is SUBACK or UNSUBACK (3.9, 3.11). An UNSUBACK of MQTT 3.1.1 has no codes.
type Suback struct {
	Type       Type
	ID         uint16
	Codes      []Code
	Properties Properties
}

// Ping is PINGREQ or PINGRESP (3.12, 3.13).
type Ping struct{ Type Type }

// Disconnect is DISCONNECT (3.14).
type Disconnect struct {
	Code       Code
	Properties Properties
}

// Auth is AUTH (3.15).
type Auth Disconnect
