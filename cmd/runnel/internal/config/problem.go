package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File string
	Line int
	Key  string // dotted; empty for the file as a whole
	Text string // what is wrong; what to do
}

// Error returns "file:line: key: what is wrong; what to do".
func (p Problem) Error() string {
	at := p.File
	if at == "" {
		return p.Text // it comes from another program, whole
	}
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if p.Key != "" {
		at += ": " + p.Key
	}
	return at + ": " + p.Text
}

// Problems is all that is wrong with a configuration, in the order of its files and lines.
type Problems []Problem

// Error returns the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// add notes what is wrong with key of the table at. The key may be empty: the table itself.
func (p *Problems) add(at Place, key, format string, args ...any) {
	at = at.whence(key)
	line, path := at.spot.line, at.Path
	if key != "" {
		line, path = at.spot.field(key).line, at.path(key)
	}
	*p = append(*p, Problem{File: at.File, Line: line, Key: path, Text: fmt.Sprintf(format, args...)})
}

// Warn adds a warning about key of the table at: its value is valid, but not wise.
func (c *Config) Warn(at Place, key, format string, args ...any) {
	c.Warnings.add(at, key, format, args...)
}

// err returns the problems in order, or nil if there are none.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return p
}

// Place says where a table of the configuration stands. The table's struct holds one, for messages about its keys.
type Place struct {
	File string
	Path string // of the table: "realm.role"
	spot *spot

	adopted map[string]Place // the tables of other files that set keys of this one, see merge.go
}

// whence returns the table that sets a key: p, or one of another file.
func (p Place) whence(key string) Place {
	if at, ok := p.adopted[key]; ok {
		return at
	}
	return p
}

// adopting returns p with a key that a table of another file sets.
func (p Place) adopting(key string, at Place) Place {
	p.adopted = maps.Clone(p.adopted)
	if p.adopted == nil {
		p.adopted = map[string]Place{}
	}
	p.adopted[key] = at
	return p
}

func (p Place) path(key string) string {
	if p.Path == "" {
		return key
	}
	return p.Path + "." + key
}

// has reports whether the table sets key.
func (p Place) has(key string) bool { return p.whence(key).spot.fields[key] != nil }

// String returns "file:line".
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.spot.line) }

// of returns the place of the table's key.
func (p Place) of(key string) Place {
	p = p.whence(key)
	return Place{File: p.File, Path: p.path(key), spot: p.spot.field(key)}
}

// under returns the place of the table under key, or of the i-th of the array there.
func (p Place) under(key string, i int) Place {
	p = p.whence(key)
	n := p.spot.field(key)
	if i >= 0 {
		n = n.item(i)
	}
	return Place{File: p.File, Path: p.path(key), spot: n}
}
