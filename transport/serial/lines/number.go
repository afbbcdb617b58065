package lines

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// canonical is a number as programs print it. Anything else may be a name: 007, 0025 of a hexadecimal number, 1E5 of a
// serial number, +49 of a telephone.
var canonical = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// decimal is a number as people and scales write it: "-  450.38", "+5", ".5", "007", "1e5".
var decimal = regexp.MustCompile(`^([+-]?)[ \t]*([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// guess takes text for a number if it is a canonical one that keeps all its digits.
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

// number reads the number of a field that has to be one.
func number(text string) (any, error) {
	text = strings.TrimSpace(text)
	parts := decimal.FindStringSubmatch(text)
	if parts == nil {
		return nil, fmt.Errorf("%.40q is no number", text)
	}
	n, exact := parse(parts[1] + parts[2] + parts[3])
	if !exact {
		return nil, fmt.Errorf("%.40q is out of range", text)
	}
	return n, nil
}

// parse reads a decimal number: an int64 or a uint64 if it is a whole one, else a float64. exact is false if it is a
// whole number with more digits than these have, or out of their range.
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
		f = 0 // a device that rounds prints -0.0
	}
	return f, err == nil
}

// point replaces the decimal comma of a number. A point is then none: what has one is no number.
func point(text string, comma bool) string {
	switch {
	case !comma:
		return text
	case strings.Contains(text, "."):
		return "no number: " + text
	}
	return strings.Replace(text, ",", ".", 1)
}

// hexadecimal reads a whole number in hexadecimal digits.
func hexadecimal(text string) (any, error) {
	digits := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(text), "0x"), "0X")
	u, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		return nil, fmt.Errorf("%.40q is no hexadecimal number of 64 bits", text)
	}
	return whole64(u), nil
}

// whole64 is an int64 if it fits.
func whole64(u uint64) any {
	if u <= math.MaxInt64 {
		return int64(u)
	}
	return u
}

// bits reads a whole number as bits, the lowest first: as many as its octets have.
func bits(text string) (any, error) {
	text = strings.TrimSpace(text)
	u, err := strconv.ParseUint(text, 10, 64)
	if lower := strings.ToLower(text); err != nil && strings.HasPrefix(lower, "0x") {
		u, err = strconv.ParseUint(lower[2:], 16, 64)
	}
	if err != nil {
		return nil, fmt.Errorf("%.40q is no whole number", text)
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
