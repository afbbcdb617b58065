package wamp

import "strconv"

// Type is a WAMP message's code, the first element of every message (basic/messages.md). Codes 256 to 1023 are extensions.
type Type uint16

const (
	Hello         Type = 1
	Welcome       Type = 2
	Abort         Type = 3
	Challenge     Type = 4
	Authenticate  Type = 5
	Goodbye       Type = 6
	Error         Type = 8
	Publish       Type = 16
	Published     Type = 17
	Subscribe     Type = 32
	Subscribed    Type = 33
	Unsubscribe   Type = 34
	Unsubscribed  Type = 35
	Event         Type = 36
	Call          Type = 48
	Cancel        Type = 49
	Result        Type = 50
	Register      Type = 64
	Registered    Type = 65
	Unregister    Type = 66
	Unregistered  Type = 67
	Invocation    Type = 68
	Interrupt     Type = 69
	Yield         Type = 70
	EventReceived Type = 337 // acknowledged event delivery; the code is that of the specification's test suite
)

var typeNames = map[Type]string{
	Hello: "HELLO", Welcome: "WELCOME", Abort: "ABORT", Challenge: "CHALLENGE", Authenticate: "AUTHENTICATE",
	Goodbye: "GOODBYE", Error: "ERROR", Publish: "PUBLISH", Published: "PUBLISHED", Subscribe: "SUBSCRIBE",
	Subscribed: "SUBSCRIBED", Unsubscribe: "UNSUBSCRIBE", Unsubscribed: "UNSUBSCRIBED", Event: "EVENT", Call: "CALL",
	Cancel: "CANCEL", Result: "RESULT", Register: "REGISTER", Registered: "REGISTERED", Unregister: "UNREGISTER",
	Unregistered: "UNREGISTERED", Invocation: "INVOCATION", Interrupt: "INTERRUPT", Yield: "YIELD",
	EventReceived: "EVENT_RECEIVED",
}

// String returns the name as written in the specification, "PUBLISH", or "message 99" for an unknown code.
func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return "message " + strconv.Itoa(int(t))
}
