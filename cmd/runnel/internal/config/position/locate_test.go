package position

import (
	"strings"
	"testing"
)

// A value has its line in each notation of TOML.
func TestNotations(t *testing.T) {
	const x = "\nx = 1" // in the line that the case names
	for _, c := range []struct {
		text string
		line int
	}{
		{"x = 1", 1},
		{"# [a]\n# y = \"" + x, 3},
		{"y = 1 # \"" + x, 2},
		{"y = 2026-11-30T10:00:00Z" + x, 2},
		{`y = "a \" [["` + x, 2},
		{`y = "\\"` + x, 2},
		{`y = 'a \'` + x, 2},
		{`y = ""` + x, 2},
		{`y = ''` + x, 2},
		{`y = """` + "\n\"\" \\\"\"\" \n" + `"""` + x, 4},
		{`y = """a quote at the end""""` + x, 2},
		{`y = '''two quotes at the end'''''` + x, 2},
		{"y = [ 1, # ]\n 2,\n ]" + x, 4},
		{"y = [\n [ \"]\" ], { a = 1, b = [ '}' ] }\n]" + x, 4},
		{"y = [[1,2],[3]]" + x, 2},
		{"y = {}" + x, 2},
		{"y = []" + x, 2},
		{"y = { a = 1, \"b}\" = 2 }" + x, 2},
		{"a.\"b.c\" . 'd' = 1" + x, 2},
		{"\r\n\r\nx = 1\r\n", 3},
		{"\t x=1", 1},
		{`"x" = 1`, 1},
		{`'x' = 1`, 1},
		{`"\u0078" = 1`, 1}, // an escaped x
	} {
		top, deep := Locate("f", c.text)
		if !top.Has("x") || top.Of("x").Line() != c.line || deep != 0 {
			t.Errorf("%s: x is in line %d, want %d; too deep in line %d", c.text, top.Of("x").Line(), c.line, deep)
		}
	}
}

// A dotted key and a dotted header name tables. In an array of tables they belong to the last table.
func TestTables(t *testing.T) {
	top, _ := Locate("f", `a.b.c = 1
[d."e.f".g]
h = 1
[[i]]
[i.j]
k = 1
[[i]]
[i.j]
[[i.l]]
[[i.l]]
m = 1
[ n . o ]
p = 1
`)
	second := top.Under("i", 1)
	for line, at := range map[int]Place{
		1:  top.Under("a", -1).Under("b", -1).Of("c"),
		3:  top.Under("d", -1).Under("e.f", -1).Under("g", -1).Of("h"),
		6:  top.Under("i", 0).Under("j", -1).Of("k"),
		7:  second,
		8:  second.Under("j", -1),
		10: second.Under("l", 1),
		11: second.Under("l", 1).Of("m"),
		12: top.Under("n", -1),
		13: top.Under("n", -1).Under("o", -1).Of("p"),
	} {
		if at.Line() != line {
			t.Errorf("%s is in line %d, want %d", at.Path, at.Line(), line)
		}
	}
	if second.Under("j", -1).Has("k") || second.Under("l", 0).Has("m") {
		t.Error("a table has the keys of its neighbour")
	}
}

// A key or an item that the file does not have is at the line of its table.
func TestUnset(t *testing.T) {
	top, _ := Locate("f", "\n[a]\nb = [\n1,\n2 ]\n")
	a := top.Under("a", -1)
	for what, c := range map[string]struct {
		at   Place
		line int
	}{
		"a key": {a.Of("x"), 2}, "the last item": {a.Under("b", 1), 5}, "an item": {a.Under("b", 2), 3}, "a table of the file": {top.Of("x"), 1},
	} {
		if c.at.Line() != c.line {
			t.Errorf("%s: line %d, want %d", what, c.at.Line(), c.line)
		}
	}
	if (Place{}).Line() != 0 || Missing("f", "a").Line() != 0 || !(Place{}).IsZero() || a.IsZero() || Missing("f", "a").IsZero() {
		t.Error("a missing table has a line")
	}
	if at := Missing("f", "a").Of("b"); at.String() != "f:0" || at.Path != "a.b" {
		t.Errorf("%v: %s", at, at.Path)
	}
}

// Nesting is allowed up to MaxDepth.
func TestDepth(t *testing.T) {
	nested := func(depth int) string {
		return "\nx = " + strings.Repeat("[\n", depth-1) + "1" + strings.Repeat("]", depth-1) + "\ny = [[1], [2]]\n"
	}
	if _, deep := Locate("f", nested(MaxDepth)); deep != 0 {
		t.Errorf("depth %d is too much in line %d", MaxDepth, deep)
	}
	if _, deep := Locate("f", nested(MaxDepth+1)); deep != MaxDepth+2 {
		t.Errorf("depth %d is too much in line %d, want %d", MaxDepth+1, deep, MaxDepth+2)
	}
	many := strings.Repeat("x = [[{ a = 1 }]]\n", 2*MaxDepth)
	if _, deep := Locate("f", many); deep != 0 {
		t.Errorf("values side by side are too deep in line %d", deep)
	}
}

// Malformed text comes to an end.
func TestMalformed(t *testing.T) {
	for _, text := range []string{"]", "}", "=", ".", "a", "a =", "a.", "[", "[[", "[]", "[[]]", "a = [}", "a = [}]", "a = {]", "a = {]}", "a = [", "a = {", `a = "`, `a = """`, `a = "\`, "'", `"`, "a = ]", "a = }]"} {
		top, _ := Locate("f", text+"\n")
		if top.Line() != 1 {
			t.Errorf("%s: the top is in line %d", text, top.Line())
		}
	}
}
