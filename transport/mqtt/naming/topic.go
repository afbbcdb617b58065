// Package naming names the topics of an MQTT broker by URIs. A URI's components are a topic's levels: com.example.weather is
// com/example/weather. A rule can choose other topics by a Template; an Inverse converts them back.
package naming

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"runnel/edge/wamp"
)

// A name that the other side cannot have is an error. It is never changed into a similar one, because two names could then
// become one, and their data would be mixed up.

// MaxTopic bounds a topic in bytes. MQTT allows 65535; no URI of the router is longer than this.
const MaxTopic = wamp.MaxURI

// Errors of names.
var (
	errEmptyLevel = errors.New("it has an empty level")
	ErrDollar     = errors.New("topics that begin with $ are the broker's own")
	errLong       = errors.New("it is too long")
	ErrReserved   = errors.New("URIs that begin with wamp. are the router's own")
	errMidLevel   = errors.New("MQTT cannot match the beginning of a level; end the prefix with a dot")
)

// Topic returns the topic of a URI.
func Topic(uri string) (string, error) {
	if err := Check(uri, "/+#"); err != nil {
		return "", err
	}
	if !wamp.ValidURI(uri, wamp.Exact, false) {
		return "", errEmptyLevel
	}
	if uri[0] == '$' {
		return "", ErrDollar
	}
	topic, err := levelsOf(uri, "")
	if topic == "" && err == nil {
		err = errNoTopic
	}
	return topic, err
}

// levelsOf returns the levels for the components of a pattern. Empty components become the given text.
func levelsOf(pattern, empty string) (string, error) {
	levels := strings.Split(pattern, ".")
	for i, component := range levels {
		if component == "" {
			levels[i] = empty
			continue
		}
		var err error
		if levels[i], err = levelOf(component); err != nil {
			return "", err
		}
	}
	return strings.Join(levels, "/"), nil
}

// URI returns the URI of a topic.
func URI(topic string) (string, error) {
	switch {
	case topic == "":
		return "", errNoTopic
	case topic[0] == '$':
		return "", ErrDollar
	}
	if err := Check(topic, "+#"); err != nil {
		return "", err
	}
	components := strings.Split(topic, "/")
	for i, level := range components {
		components[i] = Component(level)
	}
	uri := strings.Join(components, ".")
	if wamp.Reserved(uri) {
		return "", ErrReserved
	}
	if !wamp.ValidURI(uri, wamp.Exact, false) {
		return "", errors.New("it is not a URI")
	}
	return uri, nil
}

// A level may be empty or contain blanks and dots, but a component may not. In the URI, blanks and dots become a
// percent sign and two hexadecimal digits, and an empty level becomes one percent sign. A percent sign that could be
// mistaken for one of these is escaped as well. Each topic therefore has its own URI.

const (
	emptyLevel = "%"
	hexDigits  = "0123456789ABCDEF"
)

// Component returns the component for a level.
func Component(level string) string {
	if level == "" {
		return emptyLevel
	}
	if !strings.ContainsAny(level, " .%") {
		return level
	}
	var b strings.Builder
	for i := range len(level) {
		c := level[i]
		if c == ' ' || c == '.' || c == '%' && (level == emptyLevel || escaped(level[i:])) {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// escaped reports whether text begins with a percent sign and two hexadecimal digits.
func escaped(text string) bool {
	return len(text) >= 3 && text[0] == '%' && strings.IndexByte(hexDigits, text[1]) >= 0 && strings.IndexByte(hexDigits, text[2]) >= 0
}

// levelOf is the inverse of Component. It rejects a component that Component never returns, because its topic belongs
// to another URI.
func levelOf(component string) (string, error) {
	if err := Check(component, "/+#"); err != nil {
		return "", err
	}
	if component == emptyLevel {
		return "", nil
	}
	if !strings.Contains(component, "%") {
		return component, nil
	}
	var b strings.Builder
	for i := 0; i < len(component); i++ {
		c := component[i]
		if escaped(component[i:]) {
			c = byte(strings.IndexByte(hexDigits, component[i+1])<<4 | strings.IndexByte(hexDigits, component[i+2]))
			i += 2
		}
		b.WriteByte(c)
	}
	if level := b.String(); Component(level) == component {
		return level, nil
	}
	return "", fmt.Errorf("%q is not a level of a topic; only a blank (%%20), a dot (%%2E) and a percent sign (%%25) are written with %%", component)
}

// Filter returns the topic filter for a pattern. It may match more: `com/example/#` also matches com/example itself.
// Match messages against the pattern again.
func Filter(pattern string, match wamp.Match) (string, error) {
	if match == wamp.Exact {
		return Topic(pattern)
	}
	if err := Check(pattern, "/+#"); err != nil {
		return "", err
	}
	if pattern != "" && pattern[0] == '$' {
		return "", ErrDollar
	}
	if match == wamp.Prefix {
		if pattern != "" && !strings.HasSuffix(pattern, ".") {
			return "", errMidLevel
		}
		levels, err := levelsOf(pattern, "")
		return levels + "#", err
	}
	return levelsOf(pattern, "+")
}

// Check rejects text with one of the given characters. It also rejects text for which a broker may close the
// connection: invalid UTF-8, control characters, and code points that are not characters.
func Check(s, without string) error {
	if len(s) > MaxTopic {
		return errLong
	}
	if i := strings.IndexAny(s, without); i >= 0 {
		return fmt.Errorf("it cannot contain %q", s[i])
	}
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return errors.New("it is not UTF-8")
			}
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe:
			return fmt.Errorf("it cannot contain %q", r)
		}
	}
	return nil
}

// Matches reports whether a filter matches a topic (MQTT 3.1.1, 4.7).
func Matches(filter, topic string) bool {
	return coversOwn(filter, topic)
}

// coversOwn is covers, with the topics that begin with $: no wildcard at the beginning of a filter matches them.
func coversOwn(filter, other string) bool {
	return strings.HasPrefix(filter, "$") == strings.HasPrefix(other, "$") && covers(filter, other)
}

// covers reports whether a filter matches everything that another one matches. A topic is a filter, too.
func covers(filter, other string) bool {
	for {
		level, rest, more := strings.Cut(filter, "/")
		if level == "#" {
			return true
		}
		otherLevel, otherRest, otherMore := strings.Cut(other, "/")
		switch {
		case otherLevel == "#" || level != "+" && level != otherLevel:
			return false
		case !more:
			return !otherMore
		case !otherMore:
			return rest == "#" // a/# matches a
		}
		filter, other = rest, otherRest
	}
}

// Widest returns the filters that no other filter covers. A broker may send a message once for each filter that matches it.
func Widest(filters []string) (list []string) {
	for i, f := range filters {
		covered := false
		for j, other := range filters {
			// The first of two equal filters stays.
			covered = covered || i != j && coversOwn(other, f) && (other != f || j < i)
		}
		if !covered {
			list = append(list, f)
		}
	}
	return list
}
