package decode

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"runnel/cmd/runnel/internal/config/position"
	"runnel/cmd/runnel/internal/config/values"
)

// part has a field of each type.
type part struct {
	Place  Place
	Kept   bool              `toml:"kept"`
	Text   string            `toml:"text"`
	Flag   bool              `toml:"flag"`
	Number float64           `toml:"number"`
	Count  int               `toml:"count"`
	Size   values.Size       `toml:"size"`
	Wait   values.Duration   `toml:"wait"`
	Mode   values.Mode       `toml:"mode"`
	Secret values.Secret     `toml:"secret"`
	File   values.Path       `toml:"file"`
	Maybe  *int              `toml:"maybe"`
	Names  []string          `toml:"names"`
	Counts []int             `toml:"counts"`
	Map    map[string]string `toml:"map"`
	Below  struct {
		Text string `toml:"text"`
	} `toml:"below"`
	Items []item `toml:"item"`
	Owned []own  `toml:"own"`
	Free  string // not in the file
}

type item struct {
	Place Place
	Text  string `toml:"text"`
}

// own reads its table itself.
type own struct{ keys int }

func (o *own) Decode(_ Reader, _ Place, table map[string]any) { o.keys = len(table) }

// read decodes a text, and returns the problems as "line: key: text".
func read(t *testing.T, text string) (p part, problems string) {
	t.Helper()
	var list Problems
	table, at, _, ok := Parse("f", text, &list)
	if ok {
		(Reader{Problems: &list, Dir: "/etc/runnel"}).Struct(at, table, &p)
	}
	list.Err() // sorts
	var lines []string
	for _, problem := range list {
		lines = append(lines, fmt.Sprintf("%d: %s: %s", problem.Line, problem.Key, problem.Text))
	}
	return p, strings.Join(lines, "\n")
}

func TestStruct(t *testing.T) {
	p, problems := read(t, `text = "a"
flag = true
number = 3
count = 7
size = "4kB"
wait = "2s"
mode = "0640"
secret = "s"
file = "gw.key"
maybe = 0
names = ["a", "b"]
counts = [1, 2]
map = { x = "1", y = "2" }
below.text = "c"
item = [ { text = "d" }, { text = "e" } ]
[[own]]
x = 1
y = 2
`)
	secret, err := p.Secret.Value()
	got := fmt.Sprint(p.Text, p.Flag, p.Number, p.Count, p.Size, time.Duration(p.Wait), p.Mode, secret, err, p.File, *p.Maybe, p.Names, p.Counts, p.Map, p.Below.Text, len(p.Items), p.Items[1].Text, p.Items[1].Place.Line(), p.Owned)
	if want := fmt.Sprint("a", true, 3.0, 7, values.Size(4000), 2*time.Second, values.Mode(0o640), "s", nil, filepath.Join("/etc/runnel", "gw.key"), 0, []string{"a", "b"}, []int{1, 2}, map[string]string{"x": "1", "y": "2"}, "c", 2, "e", 15, []own{{2}}); got != want || problems != "" {
		t.Errorf("%s, want %s\n%s", got, want, problems)
	}
	if p, problems := read(t, "names = \"a\"\ncounts = 1\nsize = 4096\nnumber = 1.5\n"); fmt.Sprint(p.Names, p.Counts, p.Size, p.Number) != "[a] [1] 4096 1.5" || problems != "" || p.Maybe != nil {
		t.Errorf("%+v, %s", p, problems)
	}
	if p, _ := read(t, "\ntext = \"a\"\n"); p.Place.Of("text").Line() != 2 {
		t.Errorf("text is in line %d", p.Place.Of("text").Line())
	}
}

// Each value of a wrong type or out of its range is a problem at its line. The other values are set.
func TestWrongValues(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"text = 1", `2: text: 1 is an integer; write a string`},
		{"flag = \"yes\"", `2: flag: "yes" is a string; write true or false`},
		{"number = \"1\"", `2: number: "1" is a string; write a number`},
		{"count = 1.5", `2: count: 1.5 is a float; write an integer`},
		{"count = -1", `2: count: -1 is out of range; write 0 or more`},
		{"size = \"big\"", `2: size: "big" is not a size; write it like "512kB", "64MB" or "64MiB"`},
		{"size = true", `2: size: true is a boolean; write a string, like "64MB"`},
		{"size = -1", `2: size: "-1" is not a size; write it like "512kB", "64MB" or "64MiB"`},
		{"wait = 10", `2: wait: 10 is an integer; write a string, like "10s"`},
		{"mode = 640", `2: mode: 640 is an integer; write a string, like "0660"`},
		{"secret = 7", `2: secret: this is not a string; write one in quotes: the secret itself, file:PATH, env:NAME or cred:NAME`},
		{"file = 7", `2: file: 7 is an integer; write a string`},
		{"maybe = \"x\"", `2: maybe: "x" is a string; write an integer`},
		{"names = 7", `2: names: 7 is an integer; write a list of strings, like ["a", "b"]`},
		{"names = [7, \"a\"]", `2: names: this is a list; write a list of strings, like ["a", "b"]`},
		{"counts = \"7\"", `2: counts: "7" is a string; write a list of integers`},
		{"counts = [\"7\", 1]", `2: counts: this is a list; write a list of integers`},
		{"counts = [1, -7]", `2: counts: -7 is out of range; write 0 or more`},
		{"map = 7", `2: map: 7 is an integer; write a table`},
		{"map = { a = 7 }", `2: map.a: 7 is an integer; write a string`},
		{"below = 7", `2: below: 7 is an integer; write a table`},
		{"below = { tex = 7 }", `2: below.tex: unknown key; did you mean "text"?`},
		{"item = { text = \"a\" }", `2: item: this is a table; write [[item]] above the keys of each`},
		{"item = [ 7 ]", `2: item: this is a list; write [[item]] above the keys of each`},
		{"item = [ { text = \"a\" }, 7 ]", `2: item: this is a list; write [[item]] above the keys of each`},
		{"[[item]]\n[[item]]\ntext = 7", `4: item.text: 7 is an integer; write a string`},
		{"flog = true", `2: flog: unknown key; did you mean "flag"?`},
		{"[below]\nqqqqqqqq = 1", `3: below.qqqqqqqq: unknown key; known here: text`},
		{"Free = \"x\"", `2: Free: unknown key; known here: below, `},
	} {
		p, problems := read(t, "kept = true\n"+c.text)
		if !p.Kept {
			t.Errorf("%s: the other value is not set", c.text)
		}
		if !strings.HasPrefix(problems, c.want) || strings.Contains(problems, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", c.text, problems, c.want)
		}
	}
}

// A table with a syntax error is left out, and the others are read.
func TestSalvage(t *testing.T) {
	for _, c := range []struct {
		text  string
		lines []int // of the problems
		lost  string
		keys  int // that are left
	}{
		{"a = 1\n[b]\nc = 2\n", nil, "[]", 2},
		{"a = 1\n[b]\nc = \n[d]\ne = 1\n", []int{3}, "[b]", 2},
		{"a = 1\n[b]\nc = \n[d]\ne = \n[f]\ng = 1\n", []int{3, 5}, "[b d]", 2},
		{"a = \n[b]\nc = 1\n", []int{1}, "[]", 1},
	} {
		var problems Problems
		table, _, lost, ok := Parse("f", c.text, &problems)
		var lines []int
		for _, p := range problems {
			lines = append(lines, p.Line)
			if !strings.HasPrefix(p.Text, InvalidTOML+": ") || p.File != "f" {
				t.Errorf("%+v", p)
			}
		}
		if !ok || fmt.Sprint(lines) != fmt.Sprint(c.lines) || fmt.Sprint(lost) != c.lost || len(table) != c.keys {
			t.Errorf("%q: %v, lost %q, lines %v", c.text, table, lost, lines)
		}
	}
	var problems Problems
	if table, _, lost, ok := Parse("f", strings.Repeat("[a]\nb = \n", maxSyntax+5), &problems); !ok || table != nil || lost[len(lost)-1] != "realm" || len(problems) != maxSyntax {
		t.Errorf("%v, %q, %d problems", table, lost, len(problems))
	}
}

// A file that is too long or nested too deeply is not read.
func TestParseLimits(t *testing.T) {
	for _, c := range []struct {
		what, text string
		line       int
		ok         bool
	}{
		{"the longest file", strings.Repeat("#", MaxFile), 0, true},
		{"a longer file", strings.Repeat("#", MaxFile+1), 0, false},
		{"the deepest value", "\na = " + strings.Repeat("[", position.MaxDepth-1) + "1" + strings.Repeat("]", position.MaxDepth-1), 0, true},
		{"a deeper value", "\na = " + strings.Repeat("[", position.MaxDepth) + "1" + strings.Repeat("]", position.MaxDepth), 2, false},
	} {
		var problems Problems
		_, _, _, ok := Parse("f", c.text, &problems)
		if ok != c.ok || ok != (len(problems) == 0) || !ok && (len(problems) != 1 || problems[0].Line != c.line) {
			t.Errorf("%s: %v, %v", c.what, ok, problems)
		}
	}
}

// A syntax error names its line and key. A header without its bracket is at its own line.
func TestSyntaxProblem(t *testing.T) {
	for text, want := range map[string]int{"\n[a\nb = 1\n": 2, "\n[[a]\nb = 1\n": 2, "\na = \n": 2, "a = [1\nb = 2\n": 2} {
		var v map[string]any
		_, err := toml.Decode(text, &v)
		if p := SyntaxProblem("f", err); err == nil || p.Line != want {
			t.Errorf("%q: %+v of %v", text, p, err)
		}
	}
	if p := SyntaxProblem("f", errors.New("broken")); p.Line != 0 || p.Text != InvalidTOML+": broken" {
		t.Errorf("%+v", p)
	}
}
