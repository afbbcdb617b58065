package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"runnel/transport/serial/lines"
)

// The section of each table describes all its keys, and the documented example is valid.
func TestConfigIsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	tables := reflect.TypeFor[Config]()
	for i := range tables.NumField() {
		table := tables.Field(i).Tag.Get("toml")
		if table == "" {
			continue
		}
		section := text
		list := keys(tables.Field(i).Type)
		if list == nil { // a key outside of all tables
			list = []string{table}
		} else if _, section, _ = strings.Cut(text, "\n### ["+table+"]\n"); section == "" {
			_, section, _ = strings.Cut(text, "\n### [["+table+"]]\n")
		}
		section, _, _ = strings.Cut(section, "\n### ")
		for _, key := range list {
			if !strings.Contains(section, "`"+key+"`") && !strings.Contains(section, "."+key+"]") && !strings.Contains(section, key+" = ") {
				t.Errorf("docs/config.md does not tell of %s in the section of %s", key, table)
			}
		}
	}
	_, example, _ := strings.Cut(text, "```toml\n")
	example, _, _ = strings.Cut(example, "```")
	if _, err := Parse("docs/config.md", example); err != nil {
		t.Error(err)
	}
}

// The pages name each format of text lines.
func TestFormatsAreDocumented(t *testing.T) {
	for _, page := range []string{"config.md", "serial.md"} {
		b, err := os.ReadFile("../../../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range lines.FormatNames {
			if text := string(b); !strings.Contains(text, "`"+format+"`") && !strings.Contains(text, "`\""+format+"\"`") {
				t.Errorf("docs/%s does not tell of the format %s", page, format)
			}
		}
	}
}

// keys lists the keys of a table and of the tables in it.
func keys(t reflect.Type) (list []string) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("toml"); key != "" {
			list = append(append(list, key), keys(t.Field(i).Type)...)
		}
	}
	return list
}

// The configuration that the packages install is valid.
func TestPackagedConfig(t *testing.T) {
	b, err := os.ReadFile("../../../../boards/packaging/runnel.toml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse("runnel.toml", string(b))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range c.Realms[0].Roles {
		if want := r.Name == "local" || r.Name == "operator"; r.Durable != want {
			t.Errorf("role %s: durable = %v, want %v", r.Name, r.Durable, want)
		}
	}
}

// The first devices and links of the guides are valid with the configuration of the packages, except for missing files.
func TestGuides(t *testing.T) {
	packaged, err := os.ReadFile("../../../../boards/packaging/runnel.toml")
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`(?m)(?:^    #.*\n)?^    \[\[(?:serial|uplink)\]\]\n(?:^(?:    [^$].*)?\n)+`)
	for name, want := range map[string]int{"install.md": 2, "serial.md": 11, "mcu.md": 2} {
		b, err := os.ReadFile("../../../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		examples := table.FindAllString(string(b), -1)
		if len(examples) != want {
			t.Errorf("docs/%s has %d examples, want %d", name, len(examples), want)
		}
		for _, example := range examples {
			_, err := Parse("docs/"+name, string(packaged)+example)
			var problems Problems
			for errors.As(err, &problems); len(problems) > 0; problems = problems[1:] {
				if p := problems[0]; !strings.HasSuffix(p.Text, "no such file or directory") {
					t.Error(p, example)
				}
			}
		}
	}
}

// The examples of docs/mqtt.md are valid, except for missing files.
func TestMQTTExample(t *testing.T) {
	b, err := os.ReadFile("../../../../docs/mqtt.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(b), "```toml\n")
	example, _, _ = strings.Cut(example, "```")
	_, err = Parse("docs/mqtt.md", "version = 1\n[[realm]]\nname = \"realm1\"\n"+example)
	var problems Problems
	for errors.As(err, &problems); len(problems) > 0; problems = problems[1:] {
		if p := problems[0]; !strings.HasSuffix(p.Text, "no such file or directory") {
			t.Error(p)
		}
	}
}

// The examples of docs/security.md are valid. Each one extends the first.
func TestSecurityExamples(t *testing.T) {
	b, err := os.ReadFile("../../../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"browser.ticket", "central.password"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	examples := strings.Split(string(b), "```toml\n")[1:]
	base, _, _ := strings.Cut(examples[0], "```")
	for _, text := range examples {
		text, _, _ = strings.Cut(text, "```")
		if text != base {
			text = base + text
		}
		_, err := Parse("docs/security.md", strings.ReplaceAll(text, "/etc/runnel", dir))
		var problems Problems
		for errors.As(err, &problems); len(problems) > 0; problems = problems[1:] {
			if p := problems[0]; !strings.HasSuffix(p.Text, "no such file or directory") { // the certificates
				t.Error(p)
			}
		}
	}
}

// The lines that docs/serial.md shows are valid, in a realm that has their role.
func TestSerialExamples(t *testing.T) {
	b, err := os.ReadFile("../../../../docs/serial.md")
	if err != nil {
		t.Fatal(err)
	}
	const base = "version = 1\n[[realm]]\nname = \"realm1\"\n[[realm.role]]\nname = \"sensor\"\n[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\", \"register\"]\n"
	found := 0
	for _, block := range strings.Split(string(b), "\n\n    [[serial]]\n")[1:] {
		var example strings.Builder
		for _, line := range strings.SplitAfter("    [[serial]]\n"+block, "\n") {
			if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "    ") {
				break
			}
			example.WriteString(strings.TrimSpace(line) + "\n")
		}
		found++
		if c, err := Parse("docs/serial.md", base+example.String()); err != nil {
			t.Errorf("%v\n%s", err, example.String())
		} else if len(c.Warnings) > 0 {
			t.Error(c.Warnings)
		}
	}
	if found < 3 {
		t.Errorf("only %d examples", found)
	}
}
