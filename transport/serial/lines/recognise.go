package lines

import (
	"strings"
	"unicode"
)

// IsNumber reports whether text is a number in any notation, with a decimal comma if comma is set.
func IsNumber(text string, comma bool) bool {
	_, err := number(point(text, comma))
	return err == nil
}

// IsCode reports whether text is more likely an identifier than a measured value: digits without a decimal sign, of which there
// are many, as on a barcode.
func IsCode(text string) bool {
	return len(text) >= 8 && strings.Trim(text, "0123456789") == ""
}

// IsName reports whether text can be the name of a value: a letter, then letters, digits and a few other characters.
func IsName(text string) bool {
	for i, r := range text {
		if !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !strings.ContainsRune("_-. /", r)) {
			return false
		}
	}
	return text != "" && len(text) <= 40
}

// Pairs reports whether a line has only values with names, as the format KeyValue reads them, and units. At least half
// of the values must begin like a number: otherwise it is more likely a message for people.
func Pairs(line string) bool {
	pairs, numbers := 0, 0
	k := keyValue{anySeparator, anyAssign, true}
	for piece, ok := k.next(&line); ok; piece, ok = k.next(&line) {
		name, value, found := k.cut(piece)
		if !found && len(strings.TrimSpace(piece)) > maxUnit || found && !IsName(name) {
			return false
		}
		if !found {
			continue
		}
		pairs++
		if digits := strings.TrimLeft(value, "+-. "); digits != "" && '0' <= digits[0] && digits[0] <= '9' {
			numbers++
		}
	}
	return pairs > 0 && 2*numbers >= pairs
}

// maxUnit is the length of the longest unit that may follow a value.
const maxUnit = 5
