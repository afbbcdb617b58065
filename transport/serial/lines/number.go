package lines

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// canonical matches a number as programs print it. Other digits may be an identifier: 007, 1E5 in a serial number, +49 in
// a telephone number, 0025 in hexadecimal.
var canonical = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// decimal matches a number as people and scales write it: "-  450.38", "+5", ".5", "007", "1e5".
var decimal = regexp.MustCompile(`^([+-]?)[ \t]*([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// guess returns a number if text is canonical and the number keeps all its digits, otherwise text.
func guess(text string) any {
	if !canonical.MatchString(text) {
		return text
	}
	n, exact := parse(text)
	if !exact {
		return text
	}
	return n
}

// number reads the value of a field that must be a number.
func number(text string) (any, error) {
	text = strings.TrimSpace(text)
	parts := decimal.FindStringSubmatch(text)
	if parts == nil {
		return nil, fmt.Errorf("%.40q is not a number", text)
	}
	n, exact := parse(parts[1] + parts[2] + parts[3])
	if !exact {
		return nil, fmt.Errorf("%.40q is out of range", text)
	}
	return n, nil
}

// parse reads a decimal number: an integer as int64 or uint64, any other as float64. exact is false if the number is out
// of range, or an integer that does not fit into 64 bits.
func parse(text string) (n any, exact bool) {
	if !strings.ContainsAny(text, ".eE") {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i, true
		}
		u, err := strconv.ParseUint(strings.TrimPrefix(text, "+"), 10, 64)
		return u, err == nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if f == 0 {
		f = 0 // no -0.0, which devices print after rounding
	}
	return f, err == nil
}

// point replaces the decimal comma by a point. Text that already has a point becomes invalid, as the point is not the
// decimal sign.
func point(text string, comma bool) string {
	switch {
	case !comma:
		return text
	case strings.Contains(text, "."):
		return "not a number: " + text
	}
	return strings.Replace(text, ",", ".", 1)
}

// hexadecimal reads an integer in hexadecimal digits.
func hexadecimal(text string) (any, error) {
	digits := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(text), "0x"), "0X")
	u, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return nil, fmt.Errorf("%.40q is not a hexadecimal number of at most 64 bits", text)
	}
	return whole64(u), nil
}

// whole64 returns u as int64 if it fits.
func whole64(u uint64) any {
	if u <= math.MaxInt64 {
		return int64(u)
	}
	return u
}

// bitList reads an integer as a list of bits, lowest first, padded to whole bytes.
func bitList(text string) (any, error) {
	text = strings.TrimSpace(text)
	u, err := strconv.ParseUint(text, 10, 64)
	if lower := strings.ToLower(text); err != nil && strings.HasPrefix(lower, "0x") {
		u, err = strconv.ParseUint(lower[2:], 16, 64)
	}
	if err != nil {
		return nil, fmt.Errorf("%.40q is not an integer", text)
	}
	list := []any{}
	for len(list) == 0 || u != 0 {
		for range 8 {
			list = append(list, u&1 != 0)
			u >>= 1
		}
	}
	return list, nil
}
