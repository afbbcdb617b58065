package codec

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"runnel/edge/wamp"
)

// Major types of CBOR (RFC 8949, section 3.1) and single octets with a special meaning.
const (
	cborUint   = 0
	cborNint   = 1
	cborBytes  = 2
	cborString = 3
	cborArray  = 4
	cborMap    = 5
	cborTag    = 6
	cborSimple = 7

	cborEmptyMap   = 0xa0
	cborIndefinite = 31
	cborBreak      = 0xff
	cborFalse      = 0xf4
	cborTrue       = 0xf5
	cborNull       = 0xf6
	cborFloat16    = 0xf9
	cborFloat32    = 0xfa
	cborFloat64    = 0xfb
)

// parseCBOR parses a message. cborMessage has checked that a list of indefinite length ends with a break.
func parseCBOR(data []byte, m *Message) (*layout, error) {
	end := len(data)
	if end > 0 && data[0] == cborArray<<5|cborIndefinite {
		end--
	}
	return cborFormat.parse(data, end, m)
}

func appendCBOR(dst []byte, l *layout, m *Message, n, items int) ([]byte, error) {
	return cborFormat.append(dst, l, m, n, items)
}

var cborFormat = &binaryFormat{
	wamp.CBOR, cborMessage, cborUnsigned, cborID, cborText, cborDict, cborArguments, cborKeywords,
	cborArray << 5, cborEmptyMap, cborAppendUint, cborAppendText,
}

// cborMessage reads the head of the message's list. It returns the number of items and the position of the first.
func cborMessage(data []byte) (n, pos int) {
	if len(data) > 0 && data[0]-cborArray<<5 < 24 {
		return int(data[0] - cborArray<<5), 1
	}
	if len(data) > 0 && data[0] == cborArray<<5|cborIndefinite {
		return cborCount(data)
	}
	if len(data) == 0 {
		return 0, faultEnds.at()
	}
	if data[0]>>5 != cborArray {
		return 0, faultKind.at()
	}
	arg, pos := cborArgument(data, 0)
	return int(min(arg, uint64(len(data)))), pos
}

// cborCount counts the items of a message's list of indefinite length. Few libraries send such lists, so reading them
// twice costs less than a parser that works without a count.
func cborCount(data []byte) (n, pos int) {
	for pos = 1; pos < len(data) && data[pos] != cborBreak; n++ {
		if pos = cborSkip(data, pos, MaxDepth); pos < 0 {
			return 0, pos
		}
	}
	if pos >= len(data) {
		return 0, faultEnds.at()
	}
	return n, 1
}

func cborID(data []byte, pos int) (wamp.ID, int) {
	if len(data)-pos >= 5 && data[pos] == 26 { // most ids above 16 bits
		id := binary.BigEndian.Uint32(data[pos+1:])
		if id != 0 {
			return wamp.ID(id), pos + 5
		}
	}
	id, next := cborUnsigned(data, pos)
	if next >= 0 && !wamp.ValidID(id) {
		return 0, faultKind.at()
	}
	return id, next
}

func cborDict(data []byte, pos int, m *Message) int {
	if pos >= len(data) {
		return faultEnds.at()
	}
	if data[pos] == cborEmptyMap {
		return pos + 1
	}
	if data[pos]>>5 != cborMap {
		return faultKind.at()
	}
	end := cborSkip(data, pos, MaxDepth)
	if end >= 0 {
		m.Dict.Serializer, m.Dict.Raw = wamp.CBOR, data[pos:end]
	}
	return end
}

func cborArguments(data []byte, pos int, m *Message) int {
	if pos >= len(data) {
		return faultEnds.at()
	}
	if major := data[pos] >> 5; major == cborArray || major == cborBytes || major == cborString && transparent(m.Dict) || beginsNull(wamp.CBOR, data[pos]) {
		return cborSkip(data, pos, MaxDepth)
	}
	return faultKind.at()
}

func cborKeywords(data []byte, pos int) int {
	if pos < len(data) && data[pos]>>5 != cborMap && !beginsNull(wamp.CBOR, data[pos]) {
		return faultKind.at()
	}
	return cborSkip(data, pos, MaxDepth)
}

func peekCBOR(data []byte) uint64 {
	if len(data) == 0 || data[0]>>5 != cborArray {
		return 0
	}
	pos := 1
	if data[0]&31 != cborIndefinite {
		_, pos = cborArgument(data, 0)
	}
	if pos < 0 {
		return 0
	}
	code, _ := cborUnsigned(data, pos)
	return code
}

// cborUnsigned reads an unsigned integer of any width.
func cborUnsigned(data []byte, pos int) (uint64, int) {
	if pos >= len(data) {
		return 0, faultEnds.at()
	}
	c := data[pos]
	if c < 24 {
		return uint64(c), pos + 1
	}
	if c > 27 {
		return 0, faultKind.at()
	}
	return cborArgument(data, pos)
}

// cborArgument reads the argument of the head at pos (section 3). The head's first octet must exist. Indefinite length
// and reserved heads are faults.
func cborArgument(data []byte, pos int) (arg uint64, next int) {
	short := data[pos] & 31
	pos++
	if short < 24 {
		return uint64(short), pos
	}
	rest := data[pos:]
	switch {
	case short == 24 && len(rest) >= 1:
		return uint64(rest[0]), pos + 1
	case short == 25 && len(rest) >= 2:
		return uint64(binary.BigEndian.Uint16(rest)), pos + 2
	case short == 26 && len(rest) >= 4:
		return uint64(binary.BigEndian.Uint32(rest)), pos + 4
	case short == 27 && len(rest) >= 8:
		return binary.BigEndian.Uint64(rest), pos + 8
	case short <= 27:
		return 0, faultEnds.at()
	}
	return 0, faultForm.at()
}

// cborText reads a text string. Chunks are joined in new memory.
func cborText(data []byte, pos int) ([]byte, int) {
	if pos >= len(data) {
		return nil, faultEnds.at()
	}
	c := data[pos]
	if c>>5 != cborString {
		return nil, faultKind.at()
	}
	if c == cborString<<5|cborIndefinite {
		end := cborSkip(data, pos, MaxDepth)
		if end < 0 {
			return nil, end
		}
		return cborJoin(nil, data, pos), end
	}
	n, pos := cborArgument(data, pos)
	if pos < 0 {
		return nil, pos
	}
	if n > uint64(len(data)-pos) {
		return nil, faultEnds.at()
	}
	text := data[pos : pos+int(n)]
	if !validText(text) {
		return nil, faultText.at()
	}
	return text, pos + int(n)
}

// cborJoin appends the chunks of the string of indefinite length at pos. The string must have been checked.
func cborJoin(dst, data []byte, pos int) []byte {
	for pos++; data[pos] != cborBreak; {
		n, start := cborArgument(data, pos)
		pos = start + int(n)
		dst = append(dst, data[start:pos]...)
	}
	return dst
}

// cborSkip checks the item at pos and returns the position after it. depth is the number of levels still allowed. It calls
// itself for the items of lists and maps, at most MaxDepth deep. A declared length costs nothing until its items arrive.
func cborSkip(data []byte, pos, depth int) int {
	if pos >= len(data) {
		return faultEnds.at()
	}
	c := data[pos]
	arg := uint64(c & 31)
	pos++
	if arg >= 24 {
		if arg == cborIndefinite {
			return cborSkipIndefinite(data, pos-1, depth)
		}
		if arg, pos = cborArgument(data, pos-1); pos < 0 {
			return pos
		}
	}
	switch c >> 5 {
	case cborBytes:
		return skipBytes(data, pos, arg)
	case cborString:
		end := skipBytes(data, pos, arg) // as skipText; calling it makes nested payloads about 8 % slower
		if end >= 0 && !validText(data[pos:end]) {
			return faultText.at()
		}
		return end
	case cborArray:
		return skipList(data, pos, arg, depth, cborSkip)
	case cborMap:
		return skipMap(data, pos, arg, depth, cborSkipKey, cborSkip)
	case cborTag:
		if depth == 0 {
			return faultDepth.at()
		}
		return cborSkip(data, pos, depth-1)
	case cborSimple:
		if c&31 == 24 && arg < 32 { // these have a shorter form, which is mandatory (section 3.3)
			return faultForm.at()
		}
	}
	return pos
}

func cborSkipKey(data []byte, pos int) int {
	if pos < len(data) && data[pos]>>5 != cborString {
		return faultKey.at()
	}
	return cborSkip(data, pos, 0)
}

func cborSkipIndefinite(data []byte, pos, depth int) int {
	major := data[pos] >> 5
	if major == cborBytes || major == cborString {
		return cborSkipChunks(data, pos+1, major)
	}
	if major != cborArray && major != cborMap {
		return faultForm.at()
	}
	if depth == 0 {
		return faultDepth.at()
	}
	pos++
	for pos < len(data) && data[pos] != cborBreak {
		if major == cborMap {
			if pos = cborSkipKey(data, pos); pos < 0 {
				return pos
			}
		}
		if pos = cborSkip(data, pos, depth-1); pos < 0 {
			return pos
		}
	}
	if pos >= len(data) {
		return faultEnds.at()
	}
	return pos + 1
}

// cborSkipChunks checks the chunks of a string of indefinite length. Each chunk has the same major type and a definite
// length, and each text chunk is valid UTF-8 by itself (section 3.2.3).
func cborSkipChunks(data []byte, pos int, major byte) int {
	for pos < len(data) && data[pos] != cborBreak {
		if data[pos]>>5 != major || data[pos]&31 == cborIndefinite {
			return faultForm.at()
		}
		if pos = cborSkip(data, pos, 0); pos < 0 {
			return pos
		}
	}
	if pos >= len(data) {
		return faultEnds.at()
	}
	return pos + 1
}

func cborAppendUint(dst []byte, v uint64) []byte { return cborAppendHead(dst, cborUint, v) }

func cborAppendText(dst, text []byte) []byte {
	return append(cborAppendHead(dst, cborString, uint64(len(text))), text...)
}

// cborAppendHead appends an item's head in its shortest form.
func cborAppendHead(dst []byte, major byte, arg uint64) []byte {
	major <<= 5
	switch {
	case arg < 24:
		return append(dst, major|byte(arg))
	case arg <= math.MaxUint8:
		return append(dst, major|24, byte(arg))
	case arg <= math.MaxUint16:
		return append(dst, major|25, byte(arg>>8), byte(arg))
	case arg <= math.MaxUint32:
		return append(dst, major|26, byte(arg>>24), byte(arg>>16), byte(arg>>8), byte(arg))
	}
	return append(dst, major|27, byte(arg>>56), byte(arg>>48), byte(arg>>40), byte(arg>>32),
		byte(arg>>24), byte(arg>>16), byte(arg>>8), byte(arg))
}

func cborAppendFloat(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, cborFloat64), math.Float64bits(f))
}

// cborToken reads the next token of checked data. Tags are dropped; only a bignum becomes an integer.
func (r *reader) cborToken() token {
	c := r.data[r.pos]
	if c == cborBreak {
		r.pos++
		return token{kind: kindEnd}
	}
	if c&31 == cborIndefinite {
		return r.cborIndefinite(c >> 5)
	}
	arg, next := cborArgument(r.data, r.pos)
	r.pos = next
	switch c >> 5 {
	case cborUint:
		return token{kind: kindUint, uint: arg}
	case cborNint:
		return token{kind: kindNegative, uint: arg}
	case cborBytes:
		return token{kind: kindBinary, bytes: r.take(int(arg))}
	case cborString:
		return token{kind: kindText, bytes: r.take(int(arg))}
	case cborArray:
		return token{kind: kindList, count: int(arg)}
	case cborMap:
		return token{kind: kindDict, count: int(arg)}
	case cborTag:
		return r.cborTagged(arg)
	}
	return cborSimpleToken(c, arg)
}

func (r *reader) cborIndefinite(major byte) token {
	switch major {
	case cborArray:
		r.pos++
		return token{kind: kindList, count: unknownCount}
	case cborMap:
		r.pos++
		return token{kind: kindDict, count: unknownCount}
	}
	r.scratch = cborJoin(r.scratch[:0], r.data, r.pos)
	r.pos = cborSkip(r.data, r.pos, 0)
	if major == cborString {
		return token{kind: kindText, bytes: r.scratch}
	}
	return token{kind: kindBinary, bytes: r.scratch}
}

func (r *reader) cborTagged(tag uint64) token {
	t := r.cborToken()
	if t.kind != kindBinary || tag != 2 && tag != 3 {
		return t
	}
	magnitude := bytes.TrimLeft(t.bytes, "\x00")
	kind := kindUint
	if tag == 3 {
		kind = kindNegative
	}
	if len(magnitude) > 8 {
		return token{kind: kindBig, bytes: magnitude, count: int(tag)}
	}
	var low [8]byte
	copy(low[8-len(magnitude):], magnitude)
	return token{kind: kind, uint: binary.BigEndian.Uint64(low[:])}
}

// cborSimpleToken reads the values of major type 7. undefined and unassigned values become null.
func cborSimpleToken(c byte, arg uint64) token {
	switch c {
	case cborFalse, cborTrue:
		return token{kind: kindBool, uint: uint64(c - cborFalse)}
	case cborFloat16:
		return token{kind: kindFloat, float: halfFloat(uint16(arg))}
	case cborFloat32:
		return token{kind: kindFloat, float: float64(math.Float32frombits(uint32(arg)))}
	case cborFloat64:
		return token{kind: kindFloat, float: math.Float64frombits(arg)}
	}
	return token{kind: kindNull}
}

// halfFloat converts an IEEE 754 binary16 (RFC 8949, appendix D).
func halfFloat(h uint16) float64 {
	exponent, fraction := int(h>>10&31), float64(h&0x3ff)
	var f float64
	switch {
	case exponent == 0:
		f = math.Ldexp(fraction, -24)
	case exponent != 31:
		f = math.Ldexp(fraction+1024, exponent-25)
	case fraction == 0:
		f = math.Inf(1)
	default:
		return math.NaN()
	}
	if h&0x8000 != 0 {
		return -f
	}
	return f
}

// cborPatchHead writes the head of a list or map of n items. container.open has reserved one octet for it at mark.
func cborPatchHead(dst []byte, mark int, major byte, n int) []byte {
	var head [9]byte
	h := cborAppendHead(head[:0], major, uint64(n))
	return patchHead(dst, mark, h)
}

func patchHead(dst []byte, mark int, head []byte) []byte {
	dst[mark] = head[0]
	if len(head) == 1 {
		return dst
	}
	return slices.Insert(dst, mark+1, head[1:]...)
}
