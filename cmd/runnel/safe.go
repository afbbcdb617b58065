package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// safe escapes what a terminal may obey in a text that comes from another peer: control characters, characters that turn
// text round, octets that are no UTF-8. Escapes are those of Go: \x1b, \u202e. Backslashes stay single.
func safe(text string) string { return safeText(text, "") }

// safeLines is safe for a text of several lines.
func safeLines(text string) string { return safeText(text, "\n\t") }

func safeText(text, allowed string) string {
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

// forPeople reports whether w is standard output and a terminal. What is printed to a file or a pipe is for programs.
func forPeople(w io.Writer) bool {
	if _, ok := w.(output); !ok {
		return false
	}
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
