package codec

import (
	"bytes"
	"math"
	"math/big"
	"strconv"

	"runnel/edge/wamp"
)

// kind is the type of a token, common to all serializers.
type kind uint8

const (
	kindNull     kind = iota
	kindBool          // uint is 1 for true
	kindUint          // uint
	kindNegative      // -1 - uint, as in CBOR
	kindBig           // a larger CBOR bignum; bytes is its magnitude, count its tag
	kindFloat         // float
	kindText          // bytes
	kindBinary        // bytes
	kindList          // followed by count items, or by items until kindEnd
	kindDict          // the same, with keys and values
	kindEnd
)

const unknownCount = -1

type token struct {
	kind  kind
	count int
	uint  uint64
	float float64
	bytes []byte // part of the data or of the reader's scratch; valid until the next token
}

// reader splits checked data into tokens. It does not check again.
type reader struct {
	serializer wamp.Serializer
	data       []byte
	pos        int
	scratch    []byte // texts and binaries that differ from their form in data
}

func (r *reader) next() token {
	switch r.serializer {
	case wamp.CBOR:
		return r.cborToken()
	case wamp.MsgPack:
		return r.msgpackToken()
	}
	return r.jsonToken()
}

// key reads the next key of a map, or kindEnd.
func (r *reader) key() token {
	if r.serializer == wamp.JSON {
		return r.jsonKey()
	}
	return r.next()
}

func (r *reader) take(n int) []byte {
	b := r.data[r.pos : r.pos+n]
	r.pos += n
	return b
}

// skip checks the value at pos and returns the position after it; negative if the value is malformed.
func skip(s wamp.Serializer, data []byte, pos, depth int) int {
	switch s {
	case wamp.CBOR:
		return cborSkip(data, pos, depth)
	case wamp.MsgPack:
		return msgpackSkip(data, pos, depth)
	}
	return jsonSkip(data, pos, depth)
}

// check checks that data is exactly one value.
func check(s wamp.Serializer, data []byte, depth int) error {
	if !s.Known() {
		return errSerializer
	}
	end := skip(s, data, 0, depth)
	if end < 0 {
		return fault(-end)
	}
	if end != len(data) {
		return faultFollows
	}
	return nil
}

// Transcode appends value, one complete value of serializer from, encoded in serializer to. The package comment lists
// what happens to values that to cannot represent. Transcode fails if value is malformed or nested too deep, and then
// returns dst unchanged.
func Transcode(dst []byte, to, from wamp.Serializer, value []byte) ([]byte, error) {
	if !to.Known() {
		return dst, errSerializer
	}
	return transcode(dst, to, from, value, MaxDepth)
}

func transcode(dst []byte, to, from wamp.Serializer, value []byte, depth int) ([]byte, error) {
	if from == wamp.JSON {
		value = bytes.Trim(value, " \t\r\n")
	}
	if err := check(from, value, depth); err != nil {
		return dst, err
	}
	if to == from {
		return append(dst, value...), nil
	}
	t := transcoder{to: to, dst: dst, in: reader{serializer: from, data: value}}
	t.value()
	return t.dst, nil
}

// transcoder writes the tokens of in to dst.
type transcoder struct {
	to  wamp.Serializer
	dst []byte
	in  reader
}

func (t *transcoder) value() {
	token := t.in.next()
	t.put(&token)
}

func (t *transcoder) put(v *token) {
	switch v.kind {
	case kindList:
		t.list(v.count)
	case kindDict:
		t.dict(v.count)
	default:
		t.dst = appendScalar(t.dst, t.to, v)
	}
}

func (t *transcoder) list(count int) {
	mark, n := len(t.dst), 0
	t.dst = listNotation.open(t.dst, t.to, count)
	for ; n != count; n++ {
		item := t.in.next()
		if item.kind == kindEnd {
			break
		}
		if t.to == wamp.JSON && n > 0 {
			t.dst = append(t.dst, ',')
		}
		t.put(&item)
	}
	t.dst = listNotation.close(t.dst, t.to, mark, count, n)
}

func (t *transcoder) dict(count int) {
	mark, n := len(t.dst), 0
	t.dst = dictNotation.open(t.dst, t.to, count)
	for ; n != count; n++ {
		key := t.in.key()
		if key.kind == kindEnd {
			break
		}
		t.dst = appendKey(t.dst, t.to, n == 0, key.bytes)
		t.value()
	}
	t.dst = dictNotation.close(t.dst, t.to, mark, count, n)
}

// container is the notation of a list or of a dict: the brackets in JSON, and the heads in CBOR and MessagePack.
type container struct {
	opening, closing byte
	cbor             byte
	fix, counted     byte // MessagePack, with the count in the same octet and in two octets
}

var (
	listNotation = container{'[', ']', cborArray, msgpackFixArray, msgpackArray16}
	dictNotation = container{'{', '}', cborMap, msgpackFixMap, msgpackMap16}
)

// open begins a list or dict of count items. If the count is unknown, CBOR and MessagePack reserve one octet, which close
// replaces by the head. For most of them one octet is enough.
func (c *container) open(dst []byte, s wamp.Serializer, count int) []byte {
	switch {
	case s == wamp.JSON:
		return append(dst, c.opening)
	case count == unknownCount:
		return append(dst, 0)
	case s == wamp.CBOR:
		return cborAppendHead(dst, c.cbor, uint64(count))
	}
	return msgpackAppendCount(dst, c.fix, c.counted, count)
}

// close ends the list or dict of n items that begins at mark.
func (c *container) close(dst []byte, s wamp.Serializer, mark, count, n int) []byte {
	switch {
	case s == wamp.JSON:
		return append(dst, c.closing)
	case count != unknownCount:
		return dst
	case s == wamp.CBOR:
		return cborPatchHead(dst, mark, c.cbor, n)
	}
	return msgpackPatchCount(dst, mark, c.fix, c.counted, n)
}

// appendKey appends a map's key with its separators.
func appendKey(dst []byte, s wamp.Serializer, first bool, key []byte) []byte {
	if s != wamp.JSON {
		return appendText(dst, s, key)
	}
	if !first {
		dst = append(dst, ',')
	}
	return append(jsonAppendText(dst, key), ':')
}

func appendScalar(dst []byte, s wamp.Serializer, v *token) []byte {
	switch v.kind {
	case kindBool:
		return appendBool(dst, s, v.uint != 0)
	case kindUint:
		return appendUint(dst, s, v.uint)
	case kindNegative:
		return appendNegative(dst, s, v.uint)
	case kindBig:
		if s == wamp.JSON {
			return jsonAppendBig(dst, v)
		}
		return appendFloat(dst, s, bigFloat(v))
	case kindFloat:
		return appendFloat(dst, s, v.float)
	case kindText:
		return appendText(dst, s, v.bytes)
	case kindBinary:
		return appendBinary(dst, s, v.bytes)
	}
	return appendNull(dst, s)
}

func appendNull(dst []byte, s wamp.Serializer) []byte {
	switch s {
	case wamp.CBOR:
		return append(dst, cborNull)
	case wamp.MsgPack:
		return append(dst, msgpackNil)
	}
	return append(dst, "null"...)
}

func appendBool(dst []byte, s wamp.Serializer, b bool) []byte {
	if s == wamp.JSON {
		if b {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	}
	c := byte(cborFalse)
	if s == wamp.MsgPack {
		c = msgpackFalse
	}
	if b {
		c++
	}
	return append(dst, c)
}

func appendUint(dst []byte, s wamp.Serializer, v uint64) []byte {
	switch s {
	case wamp.CBOR:
		return cborAppendHead(dst, cborUint, v)
	case wamp.MsgPack:
		return msgpackAppendUint(dst, v)
	}
	return strconv.AppendUint(dst, v, 10)
}

// appendNegative appends -1-v.
func appendNegative(dst []byte, s wamp.Serializer, v uint64) []byte {
	switch s {
	case wamp.CBOR:
		return cborAppendHead(dst, cborNint, v)
	case wamp.MsgPack:
		return msgpackAppendNegative(dst, v)
	}
	return jsonAppendNegative(dst, v)
}

func appendInt(dst []byte, s wamp.Serializer, v int64) []byte {
	if v < 0 {
		return appendNegative(dst, s, ^uint64(v))
	}
	return appendUint(dst, s, uint64(v))
}

func appendFloat(dst []byte, s wamp.Serializer, f float64) []byte {
	switch s {
	case wamp.CBOR:
		return cborAppendFloat(dst, f)
	case wamp.MsgPack:
		return msgpackAppendFloat(dst, f)
	}
	return jsonAppendFloat(dst, f)
}

func appendText(dst []byte, s wamp.Serializer, text []byte) []byte {
	switch s {
	case wamp.CBOR:
		return append(cborAppendHead(dst, cborString, uint64(len(text))), text...)
	case wamp.MsgPack:
		return msgpackAppendText(dst, text)
	}
	return jsonAppendText(dst, text)
}

func appendBinary(dst []byte, s wamp.Serializer, b []byte) []byte {
	switch s {
	case wamp.CBOR:
		return append(cborAppendHead(dst, cborBytes, uint64(len(b))), b...)
	case wamp.MsgPack:
		return msgpackAppendBin(dst, b)
	}
	return jsonAppendBinary(dst, b)
}

// maxBig is the longest bignum, in octets, that a float64 can represent. Longer ones become infinities. This also
// bounds the time for writing them in decimal.
const maxBig = 128

func bigInt(v *token) *big.Int {
	i := new(big.Int).SetBytes(v.bytes)
	if v.count == 3 { // the tag of -1-n
		i.Not(i)
	}
	return i
}

func bigFloat(v *token) float64 {
	if len(v.bytes) > maxBig {
		return math.Inf(5 - 2*v.count)
	}
	f, _ := new(big.Float).SetInt(bigInt(v)).Float64()
	return f
}

func jsonAppendBig(dst []byte, v *token) []byte {
	if len(v.bytes) > maxBig {
		return appendNull(dst, wamp.JSON)
	}
	return bigInt(v).Append(dst, 10)
}
