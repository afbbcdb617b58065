// Package subject translates between WAMP URIs and NATS subjects. A subject equals its URI, except for the few
// characters that have a special meaning in a subject: these are percent-encoded.
//
//	com.example.weather     com.example.weather
//	com.example.50%         com.example.50%
//	com.example.*           com.example.%2A
//	$JS.API.STREAM.NAMES    %24JS.API.STREAM.NAMES
//
// Subjects that begin with "$" or "_" belong to the NATS servers and to their clients. No URI is translated to such a
// subject, so no session of a realm can reach JetStream's or the system's own subjects through a link.
package subject

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"runnel/edge/wamp"
)

var errURI = errors.New("it is not a valid URI")

// Of returns the subject of a URI.
func Of(uri string) (string, error) {
	if !wamp.ValidURI(uri, wamp.Exact, false) {
		return "", fmt.Errorf("%.80q: %w", uri, errURI)
	}
	return encode(uri), nil
}

// Pattern returns the subject, with wildcards, that covers all URIs of a pattern. A prefix must end with a dot.
func Pattern(uri string, match wamp.Match) (string, error) {
	switch {
	case !wamp.ValidURI(uri, match, false):
		return "", fmt.Errorf("%.80q: %w", uri, errURI)
	case match == wamp.Prefix && uri == "":
		return ">", nil
	case match == wamp.Prefix && !strings.HasSuffix(uri, "."):
		return "", fmt.Errorf("the prefix %q does not end at a dot, and NATS matches whole components; write %q", uri, uri+".")
	case match == wamp.Prefix:
		return encode(uri) + ">", nil
	case match == wamp.Exact:
		return encode(uri), nil
	}
	parts := strings.Split(encode(uri), ".")
	for i, part := range parts {
		if part == "" {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "."), nil
}

// URI returns the URI of a subject. ok is false for subjects of the servers and their clients, and for subjects with
// characters that a URI cannot contain.
func URI(subject string) (uri string, ok bool) {
	if subject == "" || own(subject[0]) || !utf8.ValidString(subject) {
		return "", false
	}
	uri = subject
	if strings.IndexByte(uri, '%') >= 0 {
		b := make([]byte, 0, len(subject))
		for i := 0; i < len(subject); i++ {
			c := subject[i]
			if c == '%' && escape(subject[i+1:], i == 0) {
				c = unhex(subject[i+1])<<4 | unhex(subject[i+2])
				i += 2
			}
			b = append(b, c)
		}
		uri = string(b)
	}
	return uri, wamp.ValidURI(uri, wamp.Exact, false)
}

// encode encodes the characters of a URI that a subject cannot contain. It keeps a "%" unless URI would read it as an
// escape.
func encode(uri string) string {
	extra := 0
	for i := range len(uri) {
		if special(uri, i) {
			extra += 2
		}
	}
	if extra == 0 {
		return uri
	}
	b := make([]byte, 0, len(uri)+extra)
	for i := range len(uri) {
		if !special(uri, i) {
			b = append(b, uri[i])
			continue
		}
		b = append(b, '%', hexDigits[uri[i]>>4], hexDigits[uri[i]&15])
	}
	return string(b)
}

func special(uri string, i int) bool {
	switch uri[i] {
	case '*', '>':
		return true
	case '%':
		return escape(uri[i+1:], i == 0)
	}
	return i == 0 && own(uri[0])
}

// own reports whether a subject with this first character belongs to the servers or their clients: $SYS, $JS, _INBOX.
func own(c byte) bool { return c == '$' || c == '_' }

// escape reports whether a "%" followed by this text is an escape.
func escape(text string, first bool) bool {
	if len(text) < 2 {
		return false
	}
	switch text[:2] {
	case "25", "2A", "3E":
		return true
	case "24", "5F":
		return first
	}
	return false
}

const hexDigits = "0123456789ABCDEF"

func unhex(c byte) byte { return byte(strings.IndexByte(hexDigits, c)) }

// Key returns the key of a URI in a key-value bucket. Keys hold letters, digits and "-/_=." only. Any other byte is written as "="
// and two digits.
func Key(uri string) string {
	var b []byte
	for i := range len(uri) {
		if c := uri[i]; plainKey(c) {
			b = append(b, c)
		} else {
			b = append(b, '=', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(b)
}

func plainKey(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' || c == '/'
}

// OfKey is the inverse of Key. ok is false for a key that Key does not return.
func OfKey(key string) (uri string, ok bool) {
	b := make([]byte, 0, len(key))
	for i := 0; i < len(key); i++ {
		c := key[i]
		if c == '=' {
			if i+2 >= len(key) {
				return "", false
			}
			high, low := unhex(key[i+1]), unhex(key[i+2])
			if high > 15 || low > 15 {
				return "", false
			}
			c = high<<4 | low
			i += 2
		}
		b = append(b, c)
	}
	uri = string(b)
	return uri, Key(uri) == key && utf8.ValidString(uri) && wamp.ValidURI(uri, wamp.Exact, false)
}
