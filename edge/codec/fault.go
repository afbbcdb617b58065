package codec

import (
	"strconv"

	"runnel/edge/wamp"
)

// A fault is a kind of malformed data. Scanners return positions, and a fault as a negative position, so that the hot
// path carries a single int. The error is made only once, where the message's type and element are known.
type fault int

const (
	faultNone fault = iota
	faultKind       // not the type that the element must have
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
	faultKind:      "has the wrong type",
	faultEnds:      "the message ends early",
	faultFollows:   "data after the end of the message",
	faultText:      "a string is not UTF-8",
	faultKey:       "a map key is not a string",
	faultDepth:     "nested deeper than " + strconv.Itoa(MaxDepth) + " levels",
	faultForm:      "an invalid first octet of a value",
	faultEscape:    "an invalid escape in a string",
	faultSurrogate: "half a surrogate pair in a string",
	faultControl:   "an unescaped control character in a string",
	faultNumber:    "an invalid number",
	faultSyntax:    "a malformed list or map",
}

// at returns f as a negative position.
func (f fault) at() int { return -int(f) }

func (f fault) Error() string { return faultTexts[f] }

// UnknownType is the error of Parse for a list that begins with a message code that Runnel does not know. Its value is
// the code.
type UnknownType uint64

func (u UnknownType) Error() string {
	return "unknown message type " + strconv.FormatUint(uint64(u), 10)
}

// messageError names the faulty element of a message: "PUBLISH: topic is not a string".
type messageError struct {
	message wamp.Type // 0: unknown
	element string    // "": the whole message
	text    string    // "is not a string", or a fault inside the element
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

// wrong returns the error for an element. at is the negative position that a scanner returned.
//
//go:noinline
func (l *layout) wrong(e element, at int) error {
	if fault(-at) == faultKind {
		return &messageError{message: l.message, element: e.name, text: kindTexts[e.field]}
	}
	return &messageError{message: l.message, element: e.name, text: fault(-at).Error(), inside: true}
}

// broken returns the error for a message that is malformed as a whole.
//
//go:noinline
func (l *layout) broken(f fault) error { return &messageError{message: l.message, text: f.Error()} }

// notMessage returns the error for data that does not begin like a message.
func notMessage(at int) error {
	if fault(-at) == faultKind {
		return &messageError{text: "not a list"}
	}
	return &messageError{text: fault(-at).Error()}
}

// noType returns the error for a list of n items that does not begin with a message code.
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

// enter returns pos, or a fault if no array or map of n elements can begin there: each element takes at least one byte, and
// an array or a map takes one of the depth levels that are left.
func enter(data []byte, pos int, n uint64, depth int) int {
	if n > uint64(len(data)-pos) {
		return faultEnds.at()
	}
	if depth == 0 {
		return faultDepth.at()
	}
	return pos
}
