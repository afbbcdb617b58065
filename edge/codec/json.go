package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"runnel/edge/wamp"
)

// jsonBinary begins a string that represents a binary (advanced/serialization_binary_json.md). base64 follows.
const jsonBinary = `\u0000`

func parseJSON(data []byte, m *Message) (*layout, error) {
	pos := jsonSpace(data, 0)
	if pos >= len(data) {
		return nil, notMessage(faultEnds.at())
	}
	if data[pos] != '[' {
		return nil, notMessage(faultKind.at())
	}
	pos = jsonSpace(data, pos+1)
	if pos < len(data) && data[pos] == ']' {
		return nil, noType(0, pos)
	}
	code, pos := jsonUnsigned(data, pos)
	if pos < 0 {
		return nil, noType(1, pos)
	}
	l, err := known(m, code)
	if err != nil {
		return nil, err
	}
	if pos, err = jsonElements(data, pos, l, m); err != nil {
		return l, err
	}
	if jsonSpace(data, pos+1) != len(data) {
		return l, l.broken(faultFollows)
	}
	return l, nil
}

// jsonElements reads the elements after the code and returns the position of the closing bracket.
func jsonElements(data []byte, pos int, l *layout, m *Message) (int, error) {
	for i := range l.elements {
		next := jsonNext(data, pos)
		if next < 0 {
			return 0, l.broken(fault(-next))
		}
		if data[next] == ']' {
			if i < l.min {
				return 0, l.wrongLength(i)
			}
			return next, nil
		}
		if pos = jsonElement(data, jsonSpace(data, next+1), l.elements[i].field, m); pos < 0 {
			return 0, l.wrong(l.elements[i], pos)
		}
	}
	next := jsonNext(data, pos)
	if next >= 0 && data[next] == ',' && l.payload {
		var err error
		if pos, err = jsonPayload(data, jsonSpace(data, next+1), l, m); err != nil {
			return 0, err
		}
		next = jsonNext(data, pos)
	}
	if next < 0 {
		return 0, l.broken(fault(-next))
	}
	if data[next] == ',' {
		return 0, l.wrongLength(l.max + 1)
	}
	return next, nil
}

// jsonNext returns the position of the comma or closing bracket that must follow an item of a list.
func jsonNext(data []byte, pos int) int {
	pos = jsonSpace(data, pos)
	if pos >= len(data) {
		return faultEnds.at()
	}
	if data[pos] != ',' && data[pos] != ']' {
		return faultSyntax.at()
	}
	return pos
}

func jsonElement(data []byte, pos int, f field, m *Message) int {
	switch f {
	case fieldRequest:
		m.Request, pos = jsonID(data, pos)
	case fieldID:
		m.ID, pos = jsonID(data, pos)
	case fieldPublication:
		m.Publication, pos = jsonID(data, pos)
	case fieldRevoked:
		m.Request, pos = jsonUnsigned(data, pos)
		if m.Request > wamp.MaxID {
			return faultKind.at()
		}
	case fieldErrorType:
		var code uint64
		code, pos = jsonUnsigned(data, pos)
		m.ErrorType = wamp.Type(code)
		if pos >= 0 && layoutOf(code) == nil {
			return faultKind.at()
		}
	case fieldText:
		m.Text, pos = jsonText(data, pos)
	case fieldDict:
		return jsonDict(data, pos, m)
	}
	return pos
}

func jsonID(data []byte, pos int) (wamp.ID, int) {
	id, next := jsonUnsigned(data, pos)
	if next >= 0 && !wamp.ValidID(id) {
		return 0, faultKind.at()
	}
	return id, next
}

func jsonDict(data []byte, pos int, m *Message) int {
	if pos >= len(data) {
		return faultEnds.at()
	}
	if data[pos] != '{' {
		return faultKind.at()
	}
	if pos+1 < len(data) && data[pos+1] == '}' {
		return pos + 2
	}
	end := jsonSkip(data, pos, MaxDepth)
	if end >= 0 {
		m.Dict.Serializer, m.Dict.Raw = wamp.JSON, data[pos:end]
	}
	return end
}

func jsonPayload(data []byte, pos int, l *layout, m *Message) (int, error) {
	start := pos
	if pos = jsonArguments(data, pos, m); pos < 0 {
		return 0, l.wrong(arguments, pos)
	}
	items, end, keys := 1, pos, start
	next := jsonSpace(data, pos)
	if next < len(data) && data[next] == ',' {
		items = 2
		keys = jsonSpace(data, next+1)
		if keys < len(data) && data[keys] != '{' && data[keys] != 'n' {
			return 0, l.wrong(keywords, faultKind.at())
		}
		if end = jsonSkip(data, keys, MaxDepth); end < 0 {
			return 0, l.wrong(keywords, end)
		}
	}
	m.payload(wamp.JSON, items, data, start, keys, end)
	return end, nil
}

func jsonArguments(data []byte, pos int, m *Message) int {
	end := jsonSkip(data, pos, MaxDepth)
	if end < 0 || data[pos] == '[' || data[pos] == 'n' {
		return end
	}
	if data[pos] == '"' && (jsonIsBinary(data[pos+1:end-1]) || transparent(m.Dict)) {
		return end
	}
	return faultKind.at()
}

func peekJSON(data []byte) uint64 {
	pos := jsonSpace(data, 0)
	if pos >= len(data) || data[pos] != '[' {
		return 0
	}
	code, _ := jsonUnsigned(data, jsonSpace(data, pos+1))
	return code
}

// jsonSpace returns the position of the first octet at or after pos that is not white space.
func jsonSpace(data []byte, pos int) int {
	for pos < len(data) && data[pos] <= ' ' && (data[pos] == ' ' || data[pos] == '\n' || data[pos] == '\r' || data[pos] == '\t') {
		pos++
	}
	return pos
}

// jsonUnsigned reads a non-negative integer of up to 64 bits. A number with a fraction or an exponent is not an
// integer, not even 1.0.
func jsonUnsigned(data []byte, pos int) (v uint64, next int) {
	start := pos
	for pos < len(data) && data[pos]-'0' <= 9 {
		digit := uint64(data[pos] - '0')
		if pos-start >= 19 && (v > math.MaxUint64/10 || v*10 > math.MaxUint64-digit) {
			return 0, faultKind.at()
		}
		v = v*10 + digit
		pos++
	}
	if pos >= len(data) {
		return 0, faultEnds.at()
	}
	if pos == start || data[start] == '0' && pos > start+1 {
		return 0, faultKind.at()
	}
	if c := data[pos]; c == '.' || c == 'e' || c == 'E' {
		return 0, faultKind.at()
	}
	return v, pos
}

// jsonText reads a string. If it has escapes, the text is in new memory.
func jsonText(data []byte, pos int) ([]byte, int) {
	if pos >= len(data) {
		return nil, faultEnds.at()
	}
	if data[pos] != '"' {
		return nil, faultKind.at()
	}
	next, escaped := jsonString(data, pos+1)
	if next < 0 {
		return nil, next
	}
	text := data[pos+1 : next-1]
	if escaped {
		text = jsonUnescape(nil, text)
	}
	return text, next
}

// jsonSkip checks the value at pos and returns the position after it. depth is the number of levels still allowed. It
// calls itself for the items of lists and maps, at most MaxDepth deep.
func jsonSkip(data []byte, pos, depth int) int {
	if pos >= len(data) {
		return faultEnds.at()
	}
	switch data[pos] {
	case '"':
		next, _ := jsonString(data, pos+1)
		return next
	case '[':
		return jsonSkipList(data, pos+1, depth)
	case '{':
		return jsonSkipMap(data, pos+1, depth)
	case 't':
		return jsonSkipWord(data, pos, "true")
	case 'f':
		return jsonSkipWord(data, pos, "false")
	case 'n':
		return jsonSkipWord(data, pos, "null")
	}
	return jsonSkipNumber(data, pos)
}

func jsonSkipList(data []byte, pos, depth int) int {
	if depth == 0 {
		return faultDepth.at()
	}
	pos = jsonSpace(data, pos)
	if pos < len(data) && data[pos] == ']' {
		return pos + 1
	}
	for {
		if pos = jsonSkip(data, pos, depth-1); pos < 0 {
			return pos
		}
		if pos = jsonNext(data, pos); pos < 0 {
			return pos
		}
		if data[pos] == ']' {
			return pos + 1
		}
		pos = jsonSpace(data, pos+1)
	}
}

func jsonSkipMap(data []byte, pos, depth int) int {
	if depth == 0 {
		return faultDepth.at()
	}
	pos = jsonSpace(data, pos)
	if pos < len(data) && data[pos] == '}' {
		return pos + 1
	}
	for {
		if pos = jsonSkipKey(data, pos); pos < 0 {
			return pos
		}
		if pos = jsonSkip(data, pos, depth-1); pos < 0 {
			return pos
		}
		pos = jsonSpace(data, pos)
		if pos >= len(data) {
			return faultEnds.at()
		}
		if data[pos] == '}' {
			return pos + 1
		}
		if data[pos] != ',' {
			return faultSyntax.at()
		}
		pos = jsonSpace(data, pos+1)
	}
}

// jsonSkipKey checks a key and its colon and returns the position of the value.
func jsonSkipKey(data []byte, pos int) int {
	if pos >= len(data) {
		return faultEnds.at()
	}
	if data[pos] != '"' {
		return faultKey.at()
	}
	pos, _ = jsonString(data, pos+1)
	if pos < 0 {
		return pos
	}
	pos = jsonSpace(data, pos)
	if pos >= len(data) {
		return faultEnds.at()
	}
	if data[pos] != ':' {
		return faultSyntax.at()
	}
	return jsonSpace(data, pos+1)
}

func jsonSkipWord(data []byte, pos int, word string) int {
	if len(data)-pos < len(word) || string(data[pos:pos+len(word)]) != word {
		return faultForm.at()
	}
	return pos + len(word)
}

// jsonSkipNumber checks a number (RFC 8259, section 6).
func jsonSkipNumber(data []byte, pos int) int {
	start := pos
	if data[pos] == '-' {
		pos++
	}
	digits := pos
	pos = jsonDigits(data, pos)
	if pos == digits {
		if start == pos {
			return faultForm.at()
		}
		return faultNumber.at()
	}
	if data[digits] == '0' && pos > digits+1 {
		return faultNumber.at()
	}
	if pos < len(data) && data[pos] == '.' {
		digits = pos + 1
		if pos = jsonDigits(data, digits); pos == digits {
			return faultNumber.at()
		}
	}
	if pos < len(data) && data[pos]|0x20 == 'e' {
		digits = pos + 1
		if digits < len(data) && (data[digits] == '+' || data[digits] == '-') {
			digits++
		}
		if pos = jsonDigits(data, digits); pos == digits {
			return faultNumber.at()
		}
	}
	return pos
}

func jsonDigits(data []byte, pos int) int {
	for pos < len(data) && data[pos]-'0' <= 9 {
		pos++
	}
	return pos
}

// jsonString checks the string whose opening quote precedes pos. next is the position after its closing quote.
func jsonString(data []byte, pos int) (next int, escaped bool) {
	for {
		for len(data)-pos >= 8 {
			special := jsonSpecial(binary.LittleEndian.Uint64(data[pos:]))
			if special != 0 {
				pos += bits.TrailingZeros64(special) >> 3
				break
			}
			pos += 8
		}
		if pos >= len(data) {
			return faultEnds.at(), false
		}
		switch c := data[pos]; {
		case c == '"':
			return pos + 1, escaped
		case c == '\\':
			escaped = true
			pos = jsonEscape(data, pos)
		case c < ' ':
			return faultControl.at(), false
		case c >= utf8.RuneSelf:
			pos = jsonRune(data, pos)
		default:
			pos++
		}
		if pos < 0 {
			return pos, false
		}
	}
}

// jsonSpecial marks those of eight octets that end a run of plain text: quotes, backslashes, controls and non-ASCII
// octets. The lowest mark is exact; higher ones may be false.
func jsonSpecial(w uint64) uint64 {
	const ones = 0x0101010101010101
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w | w) & highBits
}

func jsonRune(data []byte, pos int) int {
	r, size := utf8.DecodeRune(data[pos:])
	if r == utf8.RuneError && size <= 1 {
		return faultText.at()
	}
	return pos + size
}

// jsonEscape checks the escape at pos. Half a surrogate pair is not a character and cannot be represented in the other
// serializers.
func jsonEscape(data []byte, pos int) int {
	if pos+1 >= len(data) {
		return faultEnds.at()
	}
	switch data[pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return pos + 2
	case 'u':
	default:
		return faultEscape.at()
	}
	r, ok := jsonHex(data, pos)
	if !ok {
		return faultEscape.at()
	}
	if !utf16.IsSurrogate(r) {
		return pos + 6
	}
	low, ok := jsonHex(data, pos+6)
	if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
		return faultSurrogate.at()
	}
	return pos + 12
}

// jsonHex reads the escape \uXXXX at pos.
func jsonHex(data []byte, pos int) (r rune, ok bool) {
	if len(data)-pos < 6 || data[pos] != '\\' || data[pos+1] != 'u' {
		return 0, false
	}
	for _, c := range data[pos+2 : pos+6] {
		digit := rune(c - '0')
		if digit > 9 {
			digit = rune(c|0x20) - 'a' + 10
			if digit < 10 || digit > 15 {
				return 0, false
			}
		}
		r = r<<4 | digit
	}
	return r, true
}

// jsonUnescape appends the text of a checked string. text is the part between its quotes.
func jsonUnescape(dst, text []byte) []byte {
	for {
		plain := bytes.IndexByte(text, '\\')
		if plain < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:plain]...)
		text = text[plain:]
		if text[1] != 'u' {
			dst = append(dst, jsonUnescaped(text[1]))
			text = text[2:]
			continue
		}
		r, _ := jsonHex(text, 0)
		text = text[6:]
		if utf16.IsSurrogate(r) {
			low, _ := jsonHex(text, 0)
			r = utf16.DecodeRune(r, low)
			text = text[6:]
		}
		dst = utf8.AppendRune(dst, r)
	}
}

func jsonUnescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// jsonIsBinary reports whether the inside of a checked string represents a binary.
func jsonIsBinary(text []byte) bool {
	_, ok := jsonDecodeBinary(nil, text)
	return ok
}

// jsonDecodeBinary appends the binary that the inside of a checked string represents. It accepts only canonical base64
// with padding, so that no text changes when it passes through another serializer.
func jsonDecodeBinary(dst, text []byte) ([]byte, bool) {
	if len(text) < len(jsonBinary) || string(text[:len(jsonBinary)]) != jsonBinary {
		return dst, false
	}
	text = text[len(jsonBinary):]
	if bytes.IndexByte(text, '\\') >= 0 { // some encoders escape "/" and "+"
		text = jsonUnescape(nil, text)
		if bytes.ContainsAny(text, "\r\n") { // encoding/base64 would ignore these
			return dst, false
		}
	}
	b, err := base64.StdEncoding.Strict().AppendDecode(dst, text)
	if err != nil {
		return dst, false
	}
	return b, true
}

func appendJSON(dst []byte, l *layout, m *Message, n, items int) ([]byte, error) {
	start := len(dst)
	dst = append(dst, '[')
	dst = strconv.AppendUint(dst, uint64(l.message), 10)
	for i := range l.elements[:n] {
		dst = append(dst, ',')
		switch l.elements[i].field {
		case fieldRequest, fieldRevoked:
			dst = strconv.AppendUint(dst, m.Request, 10)
		case fieldID:
			dst = strconv.AppendUint(dst, m.ID, 10)
		case fieldPublication:
			dst = strconv.AppendUint(dst, m.Publication, 10)
		case fieldErrorType:
			dst = strconv.AppendUint(dst, uint64(m.ErrorType), 10)
		case fieldText:
			if !validText(m.Text) {
				return dst[:start], l.invalid(l.elements[i], faultText)
			}
			dst = jsonAppendText(dst, m.Text)
		case fieldDict:
			if len(m.Dict.Raw) == 0 {
				dst = append(dst, '{', '}')
				continue
			}
			var err error
			if dst, err = m.Dict.appendTo(dst, wamp.JSON); err != nil {
				return dst[:start], l.invalid(l.elements[i], err)
			}
		}
	}
	if items > 0 {
		var err error
		if dst, err = m.Payload.appendTo(append(dst, ','), wamp.JSON); err != nil {
			return dst[:start], l.invalid(arguments, err)
		}
	}
	return append(dst, ']'), nil
}

// jsonAppendText appends a string of valid text.
func jsonAppendText(dst, text []byte) []byte {
	dst = append(dst, '"')
	plain := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[plain:i]...)
		dst = jsonAppendEscape(dst, c)
		plain = i + 1
	}
	dst = append(dst, text[plain:]...)
	return append(dst, '"')
}

func jsonAppendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

func jsonAppendBinary(dst, b []byte) []byte {
	dst = append(dst, '"')
	dst = append(dst, jsonBinary...)
	dst = base64.StdEncoding.AppendEncode(dst, b)
	return append(dst, '"')
}

const leastInteger = "-18446744073709551616" // -2^64, the smallest integer of CBOR

// jsonAppendNegative appends -1-v.
func jsonAppendNegative(dst []byte, v uint64) []byte {
	if v == math.MaxUint64 {
		return append(dst, leastInteger...)
	}
	return strconv.AppendUint(append(dst, '-'), v+1, 10)
}

// jsonAppendFloat appends a number that is read back as a float: it always has a fraction or an exponent. NaN and
// infinities become null.
func jsonAppendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	start := len(dst)
	if size := math.Abs(f); size != 0 && (size < 1e-6 || size >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if bytes.IndexByte(dst[start:], '.') < 0 {
		dst = append(dst, '.', '0')
	}
	return dst
}

// jsonToken reads the next token of checked data. Commas and colons carry no information and are skipped.
func (r *reader) jsonToken() token {
	c := r.jsonSeek()
	switch c {
	case '[':
		r.pos++
		return token{kind: kindList, count: unknownCount}
	case '{':
		r.pos++
		return token{kind: kindDict, count: unknownCount}
	case ']', '}':
		r.pos++
		return token{kind: kindEnd}
	case '"':
		return r.jsonStringToken()
	case 't', 'n':
		r.pos += 4
		if c == 'n' {
			return token{kind: kindNull}
		}
		return token{kind: kindBool, uint: 1}
	case 'f':
		r.pos += 5
		return token{kind: kindBool}
	}
	end := jsonSkipNumber(r.data, r.pos)
	return jsonNumber(r.take(end - r.pos))
}

// jsonSeek moves to the next octet that begins or ends something.
func (r *reader) jsonSeek() byte {
	for {
		c := r.data[r.pos]
		if c > ' ' && c != ',' && c != ':' {
			return c
		}
		r.pos++
	}
}

func (r *reader) jsonStringToken() token {
	start := r.pos + 1
	next, escaped := jsonString(r.data, start)
	r.pos = next
	text := r.data[start : next-1]
	if !escaped {
		return token{kind: kindText, bytes: text}
	}
	if b, ok := jsonDecodeBinary(r.scratch[:0], text); ok {
		r.scratch = b
		return token{kind: kindBinary, bytes: b}
	}
	r.scratch = jsonUnescape(r.scratch[:0], text)
	return token{kind: kindText, bytes: r.scratch}
}

// jsonKey reads a map's key. It is always text, even if a value of the same form would be a binary.
func (r *reader) jsonKey() token {
	if c := r.jsonSeek(); c == '}' {
		r.pos++
		return token{kind: kindEnd}
	}
	start := r.pos + 1
	next, escaped := jsonString(r.data, start)
	r.pos = next
	text := r.data[start : next-1]
	if escaped {
		r.scratch = jsonUnescape(r.scratch[:0], text)
		text = r.scratch
	}
	return token{kind: kindText, bytes: text}
}

// jsonNumber reads a number in integer syntax as an integer if it is in [-2^64, 2^64), and any other number as a float.
func jsonNumber(text []byte) token {
	digits, negative := bytes.CutPrefix(text, []byte{'-'})
	var v uint64
	for i, c := range digits {
		digit := uint64(c - '0')
		if digit > 9 || i >= 19 && (v > math.MaxUint64/10 || v*10 > math.MaxUint64-digit) {
			if string(text) == leastInteger {
				return token{kind: kindNegative, uint: math.MaxUint64}
			}
			f, _ := strconv.ParseFloat(string(text), 64) // out of range: an infinity
			return token{kind: kindFloat, float: f}
		}
		v = v*10 + digit
	}
	if negative && v > 0 {
		return token{kind: kindNegative, uint: v - 1}
	}
	return token{kind: kindUint, uint: v}
}
