package codec

import (
	"math"

	"runnel/edge/wamp"
)

// optionKind is the type that the protocol requires of an option or detail. null is always allowed, because some
// clients send it for options that are not set. Unknown options may have any value.
type optionKind uint8

const (
	optionAny optionKind = iota
	optionBool
	optionID
	optionText
	optionIDs
	optionTexts
	optionDicts
	optionMatch
	optionAlgorithm
	optionSerializer
)

var optionRules = [...]string{
	optionBool:       "is not a boolean",
	optionID:         "is not an id",
	optionText:       "is not a string",
	optionIDs:        "is not a list of ids",
	optionTexts:      "is not a list of strings",
	optionDicts:      "is not a list of dicts",
	optionMatch:      "is not exact, prefix or wildcard",
	optionAlgorithm:  "is not a known algorithm",
	optionSerializer: "is not a known serializer",
}

// optionOf returns the type of the option with the given name. A name has the same meaning in all messages.
func optionOf(name []byte) optionKind {
	switch string(name) {
	case "acknowledge", "disclose_me", "exclude_me", "retain", "retained", "get_retained", "progress", "receive_progress",
		"x_acknowledged_delivery":
		return optionBool
	case "publisher", "caller":
		return optionID
	case "topic", "procedure", "transaction_hash", "publisher_authid", "publisher_authrole", "caller_authid",
		"caller_authrole", "invoke", "mode", "enc_key", "ppt_scheme", "ppt_serializer", "ppt_cipher", "ppt_keyid":
		return optionText
	case "exclude", "eligible":
		return optionIDs
	case "exclude_authid", "exclude_authrole", "eligible_authid", "eligible_authrole":
		return optionTexts
	case "forward_for":
		return optionDicts
	case "match":
		return optionMatch
	case "enc_algo":
		return optionAlgorithm
	case "enc_serializer":
		return optionSerializer
	}
	return optionAny
}

// checkOptions checks the types of the options or details that the protocol defines.
func checkOptions(l *layout, d Dict) error {
	for f := d.Fields(); f.Next(); {
		kind := optionOf(f.key)
		if kind != optionAny && !kind.allows(f.value) && !f.value.IsNull() {
			return &messageError{message: l.message, element: string(f.key), text: optionRules[kind]}
		}
	}
	return nil
}

func (k optionKind) allows(v Value) bool {
	switch k {
	case optionBool:
		_, ok := v.Bool()
		return ok
	case optionID:
		return isID(v)
	case optionText:
		return isText(v)
	case optionIDs:
		return all(v, isListedID)
	case optionTexts:
		return all(v, isText)
	case optionDicts:
		return all(v, isDict)
	}
	text, ok := v.Text()
	return ok && k.allowsText(text)
}

func isID(v Value) bool {
	id, ok := v.Uint()
	return ok && wamp.ValidID(id)
}

func isListedID(v Value) bool {
	_, ok := v.ListedID()
	return ok
}

// ListedID returns an id in a list of sessions. It accepts floats, too: JavaScript's cbor-x and msgpackr encode
// integers beyond 32 bits as floats.
func (v Value) ListedID() (id wamp.ID, ok bool) {
	if id, ok = v.Uint(); ok {
		return id, wamp.ValidID(id)
	}
	f, ok := v.float()
	if !ok || f < 1 || f > float64(wamp.MaxID) || f != math.Trunc(f) {
		return 0, false
	}
	return wamp.ID(f), true
}

// isText accepts a binary, too: a text that looks like a binary of JSON becomes one when it is transcoded from JSON.
func isText(v Value) bool {
	if len(v.Raw) == 0 {
		return false
	}
	c := v.Raw[0]
	switch v.Serializer {
	case wamp.CBOR:
		return c>>5 == cborString || c>>5 == cborBytes
	case wamp.MsgPack:
		return msgpackIsText(c) || msgpackIsBin(c)
	}
	return c == '"'
}

func isDict(v Value) bool {
	_, ok := v.Dict()
	return ok
}

func all(v Value, is func(Value) bool) bool {
	list, ok := v.Items()
	for ok && list.Next() {
		ok = is(list.Value())
	}
	return ok
}

// allowsText reports whether text is one of the words that the option allows. The names for transparent payloads are
// those of the specification's test vectors; custom names begin with "x_".
func (k optionKind) allowsText(text []byte) bool {
	switch k {
	case optionMatch:
		_, known := wamp.ParseMatch(string(text))
		return known
	case optionAlgorithm:
		switch string(text) {
		case "null", "cryptobox", "mqtt", "xbr":
			return true
		}
	case optionSerializer:
		switch string(text) {
		case "null", "json", "msgpack", "cbor", "ubjson", "opaque", "flatbuffers":
			return true
		}
	}
	return len(text) > 2 && string(text[:2]) == "x_"
}

// transparent reports whether the options or details announce a payload that the router must not interpret. It is a
// binary, but some clients send text.
func transparent(d Dict) bool {
	for f := d.Fields(); f.Next(); {
		if string(f.key) == "enc_algo" || string(f.key) == "ppt_scheme" {
			return !f.value.IsNull()
		}
	}
	return false
}
