package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
)

// parseValue reads an argument of the command line: JSON if it parses as JSON, else a string.
func parseValue(text string) any {
	value, ok := parseJSON([]byte(text))
	if !ok {
		return text
	}
	return value
}

// parseJSON reads one JSON text; integers stay integers.
func parseJSON(text []byte) (value any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	return numbers(value), true
}

// numbers turns the json.Number in a value into int64, uint64 or float64.
func numbers(value any) any {
	switch v := value.(type) {
	case json.Number:
		return number(v)
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = numbers(v[key])
		}
	}
	return value
}

func number(n json.Number) any {
	if i, err := n.Int64(); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return u
	}
	if f, err := n.Float64(); err == nil {
		return f
	}
	return n.String() // no number of this machine's
}

// parseArgs reads the arguments and the --kw of a command line.
func parseArgs(args, keywords []string) (client.Payload, error) {
	var p client.Payload
	for _, arg := range args {
		p.Args = append(p.Args, parseValue(arg))
	}
	for _, kw := range keywords {
		key, value, ok := strings.Cut(kw, "=")
		if !ok || key == "" {
			return p, usageError(fmt.Sprintf("--kw %s: write key=value", kw))
		}
		if p.Kwargs == nil {
			p.Kwargs = map[string]any{}
		}
		p.Kwargs[key] = parseValue(value)
	}
	return p, nil
}

// plainText writes a payload for people: arguments as JSON with spaces between, then key=value sorted by key. Octets are
// written as 0x and hexadecimal digits.
func plainText(args []any, kwargs map[string]any) (string, error) {
	var words []string
	for _, arg := range args {
		word, err := valueText(arg)
		if err != nil {
			return "", err
		}
		words = append(words, word)
	}
	for _, key := range slices.Sorted(maps.Keys(kwargs)) {
		word, err := valueText(kwargs[key])
		if err != nil {
			return "", err
		}
		words = append(words, printable(key)+"="+word)
	}
	return strings.Join(words, " "), nil
}

// printable quotes a name that holds anything but plain characters: it comes from another peer and goes to a terminal.
func printable(name string) string {
	for _, r := range name {
		if r <= ' ' || r == '=' || r == '"' || !unicode.IsGraphic(r) {
			return fmt.Sprintf("%q", name)
		}
	}
	return name
}

func valueText(value any) (string, error) {
	if octets, ok := value.([]byte); ok {
		return "0x" + hex.EncodeToString(octets), nil
	}
	return jsonText(value)
}

// jsonText writes a value as one line of JSON, by WAMP's rules: octets become "\u0000" and base64.
func jsonText(value any) (string, error) {
	text, err := codec.AppendValue(nil, wamp.JSON, value)
	return harmless(string(text)), err
}

// harmless escapes what JSON lets through and a terminal may obey: C1 controls, characters that turn text round.
func harmless(text string) string {
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
