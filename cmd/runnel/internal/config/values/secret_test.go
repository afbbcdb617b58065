package values

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A secret is read from the place that its text names. A message never shows it.
func TestSecret(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"pin": "a:b \r\n\n", "empty": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("RUNNEL_TEST_PIN", "from env\n")
	t.Setenv("RUNNEL_TEST_EMPTY", "")
	pin := filepath.Join(dir, "pin")
	for _, c := range []struct{ text, value, file, err string }{
		{"", "", "runnel.toml", ""},
		{"letmein", "letmein", "runnel.toml", ""},
		{"user:word", "user:word", "runnel.toml", ""},
		{"file:pin", "a:b ", pin, ""},
		{"file:" + pin, "a:b ", pin, ""},
		{"file:empty", "", filepath.Join(dir, "empty"), ""},
		{"file:none", "", filepath.Join(dir, "none"), "no such file"},
		{"cred:pin", "a:b ", "", ""},
		{"cred:../../pin", "a:b ", "", ""}, // a credential is a file of the directory
		{"cred:none", "", "", "no such file"},
		{"env:RUNNEL_TEST_PIN", "from env\n", "", ""},
		{"env:RUNNEL_TEST_EMPTY", "", "", ""},
		{"env:RUNNEL_TEST_NONE", "", "", "the environment variable RUNNEL_TEST_NONE is not set"},
	} {
		s := NewSecret(dir, c.text)
		value, err := s.Value()
		if value != c.value || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", c.text, value, err)
		}
		if got := s.File("runnel.toml"); got != c.file {
			t.Errorf("%s: in file %s, want %s", c.text, got, c.file)
		}
		shown := "(secret)"
		if c.text == "" {
			shown = ""
		}
		if got := fmt.Sprint(s); got != shown || s.Set() != (c.text != "") {
			t.Errorf("%s: shown as %q, set %v", c.text, got, s.Set())
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := NewSecret("", "cred:pin").Value(); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without credentials: %v", err)
	}
}

// Placeholders of a profile are replaced in the text that stands for the secret.
func TestReplace(t *testing.T) {
	s := NewSecret("", "env:PIN_$name")
	s.Replace(strings.NewReplacer("$name", "A"))
	t.Setenv("PIN_A", "1234")
	if value, err := s.Value(); err != nil || value != "1234" {
		t.Errorf("%q, %v", value, err)
	}
}

// A path that looks like a key is content, so no message repeats it.
func TestIsContent(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for path, want := range map[Path]bool{
		"gw.key":                    false,
		Path(hex):                   true,
		Path("/etc/runnel/" + hex):  true,
		Path(hex + "00"):            true,
		Path(hex[2:]):               false, // too short for a key
		Path("x" + hex[1:]):         false,
		"a\nb":                      true,
		"a\rb":                      true,
		"-----BEGIN PRIVATE KEY---": true,
	} {
		if got := path.IsContent(); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// A directory that is relative itself starts at the working directory.
func TestAbsoluteOfRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Absolute("conf", "gw.key"), filepath.Join(here, "conf", "gw.key"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
