package main

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// encoder appends the items of one serializer. Arrays and dictionaries are opened with their number of items, separated
// by sep and closed by end, so that one sequence of calls writes CBOR and JSON alike.
type encoder interface {
	id() byte // of RawSocket
	array(b []byte, n int) []byte
	dict(b []byte, n int) []byte
	number(b []byte, v uint64) []byte
	text(b []byte, s string) []byte
	binary(b, p []byte) []byte
	sep(b []byte) []byte
	colon(b []byte) []byte
	end(b []byte, closing byte) []byte
	// head reads the first two numbers of a message: its type and its first id.
	head(b []byte) (kind, id uint64)
	// payload is the last argument, which is size bytes long.
	payload(b []byte, size int) []byte
}

type cborEncoder struct{}

// The major types of RFC 8949, section 3.1.
const (
	cborNumber = iota << 5
	_
	cborBinary
	cborText
	cborArray
	cborDict
)

const cborTrue = 0xf5

func cborHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func (cborEncoder) id() byte                         { return 3 }
func (cborEncoder) array(b []byte, n int) []byte     { return cborHead(b, cborArray, uint64(n)) }
func (cborEncoder) dict(b []byte, n int) []byte      { return cborHead(b, cborDict, uint64(n)) }
func (cborEncoder) number(b []byte, v uint64) []byte { return cborHead(b, cborNumber, v) }
func (cborEncoder) text(b []byte, s string) []byte {
	return append(cborHead(b, cborText, uint64(len(s))), s...)
}
func (cborEncoder) binary(b, p []byte) []byte {
	return append(cborHead(b, cborBinary, uint64(len(p))), p...)
}
func (cborEncoder) sep(b []byte) []byte         { return b }
func (cborEncoder) colon(b []byte) []byte       { return b }
func (cborEncoder) end(b []byte, _ byte) []byte { return b }

func (cborEncoder) head(b []byte) (kind, id uint64) {
	_, b = cborArgument(b)
	kind, b = cborArgument(b)
	id, _ = cborArgument(b)
	return kind, id
}

// cborArgument reads the argument of the item at the start of b, and returns the bytes after its head. It returns 0 at
// the end.
func cborArgument(b []byte) (v uint64, rest []byte) {
	if len(b) == 0 {
		return 0, nil
	}
	info := b[0] & 31
	if info < 24 {
		return uint64(info), b[1:]
	}
	n := 1 << (info - 24)
	if info > 27 || len(b) < 1+n {
		return 0, nil
	}
	for _, c := range b[1 : 1+n] {
		v = v<<8 | uint64(c)
	}
	return v, b[1+n:]
}

func (cborEncoder) payload(b []byte, size int) []byte { return b[max(0, len(b)-size):] }

type jsonEncoder struct{}

func (jsonEncoder) id() byte                          { return 1 }
func (jsonEncoder) array(b []byte, _ int) []byte      { return append(b, '[') }
func (jsonEncoder) dict(b []byte, _ int) []byte       { return append(b, '{') }
func (jsonEncoder) number(b []byte, v uint64) []byte  { return strconv.AppendUint(b, v, 10) }
func (jsonEncoder) text(b []byte, s string) []byte    { return strconv.AppendQuote(b, s) }
func (jsonEncoder) sep(b []byte) []byte               { return append(b, ',') }
func (jsonEncoder) colon(b []byte) []byte             { return append(b, ':') }
func (jsonEncoder) end(b []byte, closing byte) []byte { return append(b, closing) }

// binary follows the specification's conversion of binary data in JSON: a text that begins with NUL, then base64.
func (jsonEncoder) binary(b, p []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(b, `"\u0000`...), p), '"')
}

func (jsonEncoder) head(b []byte) (kind, id uint64) {
	kind, b = jsonNumber(b)
	id, _ = jsonNumber(b)
	return kind, id
}

// jsonNumber reads the next number, past anything else.
func jsonNumber(b []byte) (v uint64, rest []byte) {
	for i := 0; i < len(b); i++ {
		if b[i] < '0' || b[i] > '9' {
			continue
		}
		for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			v = v*10 + uint64(b[i]-'0')
		}
		return v, b[i:]
	}
	return 0, nil
}

// payload does not decode, because that would cost the generator time. It returns no stamp.
func (jsonEncoder) payload([]byte, int) []byte { return nil }
