package codec

import (
	"errors"
	"slices"

	"runnel/edge/wamp"
)

// Message is a WAMP message of any type. Its head is parsed into fields, its payload is left as bytes.
type Message struct {
	Type        wamp.Type
	ErrorType   wamp.Type // ERROR: the type of the request that failed
	Request     wamp.ID
	ID          wamp.ID // subscription, registration, publication (PUBLISHED, EVENT_RECEIVED) or session (WELCOME)
	Publication wamp.ID // EVENT
	Text        []byte  // realm, topic, procedure, error URI, reason, auth method or signature
	Dict        Dict    // options, details or extra
	Payload     Payload // Arguments and ArgumentsKw
	Nulls       bool    // Arguments or ArgumentsKw was null, which means absent
}

// field is the field of Message that an element on the wire belongs to.
type field uint8

const (
	fieldRequest   field = iota
	fieldRevoked         // Request, where 0 means that the router acts on its own
	fieldErrorType       //
	fieldID
	fieldPublication
	fieldText
	fieldDict
	fieldArguments
	fieldKeywords
)

var kindTexts = [...]string{
	fieldRequest:     "is not an id",
	fieldRevoked:     "is neither an id nor 0",
	fieldErrorType:   "is not a message type",
	fieldID:          "is not an id",
	fieldPublication: "is not an id",
	fieldText:        "is not a string",
	fieldDict:        "is not a dict",
	fieldArguments:   "is neither a list nor a binary",
	fieldKeywords:    "is not a dict",
}

type element struct {
	field field
	name  string
}

// layout describes the elements after a message's code. The first min elements are mandatory; elements up to
// len(elements) are optional. Arguments and ArgumentsKw follow if the message has a payload.
type layout struct {
	message  wamp.Type
	min, max int
	payload  bool
	options  bool // the dict holds options or details with known types, see checkOptions
	elements []element
}

var (
	arguments = element{fieldArguments, "arguments"}
	keywords  = element{fieldKeywords, "keyword arguments"}
	request   = element{fieldRequest, "request"}
	options   = element{fieldDict, "options"}
	details   = element{fieldDict, "details"}
	topic     = element{fieldText, "topic"}
	procedure = element{fieldText, "procedure"}
)

// layouts are the protocol's messages by code (basic/messages.md). EVENT_RECEIVED has index 0, because its code is far
// from the others.
var layouts = [...]layout{
	wamp.Hello:        {elements: []element{{fieldText, "realm"}, details}},
	wamp.Welcome:      {elements: []element{{fieldID, "session"}, details}},
	wamp.Abort:        {elements: []element{details, {fieldText, "reason"}}, payload: true},
	wamp.Challenge:    {elements: []element{{fieldText, "auth method"}, {fieldDict, "extra"}}},
	wamp.Authenticate: {elements: []element{{fieldText, "signature"}, {fieldDict, "extra"}}},
	wamp.Goodbye:      {elements: []element{details, {fieldText, "reason"}}, payload: true},
	wamp.Error: {elements: []element{{fieldErrorType, "request type"}, request, details, {fieldText, "error URI"}},
		payload: true},
	wamp.Publish:      {elements: []element{request, options, topic}, payload: true, options: true},
	wamp.Published:    {elements: []element{request, {fieldID, "publication"}}},
	wamp.Subscribe:    {elements: []element{request, options, topic}, options: true},
	wamp.Subscribed:   {elements: []element{request, {fieldID, "subscription"}}},
	wamp.Unsubscribe:  {elements: []element{request, {fieldID, "subscription"}, options}, min: 2},
	wamp.Unsubscribed: {elements: []element{{fieldRevoked, "request"}, details}, min: 1},
	wamp.Event: {elements: []element{{fieldID, "subscription"}, {fieldPublication, "publication"}, details},
		payload: true, options: true},
	wamp.Call:         {elements: []element{request, options, procedure}, payload: true, options: true},
	wamp.Cancel:       {elements: []element{request, options}, options: true},
	wamp.Result:       {elements: []element{request, details}, payload: true, options: true},
	wamp.Register:     {elements: []element{request, options, procedure}, options: true},
	wamp.Registered:   {elements: []element{request, {fieldID, "registration"}}},
	wamp.Unregister:   {elements: []element{request, {fieldID, "registration"}, options}, min: 2},
	wamp.Unregistered: {elements: []element{{fieldRevoked, "request"}, details}, min: 1},
	wamp.Invocation: {elements: []element{request, {fieldID, "registration"}, details}, payload: true,
		options: true},
	wamp.Interrupt: {elements: []element{request, options}, options: true},
	wamp.Yield:     {elements: []element{request, options}, payload: true, options: true},
	0:              {elements: []element{{fieldID, "publication"}}, message: wamp.EventReceived},
}

func init() {
	for code := range layouts {
		l := &layouts[code]
		if l.message == 0 {
			l.message = wamp.Type(code)
		}
		if l.min == 0 {
			l.min = len(l.elements)
		}
		l.max = len(l.elements)
		if l.payload {
			l.max += 2
		}
	}
}

// layoutOf returns the layout of a message code; nil if it is unknown.
func layoutOf(code uint64) *layout {
	if code == uint64(wamp.EventReceived) {
		return &layouts[0]
	}
	if code-1 >= uint64(len(layouts)-1) || layouts[code].max == 0 {
		return nil
	}
	return &layouts[code]
}

// Parse reads one complete message into m. It checks everything, the payload too (see the package comment). The bytes
// in m are parts of data, except a JSON text with escapes and a CBOR text in chunks. After an error m is undefined.
func Parse(s wamp.Serializer, data []byte, m *Message) error {
	*m = Message{}
	var l *layout
	var err error
	switch s {
	case wamp.CBOR:
		l, err = parseCBOR(data, m)
	case wamp.MsgPack:
		l, err = parseMsgPack(data, m)
	case wamp.JSON:
		l, err = parseJSON(data, m)
	default:
		return errSerializer
	}
	if err != nil || len(m.Dict.Raw) == 0 || !l.options {
		return err
	}
	return checkOptions(l, m.Dict)
}

var errSerializer = errors.New("unknown serializer")

// known returns the layout of a message whose code was read, for all serializers.
func known(m *Message, code uint64) (*layout, error) {
	l := layoutOf(code)
	if l == nil {
		return nil, UnknownType(code)
	}
	m.Type = l.message
	return l, nil
}

// Append appends m, encoded by s. Dict and Payload are copied as they are, or transcoded from another serializer. It
// accepts everything that Parse accepts. It fails on an unknown Type, on text that is not UTF-8, and on bytes that do
// not match their Serializer. Then it returns dst unchanged.
func Append(dst []byte, s wamp.Serializer, m *Message) ([]byte, error) {
	l := layoutOf(uint64(m.Type))
	if l == nil {
		return dst, UnknownType(m.Type)
	}
	n := len(l.elements)
	if l.min < n && m.Dict.Empty() {
		n = l.min
	}
	items := 0
	if l.payload {
		if items = m.Payload.Items; items < 0 || items > 2 {
			return dst, l.invalid(arguments, errItems)
		}
	}
	// Reserve the head at once: an id takes at most 9 octets, 16 digits in JSON, and 3 strings have lengths.
	dst = slices.Grow(dst, 96+len(m.Text)+len(m.Dict.Raw)+len(m.Payload.Raw))
	switch s {
	case wamp.CBOR:
		return appendCBOR(dst, l, m, n, items)
	case wamp.MsgPack:
		return appendMsgPack(dst, l, m, n, items)
	case wamp.JSON:
		return appendJSON(dst, l, m, n, items)
	}
	return dst, errSerializer
}

// invalid returns the error for a field of m that cannot be encoded.
func (l *layout) invalid(e element, err error) error {
	return &messageError{message: l.message, element: e.name, text: err.Error(), inside: true}
}

// TypeOf returns a message's type without checking the rest. It returns 0 if data does not begin like a message of a
// known type.
func TypeOf(s wamp.Serializer, data []byte) wamp.Type {
	var code uint64
	switch s {
	case wamp.CBOR:
		code = peekCBOR(data)
	case wamp.MsgPack:
		code = peekMsgPack(data)
	case wamp.JSON:
		code = peekJSON(data)
	}
	if l := layoutOf(code); l != nil {
		return l.message
	}
	return 0
}
