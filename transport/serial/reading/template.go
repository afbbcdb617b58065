package reading

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"runnel/edge/wamp"
)

// Template is a topic with names in braces, which values stand in for: "com.example.{station}.{sensor}".
type Template struct {
	parts []string // text and names in turn, beginning with text
}

// ParseTemplate reads a template. It must be a URI once its names are filled in.
func ParseTemplate(text string) (t Template, err error) {
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return t, fmt.Errorf("topic %q: a } without its {", text)
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
		return t, fmt.Errorf("topic %q is no URI; write components with dots between, like \"com.example.{name}\"", text)
	}
	return t, nil
}

// Names lists the names in braces.
func (t Template) Names() (names []string) {
	for i := 1; i < len(t.parts); i += 2 {
		names = append(names, t.parts[i])
	}
	return names
}

// Uses reports whether name is among them.
func (t Template) Uses(name string) bool { return slices.Contains(t.Names(), name) }

// Topic fills in the values. A value comes from a device, which must not choose more of a topic than its own component:
// one with a dot in it, or with nothing in it, is refused.
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
			return "", fmt.Errorf("no {%s} for the topic", part)
		}
		text, ok := component(v)
		if !ok {
			return "", fmt.Errorf("{%s} is %.40q, which can't be a component of the topic", part, fmt.Sprint(v))
		}
		b.WriteString(text)
	}
	topic := b.String()
	if !wamp.ValidURI(topic, wamp.Exact, false) || wamp.Reserved(topic) {
		return "", fmt.Errorf("%.80q can't be a topic", topic)
	}
	return topic, nil
}

// maxComponent bounds what a device contributes to a topic.
const maxComponent = 64

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
