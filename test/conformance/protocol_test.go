package conformance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// feature is a row of the tables in docs/protocol.md.
type feature struct {
	name  string
	keys  []string // "dealer call_timeout"
	ours  bool
	cases []string
}

var (
	featureKey = regexp.MustCompile("(broker|dealer) `([a-z_]+)`")
	caseName   = regexp.MustCompile(`\bTest[A-Za-z0-9]+`)
)

func readFeatures(t *testing.T) (list []feature) {
	t.Helper()
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(text), "\n## Features\n")
	tables, _, _ = strings.Cut(tables, "\n## ")
	for line := range strings.Lines(tables) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) < 5 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[1]) == "feature" {
			continue
		}
		cells = cells[1 : len(cells)-1]
		f := feature{name: strings.TrimSpace(cells[0]), cases: caseName.FindAllString(cells[len(cells)-1], -1)}
		switch ours := strings.TrimSpace(cells[len(cells)-2]); ours {
		case "yes", "no":
			f.ours = ours == "yes"
		default:
			t.Errorf("%s: ours is %q, neither yes nor no", f.name, ours)
		}
		for _, key := range featureKey.FindAllStringSubmatch(cells[1], -1) {
			f.keys = append(f.keys, key[1]+" "+key[2])
		}
		list = append(list, f)
	}
	return list
}

// The table of features names only existing cases, and every case appears in it.
func TestFeaturesHaveCases(t *testing.T) {
	features := readFeatures(t)
	if len(features) < 40 {
		t.Fatalf("only %d features found in docs/protocol.md", len(features))
	}
	exist := cases(t, ".")
	named := []string{"TestFeaturesHaveCases", "TestFeaturesAreAnnounced", "TestRulesHaveCases"}
	for _, f := range features {
		if f.ours != (len(f.cases) > 0) {
			t.Errorf("%s: ours is %v, and its cases are %v", f.name, f.ours, f.cases)
		}
		for _, name := range f.cases {
			if !slices.Contains(exist, name) {
				t.Errorf("%s: there is no %s", f.name, name)
			}
		}
		named = append(named, f.cases...)
	}
	for _, name := range exist {
		if !slices.Contains(named, name) {
			t.Errorf("%s stands for no feature in docs/protocol.md", name)
		}
	}
}

// WELCOME announces exactly the features of the table.
func TestFeaturesAreAnnounced(t *testing.T) {
	var want, got []string
	for _, f := range readFeatures(t) {
		for _, key := range f.keys {
			if f.ours && !strings.HasSuffix(key, " reflection") {
				want = append(want, key)
			}
		}
	}
	for role, keys := range announcedFeatures(t) {
		for _, key := range keys {
			got = append(got, role+" "+key)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("docs/protocol.md: %q\nWELCOME: %q", want, got)
	}
}

// cited is a reference in a cell: to a case, or to a part of the preceding case.
var cited = regexp.MustCompile(`\bTest[A-Za-z0-9]+|"[^"]+"`)

// Each rule names only existing cases and existing parts of them.
func TestRulesHaveCases(t *testing.T) {
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(text), "\n## Rules\n")
	tables, _, _ = strings.Cut(tables, "\n## ")
	dirs := []string{".", "../hostile", "../stories", "../../edge", "../../edge/auth", "../../edge/wamp"}
	exist, sources := cases(t, dirs...), sourcesIn(t, dirs...)
	rules := 0
	for line := range strings.Lines(tables) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[1]) == "rule" {
			continue
		}
		rules++
		names := cited.FindAllString(cells[3], -1)
		if len(names) == 0 || names[0][0] == '"' {
			t.Errorf("%s: no case is named", cells[1])
		}
		for _, name := range names {
			if part := strings.Trim(name, `"`); part == name && !slices.Contains(exist, name) || !strings.Contains(sources, part) {
				t.Errorf("%s: there is no %s", cells[1], name)
			}
		}
	}
	if rules < 80 {
		t.Errorf("only %d rules found in docs/protocol.md", rules)
	}
}

// sourcesIn returns the text of the tests in directories.
func sourcesIn(t *testing.T, dirs ...string) string {
	t.Helper()
	var all strings.Builder
	for _, file := range testFiles(t, dirs...) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

func testFiles(t *testing.T, dirs ...string) (files []string) {
	t.Helper()
	for _, dir := range dirs {
		some, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil || len(some) == 0 {
			t.Fatalf("no tests in %s: %v", dir, err)
		}
		files = append(files, some...)
	}
	return files
}

// cases returns the names of the tests in directories.
func cases(t *testing.T, dirs ...string) (names []string) {
	t.Helper()
	for _, file := range testFiles(t, dirs...) {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain" {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
