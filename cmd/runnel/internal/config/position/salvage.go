package position

import (
	"slices"
	"strings"
)

// Without returns the text of a TOML file without the top-level table around a line, and the name of that table; ""
// stands for the keys before the first table. Blank lines replace the table and its sub-tables, so that the other
// tables keep their line numbers. This makes the rest of a file with a syntax error readable. ok is false if there
// was nothing to remove.
func Without(text string, line int) (rest, table string, ok bool) {
	lines := strings.SplitAfter(text, "\n")
	line = min(max(line, 1), len(lines))
	if _, isTop := topHeader(lines[line-1]); isTop && line > 1 && closed(lines[line-1]) {
		line-- // a complete header is the cause only if the table before it is not finished
	}
	from, to := 0, len(lines)
	for i, l := range lines {
		name, isTop := topHeader(l)
		switch {
		case isTop && i < line:
			from, table = i, name
		case isTop && i >= line && to == len(lines):
			to = i
		}
	}
	for i := from; i < to; i++ {
		ok = ok || strings.TrimSpace(lines[i]) != ""
		if strings.HasSuffix(lines[i], "\n") {
			lines[i] = "\n"
		} else {
			lines[i] = "" // the end of the file
		}
	}
	return strings.Join(lines, ""), table, ok
}

// topHeader returns the name in a header of a top-level table: [name] or [[name]]. It tolerates a header that is not closed.
func topHeader(line string) (name string, ok bool) {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "[") {
		return "", false
	}
	line, _, _ = strings.Cut(strings.TrimLeft(line, "["), "#")
	name = strings.Trim(strings.TrimSpace(line), `]" `)
	return name, name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// closed reports whether a header ends as it begins.
func closed(header string) bool {
	header, _, _ = strings.Cut(header, "#")
	header = strings.TrimSpace(header)
	return strings.HasSuffix(header, "]") && strings.HasPrefix(header, "[[") == strings.HasSuffix(header, "]]")
}

// Contains reports whether a problem lies in the top-level table p: none of the other tables begins between the two.
func (p Place) Contains(problem Problem, tables []Place) bool {
	if p.File != problem.File || p.Line() == 0 || problem.Line < p.Line() {
		return false
	}
	return !slices.ContainsFunc(tables, func(other Place) bool {
		return other.File == p.File && other.Line() > p.Line() && other.Line() <= problem.Line
	})
}
