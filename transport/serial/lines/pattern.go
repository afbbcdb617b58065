package lines

import (
	"errors"
	"math"
	"regexp"
	"regexp/syntax"
)

// pattern parses lines with a regular expression. Go's regular expressions take time linear in the line's length.
type pattern struct{ re *regexp.Regexp }

// patterns are tried in order.
type patterns []pattern

func (all patterns) parse(line string) (r record, err error) {
	for _, p := range all {
		if r, err = p.parse(line); err == nil {
			return r, nil
		}
	}
	return r, err
}

func (p pattern) parse(line string) (r record, err error) {
	at := p.re.FindStringSubmatchIndex(line)
	if at == nil {
		return r, errors.New("does not match the pattern")
	}
	r.fields = map[string]any{}
	for i, name := range p.re.SubexpNames() {
		if name != "" && at[2*i] >= 0 {
			r.fields[name] = raw(line[at[2*i]:at[2*i+1]])
		}
	}
	return r, nil
}

// printable is the number of characters that a device may send where a pattern allows any character.
const printable = 95

// patternBits returns how many bits of a line an expression determines at least: a certain character counts 6.6 bits, a digit
// 3.2, and any character none.
func patternBits(text string) int {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0
	}
	return int(certainty(re))
}

func certainty(re *syntax.Regexp) (bits float64) {
	switch re.Op {
	case syntax.OpLiteral:
		return float64(len(re.Rune)) * math.Log2(printable)
	case syntax.OpCharClass:
		size := 0
		for i := 0; i+1 < len(re.Rune); i += 2 {
			size += int(re.Rune[i+1]-re.Rune[i]) + 1
		}
		return max(0, math.Log2(printable/float64(max(1, size))))
	case syntax.OpCapture, syntax.OpPlus:
		return certainty(re.Sub[0])
	case syntax.OpRepeat:
		return float64(re.Min) * certainty(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			bits += certainty(sub)
		}
		return bits
	case syntax.OpAlternate:
		bits = math.Inf(1)
		for _, sub := range re.Sub {
			bits = min(bits, certainty(sub))
		}
		return max(0, bits-math.Log2(float64(len(re.Sub))))
	}
	return 0
}
