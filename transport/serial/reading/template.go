package reading

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"runnel/edge/wamp"
)

// Template is a topic with names in braces that are replaced by values: "com.example.{station}.{sensor}".
type Template struct {
	parts []string // text and names in turn, beginning with text
	safe  bool     // see Safe
}

// ParseTemplate parses a template. With its names filled in it must be a URI.
func ParseTemplate(text string) (t Template, err error) {
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return t, fmt.Errorf("topic %q: } without {", text)
		}
		t.parts = append(t.parts, before)
		if !found {
			break
		}
		name, behind, closed := strings.Cut(after, "}")
		if !closed || name == "" || strings.Contains(name, "{") {
			return t, fmt.Errorf("topic %q: want a name between { and }", text)
		}
		t.parts = append(t.parts, name)
		rest = behind
	}
	sample, err := t.Topic(func(string) (any, bool) { return "x", true })
	if err != nil || !wamp.ValidURI(sample, wamp.Exact, false) {
		return t, fmt.Errorf("topic %q is not a URI; write components separated by dots, such as \"com.example.{name}\"", text)
	}
	return t, nil
}

// Safe returns a template that makes a component of any value: everything but letters, digits, "-" and "_" becomes "_", and a
// long value is cut. An empty value is "_".
func (t Template) Safe() Template {
	t.safe = true
	return t
}

// Names lists the names in braces.
func (t Template) Names() (names []string) {
	for i := 1; i < len(t.parts); i += 2 {
		names = append(names, t.parts[i])
	}
	return names
}

// Uses reports whether the template contains name.
func (t Template) Uses(name string) bool { return slices.Contains(t.Names(), name) }

// Topic fills in the values. A device must not choose more of a topic than one component: an empty value, or one with a
// dot, is an error.
func (t Template) Topic(value func(name string) (any, bool)) (string, error) {
	if len(t.parts) == 1 {
		return t.parts[0], nil
	}
	var b strings.Builder
	for i, part := range t.parts {
		if i%2 == 0 {
			b.WriteString(part)
			continue
		}
		v, ok := value(part)
		if !ok {
			return "", fmt.Errorf("topic: no value for {%s}", part)
		}
		text, ok := t.component(v)
		if !ok {
			return "", fmt.Errorf("topic: value %.40[2]q of {%[1]s} is not a component of a URI", part, fmt.Sprint(v))
		}
		b.WriteString(text)
	}
	topic := b.String()
	if !wamp.ValidURI(topic, wamp.Exact, false) || wamp.Reserved(topic) {
		return "", fmt.Errorf("topic %.80q is not a URI", topic)
	}
	return topic, nil
}

// maxComponent is how many bytes a value may add to a topic.
const maxComponent = 64

func (t Template) component(v any) (text string, ok bool) {
	if !t.safe {
		return component(v)
	}
	switch v.(type) {
	case string, bool, int, int64, uint64, float64:
		return safe(fmt.Sprint(v)), true
	}
	return "", false
}

// safe returns text as a component of a URI.
func safe(text string) string {
	text = strings.Map(func(r rune) rune {
		if r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return '_'
		}
		return r
	}, text)
	if len(text) > maxComponent {
		text = strings.ToValidUTF8(text[:maxComponent], "")
	}
	return cmp.Or(text, "_")
}

func component(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		text = v
	case int64:
		text = strconv.FormatInt(v, 10)
	case int:
		text = strconv.Itoa(v)
	default:
		return "", false
	}
	return text, text != "" && len(text) <= maxComponent && !strings.Contains(text, ".") && wamp.ValidURI(text, wamp.Exact, false)
}
