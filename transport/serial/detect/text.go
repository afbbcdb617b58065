package detect

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"runnel/transport/serial/lines"
)

// Table describes lines of CSV.
type Table struct {
	Separator string   // "," and so on; " " for any white space
	Columns   []string // names, from the heading if there is one
	Comma     bool     // numbers have a decimal comma
}

// separators are tried in this order: a comma may be a decimal comma, and a blank may accompany another separator.
var separators = []string{";", "\t", "|", ",", " "}

// text looks for lines. The first and the last may be incomplete.
func text(octets []byte) (g Guess) {
	all := lines.Complete(octets)
	if len(all) == 0 || !legible(bytes.ReplaceAll(octets, []byte{0}, nil)) {
		return g
	}
	first := string(all[0])
	if len(all) > 1 {
		all = all[1:]
	}
	g.Kind, g.Pieces, g.Sample = Text, len(all), lines.Excerpt(all[len(all)-1])
	g.Sure = len(all) >= enough
	sentences, values, pairs := 0, 0, 0
	for _, line := range all {
		switch text := strings.TrimSpace(string(line)); {
		case lines.Sentence(string(line)):
			sentences++
		case text != "" && (text[0] == '{' || text[0] == '[') && lines.Valid(line):
			values++
		case lines.Pairs(text):
			pairs++
		}
	}
	switch table, ok := tabular(first, all); {
	case sentences > 0:
		g.Kind, g.Sure = NMEA, true
	case 2*values >= len(all):
		g.Kind = JSON
	case 10*pairs >= 9*len(all):
		g.Kind = KeyValue
	case ok:
		g.Kind, g.Table = CSV, table
	}
	return g
}

// tabular looks for values between separators: the same number in each of two or more lines, or a single number a line.
func tabular(first string, all [][]byte) (t Table, ok bool) {
	for _, separator := range separators {
		rows := make([][]string, len(all))
		for i, line := range all {
			rows[i] = split(string(line), separator)
		}
		if len(rows) < 2 || len(rows[0]) < 2 || slices.ContainsFunc(rows, func(row []string) bool { return len(row) != len(rows[0]) }) {
			continue
		}
		t = Table{Separator: separator, Columns: heading(append([][]string{split(first, separator)}, rows...))}
		t.Comma = separator != "," && decimalComma(rows)
		if numbers(rows, t.Comma) > 0 && (separator != " " || numbers(rows, t.Comma) == len(rows)*len(rows[0])) {
			return t, true
		}
	}
	return single(all)
}

// single looks for lines with one number each.
func single(all [][]byte) (t Table, ok bool) {
	rows := make([][]string, len(all))
	for i, line := range all {
		rows[i] = []string{strings.TrimSpace(string(line))}
		if lines.IsCode(rows[i][0]) {
			return t, false
		}
	}
	t = Table{Separator: ";", Columns: []string{"value"}, Comma: decimalComma(rows)}
	if t.Comma && len(rows) < 2 { // it may be two values
		return t, false
	}
	return t, numbers(rows, t.Comma) == len(rows)
}

// split cuts a line into values.
func split(line, separator string) []string {
	if separator == " " {
		return strings.Fields(line)
	}
	values := strings.Split(strings.Trim(line, " "), separator)
	for i, v := range values {
		values[i] = strings.TrimSpace(v)
	}
	return values
}

// heading returns the names of the columns: those of a row of names, if there is one and no name occurs twice.
func heading(rows [][]string) []string {
	width := len(rows[len(rows)-1])
	for _, row := range rows {
		distinct := slices.Compact(slices.Sorted(slices.Values(row)))
		if len(row) == width && len(distinct) == width && !slices.ContainsFunc(row, func(v string) bool { return !lines.IsName(v) }) && numbers(rows, true)+numbers(rows, false) > 0 {
			return row
		}
	}
	names := make([]string, width)
	for i := range names {
		names[i] = fmt.Sprint("value", i+1)
	}
	return names
}

// decimalComma reports whether there are numbers with a decimal comma, and none with a point.
func decimalComma(rows [][]string) bool {
	comma := false
	for _, row := range rows {
		for _, v := range row {
			switch {
			case strings.Contains(v, ",") && lines.IsNumber(v, true):
				comma = true
			case strings.Contains(v, ".") && lines.IsNumber(v, false):
				return false
			}
		}
	}
	return comma
}

// numbers counts the values that are numbers.
func numbers(rows [][]string, comma bool) (n int) {
	for _, row := range rows {
		for _, v := range row {
			if lines.IsNumber(v, comma) {
				n++
			}
		}
	}
	return n
}

// legible reports whether at most one in 32 characters is unprintable, as lines have occasional errors.
func legible(octets []byte) bool {
	bad, total := 0, 0
	for len(octets) > 0 {
		r, n := utf8.DecodeRune(octets)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) && !unicode.IsSpace(r) && r != '\x1b' {
			bad++
		}
		total++
		octets = octets[n:]
	}
	return total >= 4 && 32*bad <= total
}
