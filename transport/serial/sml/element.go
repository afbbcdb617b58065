package sml

import "errors"

// kind is the type of an element, as bits 4 to 6 of its first byte.
type kind uint8

const (
	octets   kind = 0
	boolean  kind = 4
	signed   kind = 5
	unsigned kind = 6
	list     kind = 7
	ending   kind = 8 // of a message; no type of the protocol
)

// element is an element of a message. The elements of a list follow it.
type element struct {
	kind  kind
	data  []byte // the value; of a list nil
	count int    // elements of a list
}

// Reasons for dropping a telegram.
var (
	errCut     = errors.New("the SML message is cut off")
	errElement = errors.New("unknown SML element")
	errMessage = errors.New("not an SML message")
)

// maxCount is the largest length that is read. No telegram has an element of this length.
const maxCount = 1 << 20

// reader reads the elements of messages.
type reader struct{ rest []byte }

// next returns the next element. A length over 15 takes several bytes of four bits each; the highest bit of a byte announces
// another one.
func (r *reader) next() (e element, err error) {
	head, err := r.byte()
	if err != nil {
		return e, err
	}
	if head == 0 {
		return element{kind: ending}, nil
	}
	n, size := int(head&15), 1
	for more := head; more&0x80 != 0; size++ {
		if more, err = r.byte(); err != nil {
			return e, err
		}
		if n = n<<4 | int(more&15); more&0x70 != 0 || n > maxCount {
			return e, errElement
		}
	}
	e.kind = kind(head >> 4 & 7)
	if e.kind == list {
		if n > len(r.rest) {
			return e, errCut
		}
		e.count = n
		return e, nil
	}
	if e.kind > octets && e.kind < boolean || n < size {
		return e, errElement
	}
	if n -= size; n > len(r.rest) {
		return e, errCut
	}
	e.data, r.rest = r.rest[:n], r.rest[n:]
	return e, nil
}

func (r *reader) byte() (byte, error) {
	if len(r.rest) == 0 {
		return 0, errCut
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b, nil
}

// skip reads n elements, and all elements of those that are lists.
func (r *reader) skip(n int) error {
	for ; n > 0; n-- {
		e, err := r.next()
		if err != nil {
			return err
		}
		n += e.count
	}
	return nil
}

// list reads the head of a list of a length.
func (r *reader) list(length int) error {
	e, err := r.next()
	if err == nil && (e.kind != list || e.count != length) {
		err = errMessage
	}
	return err
}

// value reads an element that may be anything; a list is read as a whole.
func (r *reader) value() (element, error) {
	e, err := r.next()
	if err == nil {
		err = r.skip(e.count)
	}
	return e, err
}

// bits returns an integer of at most 64 bits as its lowest bits, with its sign extended.
func (e element) bits() (u uint64, ok bool) {
	if e.kind != signed && e.kind != unsigned || len(e.data) == 0 || len(e.data) > 8 {
		return 0, false
	}
	if e.kind == signed && e.data[0]&0x80 != 0 {
		u = ^u
	}
	for _, b := range e.data {
		u = u<<8 | uint64(b)
	}
	return u, true
}
