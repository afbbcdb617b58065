package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runnel/test/kit"
)

// TestStatic: the prefixes and directories of static files are checked, and relative directories begin at the file's own.
func TestStatic(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "runnel.toml")
	kit.Must(t, os.MkdirAll(filepath.Join(dir, "app"), 0o755))
	kit.Must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o644))
	const tcp = `url = "tcp://127.0.0.1:8081"` + "\n"
	for _, c := range []struct{ text, problem, warning string }{
		{tcp + `static = { "/app" = "app", "/" = "app", "/.well-known/acme" = "app", "/wsx" = "app", "/a.b/c" = "app" }`, "", ""},
		{tcp + `static = { "app" = "app" }`, `static.app: "app" is not the beginning of a path`, ""},
		{tcp + `static = { "/app/" = "app" }`, "is not the beginning of a path", ""},
		{tcp + `static = { "/a/../b" = "app" }`, "is not the beginning of a path", ""},
		{tcp + `static = { "/a%20b" = "app" }`, "is not the beginning of a path", ""},
		{tcp + `static = { "" = "app" }`, "is not the beginning of a path", ""},
		{tcp + `static = { "/ws" = "app" }`, "answers requests for /ws", ""},
		{tcp + `static = { "/ws/x" = "app" }`, "answers requests for /ws", ""},
		{tcp + `static = { "/lp/app" = "app" }`, "answers requests for /lp", ""},
		{tcp + `static = { "/publish" = "app" }`, "answers requests for /publish", ""},
		{tcp + `static = { "/call" = "app" }`, "answers requests for /call", ""},
		{tcp + `static = { "/events/a" = "app" }`, "answers requests for /events", ""},
		{tcp + "console = true\n" + `static = { "/" = "app" }`, "answers requests for / with console = true", ""},
		{tcp + "console = true\n" + `static = { "/app.js" = "app" }`, "answers requests for /app.js with console", ""},
		{tcp + "console = true\n" + `static = { "/app" = "app" }`, "", ""},
		{`url = "ws://127.0.0.1:8081/app"` + "\n" + `static = { "/app" = "app" }`, "answers requests for /app", ""},
		{`url = "ws://127.0.0.1:8081/app"` + "\n" + `static = { "/ws" = "app" }`, "", ""},
		{tcp + `static = { "/app" = "" }`, "missing; write the directory", ""},
		{tcp + `static = { "/app" = "." }`, "holds the configuration", ""},
		{tcp + `static = { "/app" = "/" }`, "holds the configuration", ""},
		{tcp + `static = { "/app" = 1 }`, "write a string", ""},
		{tcp + `static = "app"`, "write a table", ""},
		{tcp + `static = { "/app" = "gone" }`, "", "/gone/.: no such file or directory"},
		{tcp + `static = { "/app" = "file" }`, "", "not a directory"},
		{`url = "unix://a.sock"` + "\n" + `static = { "/app" = "app" }`, "only for tcp://", ""},
	} {
		kit.Must(t, os.WriteFile(file, []byte("version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"guest\"\n[[realm.role]]\nname = \"guest\"\n[[realm.role.permission]]\nuri = \"a\"\nallow = [\"call\"]\n[[listen]]\n"+c.text+"\n"), 0o644))
		l, err := Load(file, nil)
		switch {
		case c.problem != "":
			if err == nil || !strings.Contains(err.Error(), c.problem) || !strings.Contains(err.Error(), "runnel.toml:1") {
				t.Errorf("%s: %v", c.text, err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.text, err)
		case c.warning == "" && len(l.Warnings) > 0, c.warning != "" && (len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0].Text, c.warning) || l.Warnings[0].Line < 11):
			t.Errorf("%s: %v", c.text, l.Warnings)
		case c.warning == "":
			if got := l.Listens[0].Static[l.Listens[0].prefixes()[0]]; got != filepath.Join(dir, "app") {
				t.Errorf("%s: the directory is %s", c.text, got)
			}
		}
	}
}
