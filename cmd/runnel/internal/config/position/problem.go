package position

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Problem is an error or a warning about a configuration.
type Problem struct {
	File string
	Line int
	Key  string // dotted; empty for the file as a whole
	Text string // "cause; remedy"
}

// Error returns "file:line: key: cause; remedy".
func (p Problem) Error() string {
	at := p.File
	if at == "" {
		return p.Text // a complete message of another program
	}
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if p.Key != "" {
		at += ": " + p.Key
	}
	return at + ": " + p.Text
}

// Problems lists the problems of a configuration. Err sorts it by file and line.
type Problems []Problem

// Error returns the problems, one per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// Add adds a problem of a key in the table at. An empty key stands for the table itself.
func (p *Problems) Add(at Place, key, format string, args ...any) {
	at = at.Setter(key)
	line, path := at.spot.line, at.Path
	if key != "" {
		line, path = at.spot.field(key).line, at.path(key)
	}
	*p = append(*p, Problem{File: at.File, Line: line, Key: path, Text: fmt.Sprintf(format, args...)})
}

// Err returns the problems sorted by file and line, or nil if there are none.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	sort.SliceStable(p, func(i, j int) bool {
		return cmp.Or(cmp.Compare(p[i].File, p[j].File), cmp.Compare(p[i].Line, p[j].Line)) < 0
	})
	return slices.Compact(p) // two lines may have the same faulty profile
}
