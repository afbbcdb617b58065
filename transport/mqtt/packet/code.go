package packet

import "fmt"

// Code is a reason code (2.4). Codes from 0x80 on are failures.
type Code byte

// Reason codes that programs treat in a special way.
const (
	Success            Code = 0x00
	UnspecifiedError   Code = 0x80
	MalformedPacket    Code = 0x81
	ProtocolError      Code = 0x82
	SpecificError      Code = 0x83
	UnsupportedVersion Code = 0x84
	ClientIDNotValid   Code = 0x85
	BadLogin           Code = 0x86
	NotAuthorized      Code = 0x87
	ServerUnavailable  Code = 0x88
	ServerBusy         Code = 0x89
	SessionTakenOver   Code = 0x8e
	TopicFilterInvalid Code = 0x8f
	TopicNameInvalid   Code = 0x90
	PacketIDInUse      Code = 0x91
	PacketTooLarge     Code = 0x95
	QuotaExceeded      Code = 0x97
	PayloadInvalid     Code = 0x99
	RetainNotSupported Code = 0x9a
	QoSNotSupported    Code = 0x9b
	UseAnotherServer   Code = 0x9c
	ServerMoved        Code = 0x9d
)

// names are the names of the codes from 0x80 on.
var names = [...]string{
	0x00: "unspecified error", 0x01: "malformed packet", 0x02: "protocol error", 0x03: "implementation specific error",
	0x04: "unsupported protocol version", 0x05: "client identifier not valid", 0x06: "bad user name or password", 0x07: "not authorized",
	0x08: "server unavailable", 0x09: "server busy", 0x0a: "banned", 0x0b: "server shutting down", 0x0c: "bad authentication method",
	0x0d: "keep alive timeout", 0x0e: "session taken over", 0x0f: "topic filter invalid", 0x10: "topic name invalid",
	0x11: "packet identifier in use", 0x12: "packet identifier not found", 0x13: "receive maximum exceeded", 0x14: "topic alias invalid",
	0x15: "packet too large", 0x16: "message rate too high", 0x17: "quota exceeded", 0x18: "administrative action",
	0x19: "payload format invalid", 0x1a: "retain not supported", 0x1b: "QoS not supported", 0x1c: "use another server", 0x1d: "server moved",
	0x1e: "shared subscriptions not supported", 0x1f: "connection rate exceeded", 0x20: "maximum connect time",
	0x21: "subscription identifiers not supported", 0x22: "wildcard subscriptions not supported",
}

// Failed reports whether the code is a failure.
func (c Code) Failed() bool { return c >= 0x80 }

// String returns the specification's name and the number.
func (c Code) String() string {
	if n := int(c) - 0x80; n >= 0 && n < len(names) {
		return fmt.Sprintf("%s (0x%02x)", names[n], byte(c))
	}
	return fmt.Sprintf("code 0x%02x", byte(c))
}

// FromV311 returns the reason code for a return code of a CONNACK of MQTT 3.1.1 (3.2.2.3 there).
func (c Code) FromV311() Code {
	switch c {
	case 0:
		return Success
	case 1:
		return UnsupportedVersion
	case 2:
		return ClientIDNotValid
	case 3:
		return ServerUnavailable
	case 4:
		return BadLogin
	case 5:
		return NotAuthorized
	}
	return UnspecifiedError
}
