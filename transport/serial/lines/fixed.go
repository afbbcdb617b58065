package lines

import (
	"errors"
	"strings"
)

// fixed is lines whose values stand in columns of a given width.
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
		return r, errors.New("longer than its columns")
	case len(r.fields) == 0:
		return r, errors.New("no column has a value")
	}
	return r, nil
}
