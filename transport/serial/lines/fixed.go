package lines

import (
	"errors"
	"strings"
)

// fixed parses lines with values in columns of fixed width.
type fixed struct {
	columns []string
	widths  []int
}

func (f fixed) parse(line string) (r record, err error) {
	r.fields = map[string]any{}
	rest := []rune(line)
	for i, name := range f.columns {
		width := min(f.widths[i], len(rest))
		value := strings.TrimSpace(string(rest[:width]))
		rest = rest[width:]
		if name != "" && name != "_" && value != "" {
			r.fields[name] = raw(value)
		}
	}
	switch {
	case strings.TrimSpace(string(rest)) != "":
		return r, errors.New("longer than the columns")
	case len(r.fields) == 0:
		return r, errors.New("all columns are empty")
	}
	return r, nil
}
