package lines

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// csv parses lines of separated values.
type csv struct {
	columns   []string
	separator byte
}

func (c csv) parse(line string) (r record, err error) {
	values, err := c.split(line)
	if err != nil {
		return r, err
	}
	if slices.Equal(values, c.columns) {
		return r, errIgnored // a heading, which many devices print
	}
	if len(values) != len(c.columns) {
		return r, fmt.Errorf("%d values, want %d", len(values), len(c.columns))
	}
	r.fields = make(map[string]any, len(values)+2)
	for i, name := range c.columns {
		if name != "" && name != "_" && values[i] != "" {
			r.fields[name] = raw(values[i])
		}
	}
	return r, nil
}

func (c csv) split(line string) (values []string, err error) {
	if c.separator == ' ' {
		return strings.Fields(line), nil
	}
	for {
		value, rest, more := "", "", false
		if trimmed := strings.TrimLeft(line, c.blanks()); strings.HasPrefix(trimmed, `"`) {
			if value, rest, err = quoted(trimmed[1:]); err != nil {
				return nil, err
			}
			rest = strings.TrimLeft(rest, c.blanks())
			if more = rest != "" && rest[0] == c.separator; rest != "" && !more {
				return nil, errors.New("text after a closing quote")
			}
			rest = strings.TrimPrefix(rest, string(c.separator))
		} else {
			value, rest, more = strings.Cut(line, string(c.separator))
			value = strings.TrimSpace(value)
		}
		values = append(values, value)
		if !more {
			return values, nil
		}
		line = rest
	}
}

// blanks returns the characters that may surround a value.
func (c csv) blanks() string { return strings.ReplaceAll(" \t", string(c.separator), "") }

// quoted reads a value up to its closing quote; a doubled quote stands for one quote (RFC 4180).
func quoted(text string) (value, rest string, err error) {
	var b strings.Builder
	for {
		before, behind, found := strings.Cut(text, `"`)
		if !found {
			return "", "", errors.New("quote not closed")
		}
		b.WriteString(before)
		if !strings.HasPrefix(behind, `"`) {
			return b.String(), behind, nil
		}
		b.WriteByte('"')
		text = behind[1:]
	}
}
