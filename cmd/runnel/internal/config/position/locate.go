// Package position finds the line of every value of a TOML file. It describes problems of a configuration by file, line and key.
package position

import (
	"cmp"
	"strconv"
	"strings"
)

// spot is the position of a value in a TOML file. It mirrors the value: a table has fields, an array has items. The TOML
// library keeps no line for the second and later tables of an array, and messages need one. So Locate scans the file as
// well.
type spot struct {
	line   int
	fields map[string]*spot
	items  []*spot
}

// field returns the position of a table's key, or the table's own if the key is not set.
func (n *spot) field(key string) *spot {
	if f := n.fields[key]; f != nil {
		return f
	}
	return &spot{line: n.line}
}

// item returns the position of an array's element, or the array's own if there is no such element.
func (n *spot) item(i int) *spot {
	if i < len(n.items) {
		return n.items[i]
	}
	return &spot{line: n.line}
}

// child returns the table under key, which it creates if it is missing. In an array of tables it is the last one, as in TOML.
func (n *spot) child(key string, line int) *spot {
	if n.fields == nil {
		n.fields = map[string]*spot{}
	}
	f := n.fields[key]
	if f == nil {
		f = &spot{line: line}
		n.fields[key] = f
	}
	if len(f.items) > 0 {
		return f.items[len(f.items)-1]
	}
	return f
}

// MaxDepth bounds the nesting of arrays and inline tables. The TOML library's time grows with the square of the depth.
const MaxDepth = 32

// Locate returns the position of the top table of a TOML file, which holds the lines of all keys. For malformed text the
// positions are meaningless, but Locate still terminates. deep is the line where the nesting exceeds MaxDepth, or 0.
func Locate(file, text string) (top Place, deep int) {
	root, deep := locate(text)
	return Place{File: file, spot: root}, deep
}

func locate(text string) (root *spot, deep int) {
	l := locator{text: text, line: 1}
	root = &spot{line: 1}
	table := root
	for l.skip(" \t\r\n,"); l.pos < len(l.text); l.skip(" \t\r\n,") {
		if l.peek() == '[' {
			table = l.header(root)
		} else {
			l.pair(table)
		}
	}
	return root, l.deep
}

type locator struct {
	text  string
	pos   int
	line  int
	depth int
	deep  int // the line where depth exceeded MaxDepth
}

func (l *locator) peek() byte {
	if l.pos < len(l.text) {
		return l.text[l.pos]
	}
	return 0
}

// next steps over n bytes and counts the lines.
func (l *locator) next(n int) {
	end := min(l.pos+n, len(l.text))
	l.line += strings.Count(l.text[l.pos:end], "\n")
	l.pos = end
}

// skip steps over the bytes in set. If set holds the newline, it steps over comments as well.
func (l *locator) skip(set string) {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case strings.IndexByte(set, c) >= 0:
			l.next(1)
		case c == '#' && strings.Contains(set, "\n"):
			l.until("\n")
		default:
			return
		}
	}
}

// until steps to the next byte of set, or to the end of the text.
func (l *locator) until(set string) {
	n := strings.IndexAny(l.text[l.pos:], set)
	if n < 0 {
		n = len(l.text) - l.pos
	}
	l.next(n)
}

// header reads "[a.b]" or "[[a.b]]" and returns the table it opens.
func (l *locator) header(root *spot) *spot {
	line := l.line
	array := strings.HasPrefix(l.text[l.pos:], "[[")
	l.skip("[")
	keys := l.keys()
	l.skip(" \t]")
	table := root
	for _, key := range keys[:len(keys)-1] {
		table = table.child(key, line)
	}
	last := keys[len(keys)-1]
	if !array {
		return table.child(last, line)
	}
	table.child(last, line)
	list, item := table.fields[last], &spot{line: line}
	list.items = append(list.items, item)
	return item
}

// pair reads "a.b = value" into table.
func (l *locator) pair(table *spot) {
	line, start := l.line, l.pos
	keys := l.keys()
	for _, key := range keys[:len(keys)-1] {
		table = table.child(key, line)
	}
	l.skip(" \t=")
	value := l.value(line)
	if table.fields == nil {
		table.fields = map[string]*spot{}
	}
	table.fields[keys[len(keys)-1]] = value
	if l.pos == start {
		l.next(1) // malformed text: always advance
	}
}

// keys reads a dotted key. It returns at least one component.
func (l *locator) keys() []string {
	var keys []string
	for {
		l.skip(" \t")
		keys = append(keys, l.key())
		l.skip(" \t")
		if l.peek() != '.' {
			return keys
		}
		l.next(1)
	}
}

func (l *locator) key() string {
	start := l.pos
	switch c := l.peek(); c {
	case '"', '\'':
		l.quoted()
		raw := l.text[start:l.pos]
		if key, err := strconv.Unquote(raw); err == nil && c == '"' {
			return key
		}
		return strings.Trim(raw, `"'`)
	}
	l.until(" \t\r\n.=]},")
	return l.text[start:l.pos]
}

func (l *locator) value(line int) *spot {
	n := &spot{line: line}
	l.depth++
	defer func() { l.depth-- }()
	if l.depth > MaxDepth {
		l.deep = cmp.Or(l.deep, l.line)
		l.next(len(l.text))
	}
	switch l.peek() {
	case '"', '\'':
		l.quoted()
	case '[':
		l.array(n)
	case '{':
		l.inline(n)
	default:
		l.until(",]}#\n")
	}
	return n
}

func (l *locator) array(n *spot) {
	l.next(1)
	for l.skip(" \t\r\n,"); l.pos < len(l.text) && l.peek() != ']'; l.skip(" \t\r\n,") {
		start := l.pos
		n.items = append(n.items, l.value(l.line))
		if l.pos == start {
			l.next(1)
		}
	}
	l.next(1)
}

func (l *locator) inline(n *spot) {
	l.next(1)
	for l.skip(" \t\r\n,"); l.pos < len(l.text) && l.peek() != '}'; l.skip(" \t\r\n,") {
		l.pair(n)
	}
	l.next(1)
}

// quoted steps over a string in any of TOML's four notations.
func (l *locator) quoted() {
	quote := l.text[l.pos : l.pos+1]
	escapes := quote == `"`
	if strings.HasPrefix(l.text[l.pos:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	for l.next(len(quote)); l.pos < len(l.text); l.next(1) {
		if escapes && l.peek() == '\\' {
			l.next(1)
			continue
		}
		if strings.HasPrefix(l.text[l.pos:], quote) {
			l.next(len(quote))
			l.skip(quote[:1]) // """a quote at the end""""
			return
		}
	}
}
