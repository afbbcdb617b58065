package position

import (
	"fmt"
	"maps"
	"strings"
)

// Place is the position of a table in a configuration file. The table's struct holds it for messages about its keys.
type Place struct {
	File string
	Path string // of the table: "realm.role"
	spot *spot

	adopted map[string]Place // tables of other files that set keys of this one
}

// Setter returns the table that sets a key: p, or a table of another file.
func (p Place) Setter(key string) Place {
	if at, ok := p.adopted[key]; ok {
		return at
	}
	return p
}

// Adopting returns a copy of p with a key that the table at of another file sets.
func (p Place) Adopting(key string, at Place) Place {
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

// Has reports whether the table sets key.
func (p Place) Has(key string) bool { return p.Setter(key).spot.fields[key] != nil }

// Line returns the first line of the table, or 0 if the file does not have it.
func (p Place) Line() int {
	if p.spot == nil {
		return 0
	}
	return p.spot.line
}

// String returns "file:line".
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.spot.line) }

// Of returns the position of the table's key.
func (p Place) Of(key string) Place {
	p = p.Setter(key)
	return Place{File: p.File, Path: p.path(key), spot: p.spot.field(key)}
}

// Under returns the position of the table under key, or, if i is not negative, of item i of the array there.
func (p Place) Under(key string, i int) Place {
	p = p.Setter(key)
	n := p.spot.field(key)
	if i >= 0 {
		n = n.item(i)
	}
	return Place{File: p.File, Path: p.path(key), spot: n}
}

// IsZero reports whether p is the position of no table: the file does not have it.
func (p Place) IsZero() bool { return p.spot == nil }

// Missing returns the position of a table that the file does not have.
func Missing(file, path string) Place { return Place{File: file, Path: path, spot: &spot{}} }

// Covers reports whether a problem lies in the table, between its first line and the line of key.
func (p Place) Covers(problem Problem, key string) bool {
	return problem.File == p.File && strings.HasPrefix(problem.Key, p.Path) && problem.Line >= p.spot.line && problem.Line <= p.spot.field(key).line
}
