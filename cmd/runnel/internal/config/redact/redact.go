// Package redact describes wrong values of a configuration without repeating a secret.
package redact

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Messages about a configuration are logged, and returned to callers of runnel.reload. They therefore never repeat a
// value that may be secret: the value of a secret key, or an unquoted value that the TOML library quotes in its
// error.

// secretKeys are the keys whose values are never repeated.
var secretKeys = []string{"ticket", "secret", "password", "wampcra", "scram", "salt", "stored_key", "server_key", "key", "authorized_keys", "token", "nkey", "credentials"}

// Value describes a value of the wrong type, without repeating a secret.
func Value(key string, value any) string {
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

// syntaxMessages replace those messages of the TOML library that quote a value.
var syntaxMessages = []struct {
	like *regexp.Regexp
	text string
}{
	{regexp.MustCompile(`^expected (two|four|eight) hexadecimal`), `a backslash begins an escape; write text with a backslash in single quotes`},
	{regexp.MustCompile(`^(expected value|not an? |cannot use sign|expected a digit|floats must|[Ii]nvalid (integer|float|datetime|duration))`),
		"this is not a TOML value; write text in quotes"},
	{regexp.MustCompile(` is out of (range|the safe)`), "the number is out of range; write text in quotes"},
}

var quotation = regexp.MustCompile(`["'].{2,}["']`)

// Syntax returns a message of the TOML library without the values that it quotes.
func Syntax(message string) string {
	for _, m := range syntaxMessages {
		if m.like.MatchString(message) {
			return m.text
		}
	}
	if strings.HasPrefix(message, "Key '") { // a duplicate key, which is no value
		return message
	}
	return quotation.ReplaceAllStringFunc(message, func(text string) string {
		if strings.Trim(text, `"'`) == "" || strings.HasPrefix(text, `'\`) || strings.Contains(text, "' or '") || strings.Contains(text, "', but") {
			return text // quotes and single characters
		}
		return "..."
	})
}
