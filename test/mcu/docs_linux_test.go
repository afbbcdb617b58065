package mcu

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocs holds that the gateway of docs/mcu.md can be set up as it is written there.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/mcu.md")
	must(t, err)
	blocks := regexp.MustCompile(`(?m)^    \[\[.*\n(?:(?:    .*)?\n)*`).FindAllString(string(b), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d tables, want the line's and the uplink's", len(blocks))
	}
	text := "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"all\"\n[[realm.role]]\nname = \"all\"\n" +
		"[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\", \"subscribe\", \"call\", \"register\"]\n" +
		strings.ReplaceAll(strings.Join(blocks, "\n"), "file:/etc/runnel/central.ticket", "secret")
	file := filepath.Join(t.TempDir(), "runnel.toml")
	must(t, os.WriteFile(file, []byte(text), 0o600))
	if out, err := runnel.Command("check", "-c", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, text)
	}
}
