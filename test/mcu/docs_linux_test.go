package mcu

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"runnel/test/kit"
)

// TestDocs checks that the instructions of docs/mcu.md for the gateway work.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/mcu.md")
	kit.Must(t, err)
	blocks := regexp.MustCompile(`(?m)^    \[\[.*\n(?:(?:    .*)?\n)*`).FindAllString(string(b), -1)
	if len(blocks) != 4 {
		t.Fatalf("%d files, want the line's, the uplink's, the devices' and the actuator's", len(blocks))
	}
	file := filepath.Join(t.TempDir(), "runnel.toml")
	kit.Must(t, os.WriteFile(file, []byte("version = 1\n"+kit.OpenRealm), 0o600))
	drop := filepath.Join(filepath.Dir(file), "conf.d")
	kit.Must(t, os.Mkdir(drop, 0o700))
	for i, text := range blocks {
		text = strings.ReplaceAll(text, "file:/etc/runnel/central.ticket", "secret")
		kit.Must(t, os.WriteFile(filepath.Join(drop, fmt.Sprintf("%d.toml", i)), []byte(text), 0o600))
	}
	if out, err := runnel.Command("check", "-c", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
