package naming

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"runnel/edge/wamp"
)

// Template is the mqtt_topic of a rule: a topic of the broker, with fields in braces for parts of the URI. {4} is its
// fourth component, {4...} are the fourth and all later ones, as a level each, and {uri} is the whole URI as one level.
// Text outside braces is used as written: it may begin with "/" or "$", and contain blanks, dots and empty levels. {{
// and }} are literal braces.
//
// Resolve replaces the fields that the rule's pattern determines. The remaining fields are the parts that vary.
type Template struct{ parts []part }

// part is literal text, or a field.
type part struct {
	text  string
	field int  // number of a component, from 1; wholeURI; 0: literal text
	rest  bool // the component and all later ones
}

const wholeURI = -1

// maxField bounds the numbers of fields. No URI has more components.
const maxField = wamp.MaxURI

const ellipsis = "..."

var (
	errShared  = errors.New("shared subscriptions ($share) are not supported")
	errWild    = errors.New(`it cannot contain "+" or "#"; write a field, like {4} for one level or {4...} for all further levels`)
	errRestAt  = errors.New("a field like {4...} must be a whole level, and in an import the last one")
	errNoTopic = errors.New("it makes an empty topic")
	errBrace   = errors.New("a brace is not closed; {{ and }} stand for braces as text")
)

// Parse reads a template.
func Parse(text string) (t Template, err error) {
	if err := Check(text, ""); err != nil {
		return t, err
	}
	literal := ""
	for text != "" {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			literal, text = literal+text, ""
			break
		}
		literal, text = literal+text[:i], text[i:]
		if len(text) > 1 && text[0] == text[1] { // {{ or }}
			literal, text = literal+text[:1], text[2:]
			continue
		}
		name, after, closed := strings.Cut(text[1:], "}")
		if text[0] == '}' || !closed {
			return t, errBrace
		}
		f, err := parseField(name)
		if err != nil {
			return t, err
		}
		t.add(part{text: literal})
		t.add(f)
		literal, text = "", after
	}
	t.add(part{text: literal})
	return t, t.check()
}

// add appends a part, except for empty text, and joins it to text before it.
func (t *Template) add(p part) {
	last := len(t.parts) - 1
	switch {
	case p.field == 0 && p.text == "":
	case p.field == 0 && last >= 0 && t.parts[last].field == 0:
		t.parts[last].text += p.text
	default:
		t.parts = append(t.parts, p)
	}
}

func parseField(name string) (part, error) {
	if name == "uri" {
		return part{field: wholeURI}, nil
	}
	digits, rest := strings.CutSuffix(name, ellipsis)
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > maxField || digits[0] < '1' || digits[0] > '9' {
		return part{}, fmt.Errorf("{%.40s} is not known; use {node}, {uri}, the number of a component of the URI, like {4}, or {4...} for all from the fourth on", name)
	}
	return part{field: n, rest: rest}, nil
}

// check rejects text that no topic may contain.
func (t Template) check() error {
	if len(t.parts) == 0 {
		return errNoTopic
	}
	for i, p := range t.parts {
		if p.field == 0 && strings.ContainsAny(p.text, "+#") {
			return errWild
		}
		if p.rest && (!t.endsLevel(i-1) || !t.beginsLevel(i+1)) {
			return errRestAt
		}
	}
	if strings.HasPrefix(t.parts[0].text, "$share/") {
		return errShared
	}
	return nil
}

// endsLevel reports whether a level ends with part i. i may be -1, the position before the first part.
func (t Template) endsLevel(i int) bool {
	return i < 0 || t.parts[i].field == 0 && strings.HasSuffix(t.parts[i].text, "/")
}

func (t Template) beginsLevel(i int) bool {
	return i == len(t.parts) || t.parts[i].field == 0 && strings.HasPrefix(t.parts[i].text, "/")
}

// Resolve returns the template with the fields replaced that a pattern determines. It rejects fields that no URI of the pattern
// has.
func (t Template) Resolve(pattern string, match wamp.Match) (Template, error) {
	fixed, most := fixedComponents(pattern, match)
	var r Template
	for _, p := range t.parts {
		switch {
		case p.field > most:
			return r, fmt.Errorf("the URI has no component %d", p.field)
		case match == wamp.Exact && p.field != 0:
			text, err := Template{[]part{p}}.Topic(pattern)
			if err != nil {
				return r, err
			}
			p = part{text: text}
		case p.field > 0 && !p.rest && fixed[p.field] != "":
			level, err := levelOf(fixed[p.field])
			if err != nil {
				return r, err
			}
			p = part{text: level}
		}
		r.add(p)
	}
	return r, r.check()
}

// fixedComponents returns the components that all URIs of a pattern share, by number, and the highest number of a component.
func fixedComponents(pattern string, match wamp.Match) (fixed map[int]string, most int) {
	fixed = map[int]string{}
	list := strings.Split(pattern, ".")
	most = len(list)
	if match == wamp.Prefix {
		list, most = list[:len(list)-1], maxField // the last one is empty, or the beginning of a component
	}
	for i, c := range list {
		if c != "" {
			fixed[i+1] = c
		}
	}
	return fixed, most
}

// Topic returns the topic of a URI.
func (t Template) Topic(uri string) (string, error) {
	var b strings.Builder
	components := strings.Split(uri, ".")
	for _, p := range t.parts {
		switch {
		case p.field == 0:
			b.WriteString(p.text)
			continue
		case p.field == wholeURI:
			if err := Check(uri, "/+#"); err != nil {
				return "", err
			}
			b.WriteString(uri)
			continue
		case p.field > len(components):
			return "", fmt.Errorf("mqtt_topic needs component %d of the URI, which has %d", p.field, len(components))
		}
		last := p.field
		if p.rest {
			last = len(components)
		}
		for i := p.field; i <= last; i++ {
			level, err := levelOf(components[i-1])
			if err != nil {
				return "", err
			}
			if i > p.field {
				b.WriteByte('/')
			}
			b.WriteString(level)
		}
	}
	return b.String(), t.checkTopic(b.String())
}

// checkTopic rejects a topic of the template that the broker would reject or that is the broker's own.
func (t Template) checkTopic(topic string) error {
	switch {
	case topic == "":
		return errNoTopic
	case topic[0] == '$' && t.parts[0].field != 0:
		return ErrDollar // only a configuration may choose such a topic
	}
	return Check(topic, "+#")
}

// OneLevel reports whether all topics of the template have one level.
func (t Template) OneLevel() bool {
	for _, p := range t.parts {
		if p.rest || strings.Contains(p.text, "/") {
			return false
		}
	}
	return true
}
