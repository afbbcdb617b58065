package lines

import (
	"cmp"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// eachLine adapts the parser of a line to a telegram of several. The event has the values of all lines. A line that does not
// parse, such as a heading, is left out. A telegram without a line that parses is an error. With checked, each line has a
// check of its own, and a line with a wrong check is a flaw.
func eachLine(parse parsing, checked bool) parsing {
	return func(telegram string, now time.Time) (all record, err error) {
		for line := range linesOf(telegram) {
			if line = strings.Trim(line, "\x00"); strings.TrimSpace(line) == "" {
				continue
			}
			if checked {
				if failure := verifyTIC(line); failure != nil {
					err = cmp.Or(err, failure)
					all.noteFlaw(ticLabel(line), failure)
					continue
				}
			}
			r, failure := parse(line, now)
			if failure != nil {
				err = cmp.Or(err, failure)
				continue
			}
			all.merge(r)
		}
		if all.fields == nil {
			return all, cmp.Or(err, errors.New("the telegram is empty"))
		}
		return all, nil
	}
}

// linesOf yields the lines of a telegram that are not empty.
func linesOf(telegram string) iter.Seq[string] {
	return strings.FieldsFuncSeq(telegram, func(r rune) bool { return r == '\r' || r == '\n' })
}

// merge adds the values of another line. The first value of a name is kept.
func (r *record) merge(other record) {
	if r.fields == nil {
		r.fields = make(map[string]any, len(other.fields))
	}
	for name, v := range other.fields {
		if _, twice := r.fields[name]; twice {
			r.noteFlaw(name, errors.New("occurs twice"))
			continue
		}
		r.fields[name] = v
	}
	r.flaws = append(r.flaws, other.flaws...)
}

// dropUnlisted leaves out the values that the configuration does not describe, except the time's source.
func (p *Parser) dropUnlisted(r *record) {
	maps.DeleteFunc(r.fields, func(name string, _ any) bool {
		return name != p.time && !slices.ContainsFunc(p.fields, func(f Field) bool { return cmp.Or(f.As, f.Name) == name })
	})
}

// unitsOf returns the units of an event's values, or nil: those of the configuration, else those that the device sends.
func (p *Parser) unitsOf(r *record) map[string]any {
	if r.units == nil && r.hasAll(p.units) {
		return p.units
	}
	units := make(map[string]any, len(r.units)+len(p.units))
	for name, unit := range r.units {
		if i := slices.IndexFunc(p.fields, func(f Field) bool { return f.Name == name }); i >= 0 {
			name = cmp.Or(p.fields[i].As, name)
		}
		units[name] = unit
	}
	maps.Copy(units, p.units)
	maps.DeleteFunc(units, func(name string, _ any) bool { _, has := r.fields[name]; return !has })
	if len(units) == 0 {
		return nil
	}
	return units
}

// hasAll reports whether the record has a value for each name.
func (r *record) hasAll(names map[string]any) bool {
	for name := range names {
		if _, has := r.fields[name]; !has {
			return false
		}
	}
	return true
}
