package lines

import (
	"errors"
	"strings"
)

// keyValue parses lines of names and values: "T:21.5,H=40", "temp=21.5 hum=40", "T = 21.5; H = 40".
type keyValue struct {
	separators string // between pairs
	assigns    string // between a name and its value
	blanks     bool   // blanks separate pairs as well
}

// Default separators of keyValue. Blanks separate pairs as well, except around an assignment.
const (
	anySeparator = ",;|&\t"
	anyAssign    = "=:"
)

func (k keyValue) parse(line string) (r record, err error) {
	r.fields = map[string]any{}
	for piece, ok := k.next(&line); ok; piece, ok = k.next(&line) {
		name, value, found := k.cut(piece)
		if !found {
			continue // a heading or a unit
		}
		if _, twice := r.fields[name]; twice {
			r.noteFlaw(name, errors.New("occurs twice"))
			continue
		}
		if value != "" {
			r.fields[name] = raw(value)
		}
	}
	if len(r.fields) == 0 && len(r.flaws) == 0 {
		return r, errors.New("no name with a value found")
	}
	return r, nil
}

// next cuts the next piece off the line. A quoted value may hold separators.
func (k keyValue) next(line *string) (piece string, ok bool) {
	if *line == "" {
		return "", false
	}
	quote := false
	for i := range len(*line) {
		switch c := (*line)[i]; {
		case c == '"':
			quote = !quote
		case quote:
		case c != ' ' && strings.IndexByte(k.separators, c) >= 0, c == ' ' && k.blank(*line, i):
			piece, *line = (*line)[:i], (*line)[i+1:]
			return piece, true
		}
	}
	piece, *line = *line, ""
	return piece, true
}

// blank reports whether the blank at i separates pairs. Blanks beside an assignment do not, nor do those next to them.
func (k keyValue) blank(line string, i int) bool {
	if !k.blanks {
		return false
	}
	before := strings.TrimRight(line[:i], " ")
	behind := strings.TrimLeft(line[i:], " ")
	return before != "" && behind != "" && strings.IndexByte(k.assigns, before[len(before)-1]) < 0 && strings.IndexByte(k.assigns, behind[0]) < 0
}

func (k keyValue) cut(piece string) (name, value string, found bool) {
	at := strings.IndexAny(piece, k.assigns)
	if at < 0 {
		return "", "", false
	}
	name, value = strings.TrimSpace(piece[:at]), strings.TrimSpace(piece[at+1:])
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	return name, value, name != ""
}
