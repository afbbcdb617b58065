package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A syntax error hides no problem of the other tables, and causes none there.
func TestRestOfInvalidFile(t *testing.T) {
	const rest = "[[serial]]\nname = \"a\"\ndevice = \"/dev/x\"\nrealm = \"realm1\"\nbauds = 1\n[[listen]]\nurl = \"tcp://127.0.0.1:99999\"\nanonymous = \"any\"\n"
	for broken, problems := range map[string]int{
		"[[realm]]\nname = \"realm1\nanonymous = \"any\"\n":                                               1,
		"[[realm]]\nname = \"realm1\"\n  [[realm.role]]\n  name = \n":                                     1,
		"[[realm]]\nname = [\"realm1\"\n":                                                                 1, // reported at the next header
		"[[realm]]\nname = \"realm1\"\nname = \"realm2\"\n[node]\nid = a\n[log\n":                         3,
		"version = \n[[realm]]\nname = \"realm1\"\nanonymous = \"any\"\n[[realm.role]]\nname = \"any\"\n": 1,
	} {
		_, err := Parse("test.toml", broken+rest)
		if err == nil {
			t.Errorf("%s: valid", broken)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if n := strings.Count(err.Error(), "not valid TOML"); n != problems || len(lines) != problems+2 ||
			!strings.Contains(err.Error(), "serial.bauds: unknown key") || !strings.Contains(err.Error(), `"99999" is not a port`) {
			t.Errorf("%s:\n%v", broken, err)
		}
	}
}

// Hostile text ends the search for sound tables.
func TestRestOfNonsense(t *testing.T) {
	for _, text := range []string{"\"\"\"", "x = \"\"\"\n[a]\n[b]\n", strings.Repeat("[a\n", 10000), "a = \xff\n", "\x00", strings.Repeat("]\n[[b]]\n", 1000)} {
		if _, err := Parse("test.toml", text); err == nil {
			t.Errorf("%.20q is valid", text)
		}
	}
}

// Sound keeps the tables without problems, in all files.
func TestSound(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"main.toml":     anyone + "[[listen]]\nurl = \"tcp://127.0.0.1:99999\"\n[[listen]]\nurl = \"tcp://127.0.0.1:1\"\nunknown = 1\n",
		"conf.d/a.toml": "[[serial]]\nname = \"a\"\ndevice = \"/dev/a\"\nbaud = -1\n[[serial]]\nname = \"b\"\ndevice = \"/dev/b\"\n",
		"conf.d/b.toml": "[[serial]]\nname = \"c\"\ndevice = \"/dev/c\"\n[[serial\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(filepath.Join(dir, "main.toml"), nil)
	problems, ok := err.(Problems)
	if !ok {
		t.Fatal(err)
	}
	sound := Sound(c, problems)
	if len(sound.Listens) != 1 || sound.Listens[0].URL != "tcp://127.0.0.1:1" || len(sound.Serials) != 2 || sound.Serials[0].Name != "b" || sound.Serials[1].Name != "c" {
		t.Errorf("%v\n%+v\n%+v", err, sound.Listens, sound.Serials)
	}
}
