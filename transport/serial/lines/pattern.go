package lines

import (
	"errors"
	"regexp"
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
