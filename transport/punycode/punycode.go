// Package punycode converts host names beyond ASCII into the form that DNS, TLS and HTTP use (RFC 3492, RFC 5891, UTS 46).
// golang.org/x/net/idna does so with 140 kB of tables. This package uses those of the standard library and of
// golang.org/x/text/unicode/norm, which the program contains anyway.
package punycode

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

var (
	errLabel = errors.New("a character that a host name cannot contain")
	errLong  = errors.New("a component is longer than 63 characters")
)

const (
	prefix   = "xn--"
	maxLabel = 63      // octets (RFC 1035, 2.3.4)
	maxInput = 1 << 10 // bytes: some of the characters of a valid component may disappear
)

// Host converts the components of a host name that are not ASCII. It returns other names, and addresses, unchanged.
func Host(name string) (string, error) {
	if isASCII(name) {
		return name, nil
	}
	labels := strings.Split(strings.Map(dot, name), ".")
	for i, label := range labels {
		ascii, err := Label(label)
		if err != nil {
			return "", err
		}
		labels[i] = ascii
	}
	return strings.Join(labels, "."), nil
}

// dot maps the characters that separate components to one of them (UTS 46, 4).
func dot(r rune) rune {
	if r == '\u3002' || r == '\uFF0E' || r == '\uFF61' {
		return '.'
	}
	return r
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// Label converts one component of a host name, to lower case.
func Label(label string) (string, error) {
	if !utf8.ValidString(label) {
		return "", errLabel
	}
	if len(label) > maxInput {
		return "", errLong
	}
	mapped := normalize(label)
	for i, r := range mapped {
		if !allowed(r) || i == 0 && unicode.IsMark(r) {
			return "", errLabel
		}
	}
	if utf8.RuneCountInString(mapped) > maxLabel {
		return "", errLong
	}
	if !isASCII(mapped) {
		mapped = prefix + encode([]rune(mapped))
	}
	if len(mapped) > maxLabel {
		return "", errLong
	}
	return mapped, nil
}

// normalize folds letters to one case and replaces compatible characters, such as a ligature by its letters (UTS 46, 4: the
// mapping is NFKC_Casefold, which keeps ß and ς).
func normalize(label string) string {
	var b strings.Builder
	for _, r := range label {
		if r == 'ß' || r == 'ς' {
			b.WriteRune(r)
			continue
		}
		b.WriteString(strings.Map(fold, norm.NFKD.String(string(r))))
	}
	return norm.NFKC.String(b.String())
}

// fold returns one representative for all characters that differ in case only, or -1 for an invisible character.
func fold(r rune) rune {
	switch {
	case r == '\u00AD' || r == '\u034F' || unicode.Is(unicode.Variation_Selector, r):
		return -1
	case r == 'ı':
		return r
	case unicode.Is(unicode.Cherokee, r): // folds to capital letters
		return unicode.ToUpper(r)
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

// allowed reports whether a component may contain a character in lower case.
func allowed(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' || r == '_'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r) || r == '\u00B7' || r == '\u30FB')
}

// Parameters of Punycode (RFC 3492, 5).
const (
	base        = 36
	tMin        = 1
	tMax        = 26
	skew        = 38
	damp        = 700
	initialBias = 72
	initialN    = 0x80
)

// encode is the procedure of RFC 3492, 6.3. A component is short, so that nothing overflows: see Label.
func encode(runes []rune) string {
	var b strings.Builder
	for _, r := range runes {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
		}
	}
	basic := b.Len()
	if basic > 0 {
		b.WriteByte('-')
	}
	n, delta, bias := rune(initialN), 0, initialBias
	for done := basic; done < len(runes); n++ {
		next := unicode.MaxRune
		for _, r := range runes {
			if r >= n {
				next = min(next, r)
			}
		}
		delta += int(next-n) * (done + 1)
		n = next
		for _, r := range runes {
			if r < n {
				delta++
			}
			if r == n {
				writeNumber(&b, delta, bias)
				bias = adapt(delta, done+1, done == basic)
				delta = 0
				done++
			}
		}
		delta++
	}
	return b.String()
}

// writeNumber writes a generalized variable-length integer (RFC 3492, 3.3).
func writeNumber(b *strings.Builder, q, bias int) {
	const digits = "abcdefghijklmnopqrstuvwxyz0123456789"
	for k := base; ; k += base {
		t := min(max(k-bias, tMin), tMax)
		if q < t {
			b.WriteByte(digits[q])
			return
		}
		b.WriteByte(digits[t+(q-t)%(base-t)])
		q = (q - t) / (base - t)
	}
}

// adapt is the procedure of RFC 3492, 6.1.
func adapt(delta, points int, first bool) int {
	if first {
		delta /= damp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for ; delta > (base-tMin)*tMax/2; k += base {
		delta /= base - tMin
	}
	return k + (base-tMin+1)*delta/(delta+skew)
}
