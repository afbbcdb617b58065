package config

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A message about a configuration may get into a log, or to a caller of runnel.reload. So it repeats no value that may be
// secret: neither that of a key that holds a secret, nor what the TOML library quotes of a value without its quotes.

// secretKeys hold secrets, whatever is written there.
var secretKeys = []string{"ticket", "secret", "password", "wampcra", "scram", "salt", "stored_key", "server_key", "key", "authorized_keys"}

// found says what stands in the file instead of what should.
func found(key string, value any) string {
	repeat := func(format, kind string) string {
		if slices.Contains(secretKeys, key) {
			return "this is " + kind
		}
		return fmt.Sprintf(format, value) + " is " + kind
	}
	switch value.(type) {
	case string:
		return repeat("%.40q", "a string")
	case bool:
		return repeat("%v", "a boolean")
	case int64:
		return repeat("%d", "an integer")
	case float64:
		return repeat("%v", "a float")
	case map[string]any:
		return "this is a table"
	case []map[string]any:
		return "this is a list of tables"
	case []any:
		return "this is a list"
	}
	return "this is a date or a time"
}

// syntaxMessages stand for the TOML library's where these quote a value.
var syntaxMessages = []struct {
	like *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`^expected (two|four|eight) hexadecimal`), `"\" begins an escape; write text that has a backslash in single quotes`},
	{regexp.MustCompile(`^(expected value|not an? |cannot use sign|expected a digit|floats must|[Ii]nvalid (integer|float|datetime|duration))`),
		"there is no value here that TOML knows; write a text in quotes"},
	{regexp.MustCompile(` is out of (range|the safe)`), "the number is out of range; write a text in quotes"},
}

var quotation = regexp.MustCompile(`["'].{2,}["']`)

// syntaxText returns a message of the TOML library without the values that it quotes.
func syntaxText(message string) string {
	for _, m := range syntaxMessages {
		if m.like.MatchString(message) {
			return m.text
		}
	}
	if strings.HasPrefix(message, "Key '") { // of a key that is there already
		return message
	}
	return quotation.ReplaceAllStringFunc(message, func(text string) string {
		if strings.Trim(text, `"'`) == "" || strings.HasPrefix(text, `'\`) || strings.Contains(text, "' or '") || strings.Contains(text, "', but") {
			return text // quotes and single characters
		}
		return "..."
	})
}

// isContent reports whether the path looks like what should stand in the file, such as a key: a message that named it would
// tell it.
func (p Path) isContent() bool {
	name := filepath.Base(string(p))
	_, err := hex.DecodeString(name)
	return strings.ContainsAny(string(p), "\r\n") || strings.Contains(string(p), "PRIVATE KEY") || len(name) >= 64 && err == nil
}
