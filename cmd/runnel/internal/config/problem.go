package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
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

// Problems lists the problems of a configuration. Load returns it sorted by file and line.
type Problems []Problem

// Error returns the problems, one per line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// add adds a problem of a key in the table at. An empty key stands for the table itself.
func (p *Problems) add(at Place, key, format string, args ...any) {
	at = at.setter(key)
	line, path := at.spot.line, at.Path
	if key != "" {
		line, path = at.spot.field(key).line, at.path(key)
	}
	*p = append(*p, Problem{File: at.File, Line: line, Key: path, Text: fmt.Sprintf(format, args...)})
}

// Warn adds a warning about a key in the table at.
func (c *Config) Warn(at Place, key, format string, args ...any) {
	c.Warnings.add(at, key, format, args...)
}

// err returns the problems sorted by file and line, or nil if there are none.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return slices.Compact(p) // two lines may have the same faulty profile
}

// Place is the position of a table in a configuration file. The table's struct holds it for messages about its keys.
type Place struct {
	File string
	Path string // of the table: "realm.role"
	spot *spot

	adopted map[string]Place // tables of other files that set keys of this one; see merge.go
}

// setter returns the table that sets a key: p, or a table of another file.
func (p Place) setter(key string) Place {
	if at, ok := p.adopted[key]; ok {
		return at
	}
	return p
}

// adopting returns a copy of p with a key that the table at of another file sets.
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
func (p Place) has(key string) bool { return p.setter(key).spot.fields[key] != nil }

// String returns "file:line".
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.spot.line) }

// of returns the position of the table's key.
func (p Place) of(key string) Place {
	p = p.setter(key)
	return Place{File: p.File, Path: p.path(key), spot: p.spot.field(key)}
}

// under returns the position of the table under key, or, if i is not negative, of item i of the array there.
func (p Place) under(key string, i int) Place {
	p = p.setter(key)
	n := p.spot.field(key)
	if i >= 0 {
		n = n.item(i)
	}
	return Place{File: p.File, Path: p.path(key), spot: n}
}
