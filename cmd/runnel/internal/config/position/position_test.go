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
