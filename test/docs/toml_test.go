package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"runnel/test/kit"
)

var named = regexp.MustCompile(`/etc/runnel/[\w./-]*\w`)

// Every TOML block is valid for "runnel check": the whole of a configuration as it is, a fragment as a file in conf.d beside the
// configuration of the packages, or of a centre. On security.md each block extends the first.
func TestTOML(t *testing.T) {
	dir := kit.ShortDir(t)
	made, err := runnel.Command("init", "centre", "-c", filepath.Join(dir, "runnel.toml"), "--yes").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, made)
	}
	packaged, err := os.ReadFile("../../boards/packaging/runnel.toml")
	kit.Must(t, err)
	centre, err := os.ReadFile(filepath.Join(dir, "runnel.toml"))
	kit.Must(t, err)
	for name := range files(t) {
		first := string(packaged)
		for _, b := range read(t, name) {
			if b.kind != toml || b.reason != "" {
				continue
			}
			if name == "security.md" && strings.HasPrefix(b.text, "version") {
				first = b.text + "\n"
			}
			base := first
			if b.machine == "centre" {
				base = string(centre)
			}
			check(t, name, b, base, dir)
		}
	}
}

// check checks one block as a user would. secrets holds a certificate and its key.
func check(t *testing.T, name string, b block, base, secrets string) {
	t.Helper()
	dir := kit.ShortDir(t)
	etc := filepath.Join(dir, "etc/runnel")
	kit.Must(t, os.MkdirAll(filepath.Join(etc, "conf.d"), 0o700))
	kit.Must(t, os.Mkdir(filepath.Join(etc, "profiles.d"), 0o700))
	main, fragment, profile := base, b.text, ""
	switch {
	case strings.HasPrefix(b.text, "version"):
		main, fragment = b.text, ""
	case strings.HasPrefix(b.text, "# /etc/runnel/profiles.d/"):
		profile, _, _ = strings.Cut(strings.TrimPrefix(b.text, "# /etc/runnel/profiles.d/"), ".toml")
		kit.Write(t, etc, "profiles.d/"+profile+".toml", b.text)
		fragment = "[[serial]]\nname = \"line\"\ndevice = \"/dev/ttyUSB0\"\ntopic = \"com.example.line\"\nrole = \"sensor\"\nprofile = \"" + profile + "\"\n"
	case name == "security.md":
		main, fragment = base+b.text, ""
	case strings.HasPrefix(b.text, "  "):
		fragment = "[[realm]]\nname = \"realm1\"\n" + b.text
	case strings.Contains(b.text, "[node]"): // it replaces that of the packages
		main, fragment = regexp.MustCompile(`(?m)^\[node\]\n(.+\n)*\n`).ReplaceAllString(base, "")+b.text, ""
	}
	for _, file := range append(named.FindAllString(b.text, -1), "/etc/runnel/gateway.key") {
		place(t, dir+file, secrets)
	}
	moved := strings.NewReplacer("/etc/runnel", etc, "/var/lib/runnel", filepath.Join(dir, "data"), "/run/runnel", dir)
	kit.Write(t, etc, "conf.d/block.toml", moved.Replace(fragment))
	out, err := runnel.Command("check", "-c", kit.Write(t, etc, "runnel.toml", moved.Replace(main))).CombinedOutput()
	if err != nil {
		t.Errorf("%s:%d: %v\n%s", name, b.line, err, out)
	}
}

// place writes a file that a configuration names.
func place(t *testing.T, file, secrets string) {
	t.Helper()
	if _, err := os.Stat(file); err == nil || filepath.Ext(file) == ".toml" {
		return
	}
	content := []byte("gw-001\n")
	switch filepath.Ext(file) {
	case ".key":
		if filepath.Base(file) == "gateway.key" {
			if out, err := runnel.Command("keygen", file).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return
		}
		content, _ = os.ReadFile(filepath.Join(secrets, "runnel.key"))
	case ".pem", ".crt":
		content, _ = os.ReadFile(filepath.Join(secrets, "runnel.crt"))
	}
	kit.Must(t, os.WriteFile(file, content, 0o600))
}
