package mqtt

import (
	"encoding/binary"
	"errors"

	"runnel/uplink/spool"
)

// route holds the destination and the form of an event, apart from its URI and its payload. It is stored with the
// event. An event therefore goes to the topic of the configuration under which it was published, even if the
// configuration changes before it is sent.
type route struct {
	retain bool   // the broker is to retain it
	topic  string // at the broker; "": it follows from the URI
	form   *Form  // nil: the link's format

	publisher string // its authid; "": it is not disclosed
}

// The forms of spool.Event.Options: none, one word, or a version and the fields of a route.
const (
	retainWord   = "retain"
	routeVersion = 1
)

// Bits of a stored route.
const (
	routeRetain = 1 << iota
	routeForm
	routePublisher
)

var errRoute = errors.New("the queue holds an event of another version of the program")

// options returns a route's form in the spool.
func (r *route) options() []byte {
	switch {
	case r.topic != "" || r.form != nil || r.publisher != "":
	case r.retain:
		return []byte(retainWord)
	default:
		return nil
	}
	flags := byte(0)
	if r.retain {
		flags |= routeRetain
	}
	if r.form != nil {
		flags |= routeForm
	}
	if r.publisher != "" {
		flags |= routePublisher
	}
	b := appendText([]byte{routeVersion, flags}, r.topic)
	if f := r.form; f != nil {
		b = append(b, byte(f.Format), byte(f.TimeFormat))
		b = appendText(appendText(b, f.TimeKey), f.ValuesKey)
	}
	if r.publisher != "" {
		b = appendText(b, r.publisher)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// routeOf returns the route of a stored event.
func routeOf(e *spool.Event) (r route, err error) {
	b := e.Options
	if len(b) == 0 || string(b) == retainWord {
		return route{retain: len(b) > 0}, nil
	}
	if len(b) < 2 || b[0] != routeVersion {
		return r, errRoute
	}
	flags := b[1]
	r.retain = flags&routeRetain != 0
	b, ok := cutText(b[2:], &r.topic)
	if flags&routeForm != 0 {
		if !ok || len(b) < 2 {
			return r, errRoute
		}
		r.form = &Form{Format: Format(b[0]), TimeFormat: TimeFormat(b[1])}
		if b, ok = cutText(b[2:], &r.form.TimeKey); ok {
			b, ok = cutText(b, &r.form.ValuesKey)
		}
	}
	if ok && flags&routePublisher != 0 {
		b, ok = cutText(b, &r.publisher)
	}
	if !ok || len(b) > 0 {
		return r, errRoute
	}
	return r, nil
}

func cutText(b []byte, text *string) (rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || uint64(len(b)-n) < size {
		return nil, false
	}
	*text = string(b[n : n+int(size)])
	return b[n+int(size):], true
}
