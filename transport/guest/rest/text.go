package rest

import (
	"encoding/json"
	"strconv"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// text is an answer under construction.
type text []byte

// add appends texts as they are.
//
//go:noinline
func (t text) add(parts ...string) text {
	for _, part := range parts {
		t = append(t, part...)
	}
	return t
}

// raw appends bytes as they are.
//
//go:noinline
func (t text) raw(b []byte) text { return append(t, b...) }

// quoted returns a string as JSON.
//
//go:noinline
func quoted(s string) string {
	b, _ := json.Marshal(s) // a string: it cannot fail
	return string(b)
}

// decimal returns a number as JSON.
//
//go:noinline
func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// payload appends a payload as "args":[...] and "kwargs":{...}. With all, it includes empty kwargs.
func (t text) payload(p codec.Payload, all bool) (text, error) {
	p, err := p.In(wamp.JSON, nil)
	if err != nil {
		return t, err
	}
	args, kwargs, err := p.Split()
	if err != nil {
		return t, err
	}
	t = t.add(`"args":`)
	switch {
	case len(args.Raw) == 0 || args.IsNull():
		t = t.add("[]")
	case args.Raw[0] == '[':
		t = t.raw(args.Raw)
	default: // a transparent payload is one binary
		t = t.add("[").raw(args.Raw).add("]")
	}
	switch {
	case len(kwargs.Raw) > 0 && !kwargs.IsNull():
		t = t.add(`,"kwargs":`).raw(kwargs.Raw)
	case all:
		t = t.add(`,"kwargs":{}`)
	}
	return t, nil
}

// event appends an event as JSON.
func (t text) event(e *client.Event) (text, error) {
	t = t.add(`{"topic":`, quoted(e.Topic()), `,"publication":`, decimal(uint64(e.Publication)))
	if e.Retained() {
		t = t.add(`,"retained":true`)
	}
	if id := e.Publisher(); id != 0 {
		t = t.add(`,"publisher":`, decimal(uint64(id)))
	}
	if authid := e.PublisherAuthid(); authid != "" {
		t = t.add(`,"publisher_authid":`, quoted(authid))
	}
	t, err := t.add(",").payload(e.Payload, false)
	return t.add("}"), err
}
