package codec

import (
	"unicode/utf8"

	"runnel/edge/wamp"
)

// Builder encodes a Dict field by field, without a map. It allocates nothing if its buffer is large enough. Call Reset
// first. A field that cannot be encoded is left out and reported by Err.
type Builder struct {
	serializer wamp.Serializer
	buf        []byte // the first builderHead octets are reserved for the head
	n          int
	err        error
}

const builderHead = 5

// Reset starts a new Dict in serializer s. The Builder uses the memory of buf or, if buf is nil, its own buffer. The
// bytes of the previous Dict in that buffer become invalid.
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

// Dict returns the encoded fields. Its bytes are valid until the next call of another method.
func (b *Builder) Dict() Dict {
	if b.n == 0 {
		return Dict{}
	}
	if b.serializer == wamp.JSON {
		b.buf[builderHead-1] = '{'
		return Dict{wamp.JSON, append(b.buf, '}')[builderHead-1:]}
	}
	var space [9]byte
	head := dictNotation.open(space[:0], b.serializer, b.n)
	start := builderHead - len(head)
	copy(b.buf[start:], head)
	return Dict{b.serializer, b.buf[start:]}
}

// key appends a field's key and returns the field's start, for undo.
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

// undo removes the field that begins at start and records the error.
func (b *Builder) undo(start int, err error) {
	b.buf = b.buf[:start]
	b.n--
	if b.err == nil {
		b.err = err
	}
}

// canAdd reports whether a field with key k can be added. Keys come from the program, but must also be UTF-8.
func (b *Builder) canAdd(k string) bool {
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
	if b.canAdd(k) {
		b.key(k)
		b.buf = appendBool(b.buf, b.serializer, v)
	}
}

// Uint adds an integer, such as an id.
func (b *Builder) Uint(k string, v uint64) {
	if b.canAdd(k) {
		b.key(k)
		b.buf = appendUint(b.buf, b.serializer, v)
	}
}

// Text adds a string.
func (b *Builder) Text(k string, t []byte) {
	if !b.canAdd(k) {
		return
	}
	start := b.key(k)
	if !validText(t) {
		b.undo(start, faultText)
		return
	}
	b.buf = appendText(b.buf, b.serializer, t)
}

// String adds a string.
func (b *Builder) String(k, t string) {
	if !b.canAdd(k) {
		return
	}
	start := b.key(k)
	if !utf8.ValidString(t) {
		b.undo(start, faultText)
		return
	}
	b.buf = appendString(b.buf, b.serializer, t)
}

// Value adds a value of another Dict. It is transcoded if the serializer differs.
func (b *Builder) Value(k string, v Value) {
	if !b.canAdd(k) {
		return
	}
	start := b.key(k)
	buf, err := transcode(b.buf, b.serializer, v.Serializer, v.Raw, MaxDepth-1)
	if err != nil {
		b.undo(start, err)
		return
	}
	b.buf = buf
}

// Any adds a Go value, see AppendValue.
func (b *Builder) Any(k string, v any) {
	if !b.canAdd(k) {
		return
	}
	start := b.key(k)
	buf, err := appendValue(b.buf, b.serializer, v, MaxDepth-1)
	if err != nil {
		b.undo(start, err)
		return
	}
	b.buf = buf
}
