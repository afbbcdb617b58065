package term

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Safe escapes everything in another peer's text that may control a terminal: control characters, characters that
// change the direction of text, and bytes that are not UTF-8. Escapes are those of Go: \x1b, \u202e. Backslashes stay
// single.
func Safe(text string) string { return escape(text, "") }

// SafeLines is Safe for a text of several lines.
func SafeLines(text string) string { return escape(text, "\n\t") }

func escape(text, allowed string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.IsGraphic(r) || strings.ContainsRune(allowed, r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// Printable quotes a name of another peer if it contains other than plain characters.
func Printable(name string) string {
	for _, r := range name {
		if r <= ' ' || r == '=' || r == '"' || !unicode.IsGraphic(r) {
			return fmt.Sprintf("%q", name)
		}
	}
	return name
}

// Harmless escapes, in JSON's notation, the characters that JSON does not escape but that may control a terminal: C1
// controls and characters that change the direction of text.
func Harmless(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
