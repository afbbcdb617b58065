package codec

import "runnel/edge/wamp"

// binaryFormat is what differs between the messages of CBOR and those of MessagePack. Lists of both begin with the number of
// their items.
type binaryFormat struct {
	serializer wamp.Serializer

	// Each scanner returns the position after what it has read, or a fault.
	message   func(data []byte) (items, next int) // the head of the message's list
	unsigned  func(data []byte, pos int) (uint64, int)
	id        func(data []byte, pos int) (wamp.ID, int)
	text      func(data []byte, pos int) ([]byte, int)
	dict      func(data []byte, pos int, m *Message) int
	arguments func(data []byte, pos int, m *Message) int
	keywords  func(data []byte, pos int) int

	list       byte // the head of an empty list; the number of items is added to it
	emptyDict  byte
	appendUint func(dst []byte, v uint64) []byte
	appendText func(dst, text []byte) []byte
}

// parse parses a message whose items take data[:end].
func (f *binaryFormat) parse(data []byte, end int, m *Message) (*layout, error) {
	n, pos := f.message(data)
	if pos < 0 {
		return nil, notMessage(pos)
	}
	code, pos := f.unsigned(data, pos)
	if pos < 0 || n == 0 {
		return nil, noType(n, pos)
	}
	l, err := known(m, code)
	if err != nil {
		return nil, err
	}
	n-- // the code
	if n < l.min || n > l.max {
		return l, l.wrongLength(n)
	}
	for i := range l.elements[:min(n, len(l.elements))] {
		if pos = f.element(data, pos, l.elements[i].field, m); pos < 0 {
			return l, l.wrong(l.elements[i], pos)
		}
	}
	if items := n - len(l.elements); items > 0 {
		start := pos
		if pos = f.arguments(data, pos, m); pos < 0 {
			return l, l.wrong(arguments, pos)
		}
		keys := pos
		if items == 2 {
			if pos = f.keywords(data, pos); pos < 0 {
				return l, l.wrong(keywords, pos)
			}
		}
		m.payload(f.serializer, items, data, start, keys, pos)
	}
	if pos != end {
		return l, l.broken(faultFollows)
	}
	return l, nil
}

func (f *binaryFormat) element(data []byte, pos int, kind field, m *Message) int {
	switch kind {
	case fieldRequest:
		m.Request, pos = f.id(data, pos)
	case fieldID:
		m.ID, pos = f.id(data, pos)
	case fieldPublication:
		m.Publication, pos = f.id(data, pos)
	case fieldRevoked:
		m.Request, pos = f.unsigned(data, pos)
		if m.Request > wamp.MaxID {
			return faultKind.at()
		}
	case fieldErrorType:
		var code uint64
		code, pos = f.unsigned(data, pos)
		m.ErrorType = wamp.Type(code)
		if pos >= 0 && layoutOf(code) == nil {
			return faultKind.at()
		}
	case fieldText:
		m.Text, pos = f.text(data, pos)
	case fieldDict:
		return f.dict(data, pos, m)
	}
	return pos
}

// append appends a message with the first n elements of its layout and, if items is not 0, its payload.
func (f *binaryFormat) append(dst []byte, l *layout, m *Message, n, items int) ([]byte, error) {
	start := len(dst)
	dst = append(dst, f.list|byte(1+n+items))
	dst = f.appendUint(dst, uint64(l.message))
	for i := range l.elements[:n] {
		switch l.elements[i].field {
		case fieldRequest, fieldRevoked:
			dst = f.appendUint(dst, m.Request)
		case fieldID:
			dst = f.appendUint(dst, m.ID)
		case fieldPublication:
			dst = f.appendUint(dst, m.Publication)
		case fieldErrorType:
			dst = f.appendUint(dst, uint64(m.ErrorType))
		case fieldText:
			if !validText(m.Text) {
				return dst[:start], l.invalid(l.elements[i], faultText)
			}
			dst = f.appendText(dst, m.Text)
		case fieldDict:
			if len(m.Dict.Raw) == 0 {
				dst = append(dst, f.emptyDict)
				continue
			}
			var err error
			if dst, err = m.Dict.appendTo(dst, f.serializer); err != nil {
				return dst[:start], l.invalid(l.elements[i], err)
			}
		}
	}
	if items == 0 {
		return dst, nil
	}
	dst, err := m.Payload.appendTo(dst, f.serializer)
	if err != nil {
		return dst[:start], l.invalid(arguments, err)
	}
	return dst, nil
}

// Each skip function checks what begins at pos and returns the position after it, or a fault. n is the length or the number of
// items that the head before pos declares.

func skipBytes(data []byte, pos int, n uint64) int {
	if n > uint64(len(data)-pos) {
		return faultEnds.at()
	}
	return pos + int(n)
}

func skipText(data []byte, pos int, n uint64) int {
	end := skipBytes(data, pos, n)
	if end >= 0 && !validText(data[pos:end]) {
		return faultText.at()
	}
	return end
}

func skipList(data []byte, pos int, n uint64, depth int, item func(data []byte, pos, depth int) int) int {
	for pos = enter(data, pos, n, depth); n > 0 && pos >= 0; n-- {
		pos = item(data, pos, depth-1)
	}
	return pos
}

func skipMap(data []byte, pos int, n uint64, depth int, key func(data []byte, pos int) int, value func(data []byte, pos, depth int) int) int {
	for pos = enter(data, pos, n, depth); n > 0 && pos >= 0; n-- {
		if pos = key(data, pos); pos >= 0 {
			pos = value(data, pos, depth-1)
		}
	}
	return pos
}
