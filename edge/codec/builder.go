package codec

import (
	"unicode/utf8"

	"runnel/edge/wamp"
)

// Builder encodes a Dict field by field, without a map and, in a buffer that is large enough, without allocation. Use
// Reset first. A field that can't be encoded is left out and reported by Err.
type Builder struct {
	serializer wamp.Serializer
	buf        []byte // the first builderHead octets are left free for the head
	n          int
	err        error
}

const builderHead = 5

// Reset begins a new Dict in the serializer s. The Builder uses buf's memory, or with nil its own of before; the Dict
// that it made there is gone.
func (b *Builder) Reset(s wamp.Serializer, buf []byte) {
	if buf == nil {
		buf = b.buf
	}
	*b = Builder{serializer: s, buf: append(buf[:0], make([]byte, builderHead)...)}
	if !s.Known() {
		b.err = errSerializer
	}
}

// Err returns the first error.
func (b *Builder) Err() error { return b.err }

// Dict returns what was built. Its bytes are the Builder's: they are valid until the next call of another method.
func (b *Builder) Dict() Dict {
	if b.n == 0 {
		return Dict{}
	}
	if b.serializer == wamp.JSON {
		b.buf[builderHead-1] = '{'
		return Dict{wamp.JSON, append(b.buf, '}')[builderHead-1:]}
	}
	var space [9]byte
	head := openDict(space[:0], b.serializer, b.n)
	start := builderHead - len(head)
	copy(b.buf[start:], head)
	return Dict{b.serializer, b.buf[start:]}
}

// key begins a field and returns where, to take it back.
func (b *Builder) key(k string) (start int) {
	start = len(b.buf)
	if b.serializer == wamp.JSON && b.n > 0 {
		b.buf = append(b.buf, ',')
	}
	b.buf = appendString(b.buf, b.serializer, k)
	if b.serializer == wamp.JSON {
		b.buf = append(b.buf, ':')
	}
	b.n++
	return start
}

func (b *Builder) takeBack(start int, err error) {
	b.buf = b.buf[:start]
	b.n--
	if b.err == nil {
		b.err = err
	}
}

// ready reports whether a field can follow. Keys are the caller's own words; they must be UTF-8 all the same.
func (b *Builder) ready(k string) bool {
	if b.serializer.Known() && utf8.ValidString(k) {
		return true
	}
	if b.err == nil {
		b.err = faultText
	}
	return false
}

// Bool adds a boolean.
func (b *Builder) Bool(k string, v bool) {
	if b.ready(k) {
		b.key(k)
		b.buf = appendBool(b.buf, b.serializer, v)
	}
}

// Uint adds an integer, such as an id.
func (b *Builder) Uint(k string, v uint64) {
	if b.ready(k) {
		b.key(k)
		b.buf = appendUint(b.buf, b.serializer, v)
	}
}

// Text adds a string.
func (b *Builder) Text(k string, t []byte) {
	if !b.ready(k) {
		return
	}
	start := b.key(k)
	if !validText(t) {
		b.takeBack(start, faultText)
		return
	}
	b.buf = appendText(b.buf, b.serializer, t)
}

// String adds a string.
func (b *Builder) String(k, t string) {
	if !b.ready(k) {
		return
	}
	start := b.key(k)
	if !utf8.ValidString(t) {
		b.takeBack(start, faultText)
		return
	}
	b.buf = appendString(b.buf, b.serializer, t)
}

// Value adds a value that came in another Dict, perhaps in another serializer.
func (b *Builder) Value(k string, v Value) {
	if !b.ready(k) {
		return
	}
	start := b.key(k)
	buf, err := transcode(b.buf, b.serializer, v.Serializer, v.Raw, MaxDepth-1)
	if err != nil {
		b.takeBack(start, err)
		return
	}
	b.buf = buf
}

// Any adds a Go value, see AppendValue.
func (b *Builder) Any(k string, v any) {
	if !b.ready(k) {
		return
	}
	start := b.key(k)
	buf, err := appendValue(b.buf, b.serializer, v, MaxDepth-1)
	if err != nil {
		b.takeBack(start, err)
		return
	}
	b.buf = buf
}
