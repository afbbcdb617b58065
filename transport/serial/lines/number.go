package lines

import (
	"fmt"
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
