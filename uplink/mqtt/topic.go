package mqtt

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"runnel/edge/wamp"
)

// A URI's components are a topic's levels: com.example.weather is com/example/weather. A name that the other side can't have is
// an error. It is never changed into a similar one, because two names could become one and mix up their data.

// maxTopic bounds a topic in bytes. MQTT allows 65535; no URI of the router is longer than this.
const maxTopic = wamp.MaxURI

var (
	errEmptyLevel = errors.New("it has an empty level")
	errDollar     = errors.New("topics that begin with $ are the broker's own")
	errLong       = errors.New("it is too long")
	errReserved   = errors.New("URIs that begin with wamp. are the router's own")
	errMidLevel   = errors.New("MQTT can't match the beginning of a level; end the prefix with a dot")
)

// topicOf returns the topic of a URI.
func topicOf(uri string) (string, error) {
	if err := checkText(uri, "/+#"); err != nil {
		return "", err
	}
	if !wamp.ValidURI(uri, wamp.Exact, false) {
		return "", errEmptyLevel
	}
	if uri[0] == '$' {
		return "", errDollar
	}
	return strings.ReplaceAll(uri, ".", "/"), nil
}

// uriOf returns the URI of a topic.
func uriOf(topic string) (string, error) {
	switch {
	case topic == "" || topic[0] == '/' || topic[len(topic)-1] == '/' || strings.Contains(topic, "//"):
		return "", errEmptyLevel
	case topic[0] == '$':
		return "", errDollar
	}
	if err := checkText(topic, ".+# "); err != nil {
		return "", err
	}
	uri := strings.ReplaceAll(topic, "/", ".")
	if wamp.Reserved(uri) {
		return "", errReserved
	}
	if !wamp.ValidURI(uri, wamp.Exact, false) {
		return "", errors.New("it is no URI")
	}
	return uri, nil
}

// filterOf returns the topic filter for a pattern. It may match more: `com/example/#` also matches com/example itself. So
// messages are matched against the pattern again.
func filterOf(pattern string, match wamp.Match) (string, error) {
	if match == wamp.Exact {
		return topicOf(pattern)
	}
	if err := checkText(pattern, "/+#"); err != nil {
		return "", err
	}
	if pattern != "" && pattern[0] == '$' {
		return "", errDollar
	}
	if match == wamp.Prefix {
		if pattern != "" && !strings.HasSuffix(pattern, ".") {
			return "", errMidLevel
		}
		return strings.ReplaceAll(pattern, ".", "/") + "#", nil
	}
	levels := strings.Split(pattern, ".")
	for i, level := range levels {
		if level == "" {
			levels[i] = "+"
		}
	}
	return strings.Join(levels, "/"), nil
}

// checkText rejects text with one of the given characters. It also rejects text that a broker may close the connection for:
// invalid UTF-8, control characters, and code points that are not characters.
func checkText(s, without string) error {
	if len(s) > maxTopic {
		return errLong
	}
	if i := strings.IndexAny(s, without); i >= 0 {
		return fmt.Errorf("%q can't stand in it", s[i])
	}
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return errors.New("it is not UTF-8")
			}
		case r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe:
			return fmt.Errorf("%q can't stand in it", r)
		}
	}
	return nil
}

// matches reports whether a filter matches a topic (MQTT 3.1.1, 4.7).
func matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && !strings.HasPrefix(filter, "$") {
		return false
	}
	return covers(filter, topic)
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

// widest returns the filters that no other one covers. A broker may send a message once for each filter that matches it.
func widest(filters []string) (list []string) {
	for i, f := range filters {
		covered := false
		for j, other := range filters {
			// Of two equal ones the first stays.
			covered = covered || i != j && covers(other, f) && (other != f || j < i)
		}
		if !covered {
			list = append(list, f)
		}
	}
	return list
}
