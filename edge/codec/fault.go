package codec

import (
	"strconv"

	"runnel/edge/wamp"
)

// A fault says what is wrong with some bytes. The scanners return positions, and a fault as a negative one, so that the
// hot path carries a single int; an error is made of it only once, where the message's type and element are known.
type fault int

const (
	faultNone fault = iota
	faultKind       // another kind of value than the element's
	faultEnds
	faultFollows
	faultText
	faultKey
	faultDepth
	faultForm
	faultEscape
	faultSurrogate
	faultControl
	faultNumber
	faultSyntax
)

var faultTexts = [...]string{
	faultKind:      "is of the wrong kind",
	faultEnds:      "the message ends early",
	faultFollows:   "something follows the end of the message",
	faultText:      "a string is not UTF-8",
	faultKey:       "a map's key is not a string",
	faultDepth:     "nested deeper than " + strconv.Itoa(MaxDepth) + " levels",
	faultForm:      "an octet that begins no value",
	faultEscape:    "a broken escape in a string",
	faultSurrogate: "half a surrogate pair in a string",
	faultControl:   "a bare control character in a string",
	faultNumber:    "a broken number",
	faultSyntax:    "a broken list or map",
}

// at is f as a position: negative.
func (f fault) at() int { return -int(f) }

func (f fault) Error() string { return faultTexts[f] }

// UnknownType is Parse's error for a well-begun message whose code stands for no message of the protocol that Runnel
// knows. Its value is the code.
type UnknownType uint64

func (u UnknownType) Error() string {
	return "unknown message type " + strconv.FormatUint(uint64(u), 10)
}

// messageError tells which element of which message is wrong: "PUBLISH: topic is not a string".
type messageError struct {
	message wamp.Type // 0: not known yet
	element string    // "": the message as a whole
	text    string    // "is not a string", or what is wrong inside of the element
	inside  bool
}

func (e *messageError) Error() string {
	name := "message"
	if e.message != 0 {
		name = e.message.String()
	}
	if e.element == "" {
		return name + ": " + e.text
	}
	if e.inside {
		return name + ": " + e.element + ": " + e.text
	}
	return name + ": " + e.element + " " + e.text
}

// wrong makes the error for an element at which a scanner returned the negative position at.
//
//go:noinline
func (l *layout) wrong(e element, at int) error {
	if fault(-at) == faultKind {
		return &messageError{message: l.message, element: e.name, text: kindTexts[e.field]}
	}
	return &messageError{message: l.message, element: e.name, text: fault(-at).Error(), inside: true}
}

// broken makes the error for a message that is wrong as a whole.
//
//go:noinline
func (l *layout) broken(f fault) error { return &messageError{message: l.message, text: f.Error()} }

// notMessage makes the error for bytes that do not even begin like a message.
func notMessage(at int) error {
	if fault(-at) == faultKind {
		return &messageError{text: "not a list"}
	}
	return &messageError{text: fault(-at).Error()}
}

// noType makes the error for a list of n items that does not begin with a message's code.
func noType(n, at int) error {
	if n == 0 {
		return &messageError{text: "an empty list"}
	}
	if fault(-at) == faultKind {
		return &messageError{text: "the type is not an integer"}
	}
	return notMessage(at)
}

func (l *layout) wrongLength(n int) error {
	if n < l.min {
		return &messageError{message: l.message, element: l.elements[n].name, text: "is missing"}
	}
	return &messageError{message: l.message, text: "more than " + strconv.Itoa(l.max+1) + " elements"}
}
