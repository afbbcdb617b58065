package naming

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"runnel/edge/wamp"
)

// Inverse finds the URI of a message by the template of an import. A template is accepted only if each topic has
// exactly one URI.
type Inverse struct {
	pattern wamp.Pattern // of the rule
	levels  []level
	fixed   map[int]string // the components that the rule's pattern fixes, by number
	weight  int            // bytes before the first field; without fields MaxTopic
}

// level is a level of a template: text, or a field with text around it.
type level struct {
	before, after string
	field         int // 0: before is the level
	rest          bool
}

var errTwoAt = errors.New("a level of an import can hold one field only")

// NewInverse returns the inverse of a resolved template of a rule with the pattern.
func NewInverse(p wamp.Pattern, t Template) (*Inverse, error) {
	v := &Inverse{pattern: p}
	var most int
	v.fixed, most = fixedComponents(p.URI, p.Match)
	var now level
	field := false
	for _, part := range t.parts {
		if part.field == 0 {
			for i, text := range strings.Split(part.text, "/") {
				if i > 0 {
					v.levels, now = append(v.levels, now), level{}
				}
				if now.field == 0 {
					now.before += text
				} else {
					now.after += text
				}
			}
			if !field {
				v.weight += len(part.text)
			}
			continue
		}
		if now.field != 0 {
			return nil, errTwoAt
		}
		field, now.field, now.rest = true, part.field, part.rest
	}
	if v.levels = append(v.levels, now); !field {
		v.weight = MaxTopic
	}
	return v, v.check(p.Match, most)
}

// check rejects a template whose topics do not determine the URI. most is the number of components of an exact
// pattern or a wildcard.
func (v *Inverse) check(match wamp.Match, most int) error {
	has, from := map[int]bool{}, 0 // the numbers of the fields, and the one of {n...}
	for i, l := range v.levels {
		switch {
		case l.field == wholeURI:
			return nil
		case l.rest && i < len(v.levels)-1:
			return errRestAt
		case l.rest:
			from = l.field
		case l.field != 0:
			has[l.field] = true
		}
	}
	first := 1
	for v.fixed[first] != "" {
		first++
	}
	next := first
	for has[next] {
		next++
	}
	if match == wamp.Prefix {
		if from == 0 && (next == first || len(has) > next-first) || from > next {
			return fmt.Errorf("it does not determine the URI; write {%d...} in place of the levels after the prefix", next)
		}
		return nil
	}
	for n := first; n <= most; n++ {
		if v.fixed[n] == "" && !has[n] && (from == 0 || n < from) {
			return fmt.Errorf("it does not determine component %d of the URI; write {%d} in its place", n, n)
		}
	}
	return nil
}

// Filter returns the topic filter for the messages. It may match more, because MQTT cannot match a part of a level.
func (v *Inverse) Filter() string {
	var list []string
	for _, l := range v.levels {
		switch {
		case l.rest:
			list = append(list, "#")
		case l.field != 0:
			list = append(list, "+")
		default:
			list = append(list, l.before)
		}
	}
	return strings.Join(list, "/")
}

// URI returns the URI of a topic. ok is false if the template does not make this topic.
func (v *Inverse) URI(topic string) (uri string, ok bool) {
	if strings.HasPrefix(topic, "$") && v.levels[0].before == "" {
		return "", false // no wildcard of MQTT matches it
	}
	found := maps.Clone(v.fixed)
	levels := strings.Split(topic, "/")
	for i, l := range v.levels {
		if i >= len(levels) {
			return "", false
		}
		if l.rest {
			for j, text := range levels[i:] {
				if !note(found, l.field+j, Component(text)) {
					return "", false
				}
			}
			return v.join(found)
		}
		text := levels[i]
		switch inner, is := l.inner(text); {
		case !is:
			return "", false
		case l.field == wholeURI && uri != "" && uri != inner:
			return "", false
		case l.field == wholeURI:
			uri = inner
		case l.field != 0 && !note(found, l.field, Component(inner)):
			return "", false
		}
	}
	if len(levels) > len(v.levels) {
		return "", false
	}
	if uri != "" {
		return uri, v.matches(uri)
	}
	return v.join(found)
}

// inner returns the part of a level that belongs to the field.
func (l *level) inner(text string) (inner string, ok bool) {
	if l.field == 0 {
		return "", text == l.before
	}
	inner, ok = strings.CutPrefix(text, l.before)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(inner, l.after)
}

// note sets a component. It returns false if the component already has another value.
func note(found map[int]string, n int, component string) bool {
	if other, known := found[n]; known {
		return other == component
	}
	found[n] = component
	return true
}

// join makes a URI from components.
func (v *Inverse) join(found map[int]string) (uri string, ok bool) {
	if v.pattern.Match == wamp.Exact {
		return v.pattern.URI, true
	}
	list := make([]string, len(found))
	for i := range list {
		if list[i], ok = found[i+1]; !ok {
			return "", false
		}
	}
	uri = strings.Join(list, ".")
	return uri, v.matches(uri)
}

func (v *Inverse) matches(uri string) bool {
	return v.pattern.Match.Matches(v.pattern.URI, uri) && wamp.ValidURI(uri, wamp.Exact, false)
}

// Weight orders inverses: the inverse with more text before its first field decides about a topic. An inverse without
// fields has the highest weight.
func (v *Inverse) Weight() int { return v.weight }
