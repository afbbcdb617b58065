package stage

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"

	"runnel/edge/wamp"
	"runnel/test/say"
)

// shapes are the messages that a router may send: a letter for each element, then the payload.
//
//	i id   u uri   d dict   t type   s string
var shapes = map[wamp.Type]struct {
	elements string
	payload  bool
}{
	wamp.Welcome:      {"id", false},
	wamp.Abort:        {"du", true},
	wamp.Challenge:    {"sd", false},
	wamp.Goodbye:      {"du", false},
	wamp.Error:        {"tidu", true},
	wamp.Published:    {"ii", false},
	wamp.Subscribed:   {"ii", false},
	wamp.Unsubscribed: {"i", false},
	wamp.Event:        {"iid", true},
	wamp.Result:       {"id", true},
	wamp.Registered:   {"ii", false},
	wamp.Unregistered: {"i", false},
	wamp.Invocation:   {"iid", true},
	wamp.Interrupt:    {"id", false},
}

// detailKey matches the keys of options and details that basic/messages.md allows, including implementation-specific ones.
var detailKey = regexp.MustCompile(`^([a-z][a-z0-9_]{2,}|_[a-z0-9_]{3,})$`)

var looseURI = regexp.MustCompile(`^([^\s.#]+\.)*[^\s.#]+$`)

// checkShape checks the rules that hold for every message of a router.
func checkShape(text string) error {
	v, err := say.Parse(text)
	if err != nil {
		return err
	}
	list, _ := v.([]any)
	if len(list) == 0 {
		return fmt.Errorf("no list")
	}
	code, err := integer(list[0])
	if err != nil {
		return fmt.Errorf("the type: %w", err)
	}
	t := wamp.Type(code)
	shape, ok := shapes[t]
	if !ok {
		return fmt.Errorf("a router does not send %v", t)
	}
	rest := list[1:]
	if revoked(t, rest) {
		return nil
	}
	if len(rest) < len(shape.elements) {
		return fmt.Errorf("%v is too short", t)
	}
	for i, kind := range shape.elements {
		if err := checkElement(kind, rest[i]); err != nil {
			return fmt.Errorf("%v, element %d: %w", t, i+1, err)
		}
	}
	return checkPayload(rest[len(shape.elements):], shape.payload)
}

// revoked reports whether the message is an UNSUBSCRIBED or UNREGISTERED that answers no request.
func revoked(t wamp.Type, rest []any) bool {
	if t != wamp.Unsubscribed && t != wamp.Unregistered || len(rest) != 2 {
		return false
	}
	details, ok := rest[1].(map[string]any)
	return ok && rest[0] == any(json.Number("0")) && len(details) > 0
}

func checkElement(kind rune, v any) error {
	switch kind {
	case 'i', 't':
		n, err := integer(v)
		if err == nil && !wamp.ValidID(n) {
			err = fmt.Errorf("%d is no id", n)
		}
		return err
	case 'd':
		dict, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%v is no dict", v)
		}
		for key := range dict {
			if !detailKey.MatchString(key) {
				return fmt.Errorf("the key %q", key)
			}
		}
		return nil
	}
	text, ok := v.(string)
	if !ok || kind == 'u' && !looseURI.MatchString(text) {
		return fmt.Errorf("%v is not a string, or no URI", v)
	}
	return nil
}

func integer(v any) (uint64, error) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, fmt.Errorf("%v is no number", v)
	}
	return strconv.ParseUint(string(n), 10, 64)
}

func checkPayload(payload []any, allowed bool) error {
	if len(payload) > 2 || len(payload) > 0 && !allowed {
		return fmt.Errorf("too long")
	}
	if len(payload) > 0 {
		if _, ok := payload[0].([]any); !ok {
			return fmt.Errorf("its Arguments are no list")
		}
	}
	if len(payload) > 1 {
		if _, ok := payload[1].(map[string]any); !ok {
			return fmt.Errorf("its ArgumentsKw are no dict")
		}
	}
	return nil
}
