package position

import (
	"strings"
	"testing"
)

const file = `name = "a"

[[realm]]
name = "one"
[[realm]]
name = "two" # the second table of the array
role = [ { name = "x" },
  { name = "y", "quoted key" = '''
]]''' } ]
[limits.deep]
memory = 1
`

// Every value is found at its line: also in the second table of an array, in an inline table, and after a text of
// several lines.
func TestLocate(t *testing.T) {
	top, deep := Locate("a.toml", file)
	if deep != 0 {
		t.Errorf("line %d is not nested too deeply", deep)
	}
	realm := top.Under("realm", 1)
	limits := top.Under("limits", -1).Under("deep", -1)
	for want, at := range map[string]Place{
		"a.toml:1": top.Of("name"), "a.toml:4": top.Under("realm", 0).Of("name"), "a.toml:5": realm, "a.toml:6": realm.Of("name"),
		"a.toml:7": realm.Under("role", 0).Of("name"), "a.toml:8": realm.Under("role", 1).Of("quoted key"), "a.toml:11": limits.Of("memory"),
	} {
		if at.String() != want {
			t.Errorf("%s is at %v, not at %s", at.Path, at, want)
		}
	}
	if limits.Has("outbox") || !limits.Has("memory") || limits.Path != "limits.deep" {
		t.Errorf("%q has other keys than the file", limits.Path)
	}
}

// A problem of an adopted key names the file that sets it. Problems are sorted by file and line.
func TestProblems(t *testing.T) {
	one, _ := Locate("1.toml", "\n\n[realm]\nname = 1\n")
	two, _ := Locate("2.toml", "strict = true\n")
	realm := one.Under("realm", -1).Adopting("strict", two)
	var p Problems
	p.Add(realm, "strict", "not %d", 1)
	p.Add(realm, "name", "not this")
	p.Add(realm, "", "not so")
	const want = "1.toml:3: realm: not so\n1.toml:4: realm.name: not this\n2.toml:1: strict: not 1"
	if err := p.Err(); err == nil || err.Error() != want {
		t.Errorf("%v, not\n%s", err, want)
	}
	if !realm.Covers(p[0], "name") || realm.Covers(p[2], "name") {
		t.Error("the table covers its own problems, and no others")
	}
	if err := (Problems{}).Err(); err != nil {
		t.Error(err)
	}
}

// Without removes the table with a syntax error and keeps the lines of the others.
func TestWithout(t *testing.T) {
	const file = "version = 1\n[node]\nid = \"a\"\n[[listen]]\nurl = \"x\n  [listen.cookie]\n  name = 1\n[[ uplink ]] # two\nname = \"u\"\n"
	for _, c := range []struct {
		line        int
		table, gone string
		stays       string
	}{
		{5, "listen", "cookie", "[node]"}, {6, "listen", "url", "uplink"}, {9, "uplink", "uplink", "listen"},
		{1, "", "version", "[node]"}, {4, "node", "[node]", "[[listen]]"}, {99, "uplink", "uplink", "listen"}, {0, "", "version", "[node]"},
	} {
		rest, table, ok := Without(file, c.line)
		if !ok || table != c.table || strings.Contains(rest, c.gone) || !strings.Contains(rest, c.stays) || strings.Count(rest, "\n") != strings.Count(file, "\n") {
			t.Errorf("line %d: %q, %v\n%s", c.line, table, ok, rest)
		}
	}
	if _, _, ok := Without("\n\n", 1); ok {
		t.Error("a table was found in an empty file")
	}
}

// A message names what is known of the place.
func TestProblem(t *testing.T) {
	for want, p := range map[string]Problem{
		"f:3: a.b: bad": {"f", 3, "a.b", "bad"}, "f:3: bad": {"f", 3, "", "bad"}, "f: a.b: bad": {"f", 0, "a.b", "bad"}, "f:1: bad": {"f", 1, "", "bad"},
		"f: bad": {"f", 0, "", "bad"}, "bad": {"", 3, "a.b", "bad"},
	} {
		if got := p.Error(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	twice := Problems{{"f", 2, "a", "one"}, {"f", 2, "a", "two"}, {"f", 1, "a", "x"}, {"e", 9, "a", "y"}, {"f", 1, "a", "x"}}
	if got, want := twice.Err().Error(), "e:9: a: y\nf:1: a: x\nf:2: a: one\nf:2: a: two"; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// A table covers the problems from its first line to the line of the key.
func TestCovers(t *testing.T) {
	top, _ := Locate("f", "\n[a]\nb = 1\nc = 2\n")
	a := top.Under("a", -1)
	for _, c := range []struct {
		problem Problem
		covers  bool
	}{
		{Problem{File: "f", Line: 1, Key: "a.b"}, false}, {Problem{File: "f", Line: 2, Key: "a"}, true}, {Problem{File: "f", Line: 3, Key: "a.b"}, true},
		{Problem{File: "f", Line: 4, Key: "a.c"}, false}, {Problem{File: "g", Line: 3, Key: "a.b"}, false}, {Problem{File: "f", Line: 3, Key: "b"}, false},
	} {
		if a.Covers(c.problem, "b") != c.covers {
			t.Errorf("%+v: covered %v", c.problem, !c.covers)
		}
	}
}

// A top-level table contains the problems up to the next table of the same file.
func TestContains(t *testing.T) {
	f, _ := Locate("f", "\n[a]\nx = 1\n[b]\n\n")
	g, _ := Locate("g", "\n\n[c]\n")
	a, b, c := f.Under("a", -1), f.Under("b", -1), g.Under("c", -1)
	all := []Place{a, b, c}
	for _, x := range []struct {
		file    string
		line    int
		a, b, c bool
	}{
		{"f", 1, false, false, false}, {"f", 2, true, false, false}, {"f", 3, true, false, false}, {"f", 4, false, true, false}, {"f", 9, false, true, false}, {"g", 3, false, false, true}, {"g", 2, false, false, false},
	} {
		p := Problem{File: x.file, Line: x.line}
		if a.Contains(p, all) != x.a || b.Contains(p, all) != x.b || c.Contains(p, all) != x.c {
			t.Errorf("%s:%d: %v, %v, %v", x.file, x.line, a.Contains(p, all), b.Contains(p, all), c.Contains(p, all))
		}
	}
	if Missing("f", "a").Contains(Problem{File: "f", Line: 3}, nil) || (Place{File: "f"}).Contains(Problem{File: "f"}, nil) {
		t.Error("a missing table contains a problem")
	}
}

// Adopting changes only the copy.
func TestAdopting(t *testing.T) {
	one, _ := Locate("1.toml", "a = 1\n")
	two, _ := Locate("2.toml", "\nb = 1\nc = 1\n")
	first := one.Adopting("b", two)
	both := first.Adopting("c", two)
	if one.Has("b") || !first.Has("b") || first.Has("c") || !both.Has("b") || !both.Has("c") || !both.Has("a") {
		t.Error("a key is set by a table that has not adopted it")
	}
	for want, at := range map[string]Place{"1.toml:1": both.Of("a"), "2.toml:2": both.Of("b"), "2.toml:3": both.Under("c", -1)} {
		if at.String() != want {
			t.Errorf("%v, want %s", at, want)
		}
	}
}

// A complete header ends the table before it. An incomplete one begins the table to remove.
func TestWithoutHeader(t *testing.T) {
	for _, c := range []struct {
		text        string
		line        int
		table, rest string
	}{
		{"[a]\nx\n[b]\n", 1, "a", "\n\n[b]\n"},
		{"[a]\nx\n[b]\n", 2, "a", "\n\n[b]\n"},
		{"[a]\nx\n[b]\n", 3, "a", "\n\n[b]\n"},
		{"[a]\nx\n[b] # [[c]\ny", 3, "a", "\n\n[b] # [[c]\ny"},
		{"[a]\nx\n[[b]]\ny", 3, "a", "\n\n[[b]]\ny"},
		{"[a]\nx\n[[b]\ny", 3, "b", "[a]\nx\n\n"},
		{"[a]\nx\n[b]]\ny", 3, "b", "[a]\nx\n\n"},
		{"[a]\nx\n[b\ny", 3, "b", "[a]\nx\n\n"},
		{"[a]\nx\n[b.c]\n[b]\n[c]\n", 3, "a", "\n\n\n[b]\n[c]\n"},
		{"[a]\nx\n[]\n[b]\n", 2, "a", "\n\n\n[b]\n"},
		{"x\n[\"a\"]\ny\n", 3, "a", "x\n\n\n"},
	} {
		rest, table, ok := Without(c.text, c.line)
		if !ok || table != c.table || rest != c.rest {
			t.Errorf("%q without line %d: %q, %q, %v", c.text, c.line, table, rest, ok)
		}
	}
}
