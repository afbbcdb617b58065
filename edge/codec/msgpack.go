package codec

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	"runnel/edge/wamp"
)

// Formats of MessagePack that the code uses by name (specification, version 5).
const (
	msgpackFixMap   = 0x80
	msgpackFixArray = 0x90
	msgpackFixStr   = 0xa0
	msgpackNil      = 0xc0
	msgpackFalse    = 0xc2
	msgpackTrue     = 0xc3
	msgpackBin8     = 0xc4
	msgpackFloat32  = 0xca
	msgpackFloat64  = 0xcb
	msgpackUint8    = 0xcc
	msgpackInt8     = 0xd0
	msgpackFixExt1  = 0xd4
	msgpackStr8     = 0xd9
	msgpackArray16  = 0xdc
	msgpackMap16    = 0xde
	msgpackNegative = 0xe0

	msgpackTimestamp = 0xff // the extension's type, -1
)

// msgpackClass groups formats by the data after their first octet.
type msgpackClass uint8

const (
	msgpackReserved msgpackClass = iota
	msgpackScalar                // value of width octets
	msgpackBin                   // the next four: length of width octets, then that many octets
	msgpackExt
	msgpackStr
	msgpackArray
	msgpackMap
	msgpackFixExt // type, then width octets of data
)

// msgpackForms are the formats 0xc0 to 0xdf.
var msgpackForms = [32]struct {
	class msgpackClass
	width uint8
}{
	{msgpackScalar, 0}, {msgpackReserved, 0}, {msgpackScalar, 0}, {msgpackScalar, 0}, // nil, -, false, true
	{msgpackBin, 1}, {msgpackBin, 2}, {msgpackBin, 4},
	{msgpackExt, 1}, {msgpackExt, 2}, {msgpackExt, 4},
	{msgpackScalar, 4}, {msgpackScalar, 8}, // floats
	{msgpackScalar, 1}, {msgpackScalar, 2}, {msgpackScalar, 4}, {msgpackScalar, 8}, // unsigned
	{msgpackScalar, 1}, {msgpackScalar, 2}, {msgpackScalar, 4}, {msgpackScalar, 8}, // signed
	{msgpackFixExt, 1}, {msgpackFixExt, 2}, {msgpackFixExt, 4}, {msgpackFixExt, 8}, {msgpackFixExt, 16},
	{msgpackStr, 1}, {msgpackStr, 2}, {msgpackStr, 4},
	{msgpackArray, 2}, {msgpackArray, 4},
	{msgpackMap, 2}, {msgpackMap, 4},
}

func parseMsgPack(data []byte, m *Message) (*layout, error) {
	return msgpackFormat.parse(data, len(data), m)
}

func appendMsgPack(dst []byte, l *layout, m *Message, n, items int) ([]byte, error) {
	return msgpackFormat.append(dst, l, m, n, items)
}

var msgpackFormat = &binaryFormat{
	wamp.MsgPack, msgpackMessage, msgpackUnsigned, msgpackID, msgpackText, msgpackDict, msgpackArguments, msgpackKeywords,
	msgpackFixArray, msgpackFixMap, msgpackAppendUint, msgpackAppendText,
}

// msgpackMessage reads the head of the message's list. It returns the number of items and the position of the first.
func msgpackMessage(data []byte) (n, pos int) {
	if len(data) == 0 {
		return 0, faultEnds.at()
	}
	if data[0]&0xf0 == msgpackFixArray {
		return int(data[0] & 15), 1
	}
	if data[0]&^1 != msgpackArray16 {
		return 0, faultKind.at()
	}
	count, pos := msgpackBig(data, 1, 2<<(data[0]&1))
	return int(min(count, uint64(len(data)))), pos
}

func msgpackID(data []byte, pos int) (wamp.ID, int) {
	id, next := msgpackUnsigned(data, pos)
	if next >= 0 && !wamp.ValidID(id) {
		return 0, faultKind.at()
	}
	return id, next
}

func msgpackDict(data []byte, pos int, m *Message) int {
	if pos >= len(data) {
		return faultEnds.at()
	}
	if data[pos] == msgpackFixMap {
		return pos + 1
	}
	if !msgpackIsMap(data[pos]) {
		return faultKind.at()
	}
	end := msgpackSkip(data, pos, MaxDepth)
	if end >= 0 {
		m.Dict.Serializer, m.Dict.Raw = wamp.MsgPack, data[pos:end]
	}
	return end
}

func msgpackIsMap(c byte) bool { return c&0xf0 == msgpackFixMap || c&^1 == msgpackMap16 }

func msgpackIsArray(c byte) bool { return c&0xf0 == msgpackFixArray || c&^1 == msgpackArray16 }

func msgpackIsText(c byte) bool { return c&0xe0 == msgpackFixStr || c-msgpackStr8 < 3 }

func msgpackIsBin(c byte) bool { return c-msgpackBin8 < 3 }

func msgpackArguments(data []byte, pos int, m *Message) int {
	if pos >= len(data) {
		return faultEnds.at()
	}
	if c := data[pos]; msgpackIsArray(c) || msgpackIsBin(c) || msgpackIsText(c) && transparent(m.Dict) || msgpackIsNull(data, pos) {
		return msgpackSkip(data, pos, MaxDepth)
	}
	return faultKind.at()
}

func msgpackIsNull(data []byte, pos int) bool {
	return data[pos] == msgpackNil || bytes.HasPrefix(data[pos:], []byte(msgpackUndefined))
}

func msgpackKeywords(data []byte, pos int) int {
	if pos < len(data) && !msgpackIsMap(data[pos]) && !msgpackIsNull(data, pos) {
		return faultKind.at()
	}
	return msgpackSkip(data, pos, MaxDepth)
}

func peekMsgPack(data []byte) uint64 {
	_, pos := msgpackMessage(data)
	if pos < 0 {
		return 0
	}
	code, _ := msgpackUnsigned(data, pos)
	return code
}

// msgpackUnsigned reads a non-negative integer of any width. It accepts the signed formats, too.
func msgpackUnsigned(data []byte, pos int) (uint64, int) {
	if pos >= len(data) {
		return 0, faultEnds.at()
	}
	c := data[pos]
	if c < 0x80 {
		return uint64(c), pos + 1
	}
	form := c - msgpackUint8
	if form >= 8 {
		return 0, faultKind.at()
	}
	v, next := msgpackBig(data, pos+1, 1<<(form&3))
	if form >= 4 && next >= 0 && v>>(8<<(form&3)-1) != 0 {
		return 0, faultKind.at() // negative
	}
	return v, next
}

// msgpackBig reads a big-endian integer of width octets.
func msgpackBig(data []byte, pos, width int) (uint64, int) {
	if len(data)-pos < width {
		return 0, faultEnds.at()
	}
	rest := data[pos : pos+width]
	switch width {
	case 1:
		return uint64(rest[0]), pos + 1
	case 2:
		return uint64(binary.BigEndian.Uint16(rest)), pos + 2
	case 4:
		return uint64(binary.BigEndian.Uint32(rest)), pos + 4
	}
	return binary.BigEndian.Uint64(rest), pos + 8
}

func msgpackText(data []byte, pos int) ([]byte, int) {
	if pos >= len(data) {
		return nil, faultEnds.at()
	}
	c := data[pos]
	if !msgpackIsText(c) {
		return nil, faultKind.at()
	}
	n := uint64(c & 31)
	pos++
	if c >= msgpackStr8 {
		if n, pos = msgpackBig(data, pos, 1<<(c-msgpackStr8)); pos < 0 {
			return nil, pos
		}
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

// msgpackSkip checks the value at pos and returns the position after it. depth is the number of levels still allowed. It calls
// itself for the items of lists and maps, at most MaxDepth deep. A declared length costs nothing until its items arrive.
func msgpackSkip(data []byte, pos, depth int) int {
	if pos >= len(data) {
		return faultEnds.at()
	}
	c := data[pos]
	pos++
	switch {
	case c < msgpackFixMap || c >= msgpackNegative:
		return pos
	case c < msgpackFixArray:
		return skipMap(data, pos, uint64(c&15), depth, msgpackSkipKey, msgpackSkip)
	case c < msgpackFixStr:
		return skipList(data, pos, uint64(c&15), depth, msgpackSkip)
	case c < msgpackNil:
		return skipText(data, pos, uint64(c&31))
	}
	return msgpackSkipForm(data, pos, c, depth)
}

// msgpackSkipForm checks a value whose first octet is in 0xc0 to 0xdf.
func msgpackSkipForm(data []byte, pos int, c byte, depth int) int {
	form := msgpackForms[c-msgpackNil]
	switch form.class {
	case msgpackReserved:
		return faultForm.at()
	case msgpackScalar:
		return skipBytes(data, pos, uint64(form.width))
	case msgpackFixExt:
		return skipBytes(data, pos, 1+uint64(form.width))
	}
	n, pos := msgpackBig(data, pos, int(form.width))
	if pos < 0 {
		return pos
	}
	switch form.class {
	case msgpackStr:
		return skipText(data, pos, n)
	case msgpackArray:
		return skipList(data, pos, n, depth, msgpackSkip)
	case msgpackMap:
		return skipMap(data, pos, n, depth, msgpackSkipKey, msgpackSkip)
	case msgpackExt:
		n++ // the type
	}
	return skipBytes(data, pos, n)
}

func msgpackSkipKey(data []byte, pos int) int {
	if pos < len(data) && !msgpackIsText(data[pos]) {
		return faultKey.at()
	}
	return msgpackSkip(data, pos, 0)
}

// Each append function writes the shortest form.

func msgpackAppendUint(dst []byte, v uint64) []byte {
	switch {
	case v < 0x80:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, msgpackUint8, byte(v))
	case v <= math.MaxUint16:
		return append(dst, msgpackUint8+1, byte(v>>8), byte(v))
	case v <= math.MaxUint32:
		return append(dst, msgpackUint8+2, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return binary.BigEndian.AppendUint64(append(dst, msgpackUint8+3), v)
}

// msgpackAppendNegative appends -1-v. It becomes a float if an int64 cannot hold it.
func msgpackAppendNegative(dst []byte, v uint64) []byte {
	switch {
	case v < 32:
		return append(dst, ^byte(v))
	case v <= math.MaxInt8:
		return append(dst, msgpackInt8, ^byte(v))
	case v <= math.MaxInt16:
		return binary.BigEndian.AppendUint16(append(dst, msgpackInt8+1), ^uint16(v))
	case v <= math.MaxInt32:
		return binary.BigEndian.AppendUint32(append(dst, msgpackInt8+2), ^uint32(v))
	case v <= math.MaxInt64:
		return binary.BigEndian.AppendUint64(append(dst, msgpackInt8+3), ^v)
	}
	return msgpackAppendFloat(dst, -1-float64(v))
}

func msgpackAppendFloat(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, msgpackFloat64), math.Float64bits(f))
}

func msgpackAppendText(dst, text []byte) []byte {
	n := len(text)
	if n < 32 {
		dst = append(dst, msgpackFixStr|byte(n))
	} else {
		dst = msgpackAppendLength(dst, msgpackStr8, n)
	}
	return append(dst, text...)
}

func msgpackAppendBin(dst, b []byte) []byte {
	return append(msgpackAppendLength(dst, msgpackBin8, len(b)), b...)
}

// msgpackAppendLength appends the head of a string or binary. form is the format with a length of one octet.
func msgpackAppendLength(dst []byte, form byte, n int) []byte {
	switch {
	case n <= math.MaxUint8:
		return append(dst, form, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, form+1), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, form+2), uint32(n))
}

// msgpackAppendCount appends the head of a list or map. fix is its fix format, form its 16-bit format.
func msgpackAppendCount(dst []byte, fix, form byte, n int) []byte {
	switch {
	case n < 16:
		return append(dst, fix|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, form), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, form+1), uint32(n))
}

func msgpackPatchCount(dst []byte, mark int, fix, form byte, n int) []byte {
	var head [5]byte
	return patchHead(dst, mark, msgpackAppendCount(head[:0], fix, form, n))
}

// msgpackToken reads the next token of checked data.
func (r *reader) msgpackToken() token {
	c := r.data[r.pos]
	r.pos++
	switch {
	case c < msgpackFixMap:
		return token{kind: kindUint, uint: uint64(c)}
	case c < msgpackFixArray:
		return token{kind: kindDict, count: int(c & 15)}
	case c < msgpackFixStr:
		return token{kind: kindList, count: int(c & 15)}
	case c < msgpackNil:
		return token{kind: kindText, bytes: r.take(int(c & 31))}
	case c >= msgpackNegative:
		return token{kind: kindNegative, uint: uint64(^c)}
	}
	form := msgpackForms[c-msgpackNil]
	switch form.class {
	case msgpackScalar:
		return r.msgpackScalar(c, int(form.width))
	case msgpackFixExt:
		return r.msgpackExtension(int(form.width))
	}
	v, next := msgpackBig(r.data, r.pos, int(form.width))
	n := int(v)
	r.pos = next
	switch form.class {
	case msgpackStr:
		return token{kind: kindText, bytes: r.take(n)}
	case msgpackBin:
		return token{kind: kindBinary, bytes: r.take(n)}
	case msgpackArray:
		return token{kind: kindList, count: n}
	case msgpackMap:
		return token{kind: kindDict, count: n}
	}
	return r.msgpackExtension(n)
}

func (r *reader) msgpackScalar(c byte, width int) token {
	switch c {
	case msgpackNil:
		return token{kind: kindNull}
	case msgpackFalse, msgpackTrue:
		return token{kind: kindBool, uint: uint64(c - msgpackFalse)}
	}
	v, next := msgpackBig(r.data, r.pos, width)
	r.pos = next
	switch c {
	case msgpackFloat32:
		return token{kind: kindFloat, float: float64(math.Float32frombits(uint32(v)))}
	case msgpackFloat64:
		return token{kind: kindFloat, float: math.Float64frombits(v)}
	}
	shift := 64 - 8*width
	if c >= msgpackInt8 && int64(v<<shift) < 0 {
		return token{kind: kindNegative, uint: ^uint64(int64(v<<shift) >> shift)}
	}
	return token{kind: kindUint, uint: v}
}

// msgpackUndefined is JavaScript's undefined as encoded by msgpackr, which wampy uses: extension 0 with one zero octet.
const msgpackUndefined = "\xd4\x00\x00"

// msgpackExtension reads an extension of n octets. A timestamp becomes text as in RFC 3339, undefined becomes null, and
// any other extension becomes a binary.
func (r *reader) msgpackExtension(n int) token {
	kind := r.take(1)[0]
	data := r.take(n)
	if t, ok := msgpackTime(data); ok && kind == msgpackTimestamp {
		r.scratch = t.AppendFormat(r.scratch[:0], time.RFC3339Nano)
		return token{kind: kindText, bytes: r.scratch}
	}
	if kind == 0 && string(data) == "\x00" {
		return token{kind: kindNull}
	}
	return token{kind: kindBinary, bytes: data}
}

// msgpackTime reads a timestamp of any of the three widths. It rejects times that RFC 3339 cannot express.
func msgpackTime(data []byte) (t time.Time, ok bool) {
	var seconds int64
	var nanos uint32
	switch len(data) {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(data))
	case 8:
		both := binary.BigEndian.Uint64(data)
		seconds, nanos = int64(both&(1<<34-1)), uint32(both>>34)
	case 12:
		nanos = binary.BigEndian.Uint32(data)
		seconds = int64(binary.BigEndian.Uint64(data[4:]))
	default:
		return t, false
	}
	const year0, year10000 = -62167219200, 253402300800
	if seconds < year0 || seconds >= year10000 || nanos >= 1e9 {
		return t, false
	}
	return time.Unix(seconds, int64(nanos)).UTC(), true
}
