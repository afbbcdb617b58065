package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"runnel/test/kit"
)

// README.md starts a router in the directory of the source code.
func TestReadme(t *testing.T) {
	s := newSite(t)
	h := s.at("board")
	h.script("bin/make", "exit 0") // the binary has been built
	h.configure(h.foreground("runnel check --print-default"))
	s.run("README.md", "board")
}

func TestTutorial(t *testing.T) {
	s := newSite(t)
	s.at("gateway").plug("dev/ttyACM0")
	s.run("tutorial.md", "gateway")
}

// install.md adds a sensor, then links the gateway to a centre, and a machine to a router of another make.
func TestInstall(t *testing.T) {
	s := newSite(t)
	s.at("gateway").plug("dev/ttyACM0")
	for _, name := range []string{"gateway", "centre", "client"} {
		s.at(name).install()
	}
	kit.Write(t, s.at("client").dir, "etc/runnel/central.ticket", "ticket\n")
	s.run("install.md", "gateway")
}

func TestCentre(t *testing.T) {
	for _, tool := range []string{"openssl", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	s := newSite(t)
	s.at("gateway").plug("dev/ttyACM0")
	s.at("gateway").install()
	s.at("centre").install()
	s.run("centre.md", "centre")
}

var written = regexp.MustCompile(`/etc/runnel/conf.d/\w+\.toml`)

// run executes a page. A TOML block is written to the file that the prose before it names.
func (s *site) run(page, first string) {
	s.t.Helper()
	h := s.at(first)
	for _, b := range read(s.t, page) {
		if b.machine != "" {
			h = s.at(b.machine)
		}
		switch {
		case b.reason != "":
		case b.kind == output:
			h.printed(b)
		case b.kind == shell:
			h.execute(b)
		case b.kind == toml:
			if file := written.FindString(b.before); file != "" {
				kit.Must(s.t, os.WriteFile(filepath.Join(h.dir, file), []byte(h.typed(b.text)), 0o600))
			}
		}
	}
}

// printed waits until the last command in the background has printed the block.
func (h *host) printed(b block) {
	p := h.running[len(h.running)-1]
	kit.Eventually(h.t, b.text, func() bool { return missing(b.text, h.shown(p.Stdout.Text())) == "" }, p.String)
}

var (
	endless  = regexp.MustCompile(`^\$ (sudo )?runnel sub `)
	packaged = regexp.MustCompile(`apt install \./runnel`)
)

// execute types the commands of a block in order, and compares what they print with the lines below each.
func (h *host) execute(b block) {
	h.t.Helper()
	lines := strings.Split(b.text, "\n")
	console := strings.Contains("\n"+b.text, "\n$ ")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		var want []string
		for console && i+1 < len(lines) && !strings.HasPrefix(lines[i+1], "$ ") {
			i++
			want = append(want, lines[i])
		}
		shows := strings.TrimSpace(strings.Join(want, "\n"))
		typed, _, _ := strings.Cut(strings.TrimPrefix(line, "$ "), " #")
		typed = strings.TrimSpace(typed)
		h.t.Logf("at the %s: %s", h.name, typed)
		switch {
		case packaged.MatchString(typed):
			if len(h.running) == 0 {
				h.install()
			}
		case strings.HasSuffix(typed, "run &"):
			h.route(strings.TrimSuffix(typed, "&"))
		case strings.HasSuffix(typed, "&"):
			h.serve(strings.TrimSuffix(typed, "&"))
		case endless.MatchString(line) && shows == "":
			h.serve(typed) // it is left running
		case endless.MatchString(line):
			p := h.background(typed)
			kit.Eventually(h.t, shows, func() bool { return missing(shows, h.shown(p.Stdout.Text())) == "" }, p.String)
			h.running = h.running[:len(h.running)-1]
			h.end(p)
		default:
			got := h.foreground(typed)
			if line := missing(shows, got); line != "" {
				h.t.Errorf("%s is shown to print\n%s\nbut prints\n%s\nfirst difference: %s", typed, shows, got, line)
			}
		}
	}
}

var varying = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`runnel-[0-9a-f]{8}-\w+`), "TOKEN"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "SHA256"},
	{regexp.MustCompile(`token [0-9a-f]{8}`), "token ID"},
	{regexp.MustCompile(`--pin [0-9a-f]+\.\.\.`), "--pin SHA256"},
	{regexp.MustCompile(`\d[\d.]*(µs|ms|s|m|h|B|kB)?`), "N"},
	{regexp.MustCompile(`\bsudo `), ""},
	{regexp.MustCompile(`\s+`), " "},
}

// elsewhere begins a line that is printed only if the router listens to all networks.
const elsewhere = "If a gateway cannot resolve the name"

// missing returns the first line of a page's output that a real output lacks behind the lines before it. Figures and names that
// differ from run to run are not compared.
func missing(page, real string) string {
	rest := strings.Split(shape(real), "\n")
	for line := range strings.SplitSeq(shape(page), "\n") {
		found := line == "" || line == "..." || strings.HasPrefix(line, elsewhere)
		for !found && len(rest) > 0 {
			found, rest = rest[0] == line, rest[1:]
		}
		if !found {
			return line
		}
	}
	return ""
}

func shape(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) == "..." {
			lines[i] = "..."
			continue
		}
		for _, v := range varying {
			line = v.pattern.ReplaceAllString(line, v.instead)
		}
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
