package docs

import (
	"cmp"
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

// cli.md enrols a gateway at a centre, and talks to the gateway's router.
func TestCommandLine(t *testing.T) {
	s := newSite(t)
	centre, gateway := s.at("centre"), s.at("gateway")
	centre.install()
	centre.foreground("runnel init centre --yes")
	gateway.plug("dev/ttyUSB0")
	gateway.script("job.py", "echo done")
	gateway.install()
	s.run("cli.md", "bench")
}

func TestSerialLines(t *testing.T) {
	s := newSite(t)
	gateway := s.at("gateway")
	gateway.plug("dev/ttyACM0")
	gateway.plug("dev/ttyUSB0")
	gateway.install()
	s.run("serial.md", "gateway")
}

// The centre of spool.md does not answer, and three events wait for it.
func TestSpool(t *testing.T) {
	s := newSite(t)
	h := s.at("gateway")
	h.install()
	kit.Write(t, h.dir, "etc/runnel/conf.d/central.toml", "[[uplink]]\nname = \"central\"\nurl = [\"tcp://"+h.address+":9\"]\n"+
		"[[uplink.export]]\ntopic = \"com.example.\"\nmatch = \"prefix\"\nstore = \"disk\"\n")
	h.foreground("runnel reload")
	for range 3 {
		h.foreground("runnel pub com.example.weather 21.5 --ack")
	}
	s.run("spool.md", "gateway")
}

func TestHTTP(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
	s := newSite(t)
	h := s.at("gateway")
	h.install()
	s.run("http.md", "gateway")
	h.programs("http.md")
}

// These pages have commands for a running gateway.
func TestAtTheGateway(t *testing.T) {
	for _, page := range []string{"config.md", "maintenance.md", "operations.md"} {
		t.Run(page, func(t *testing.T) {
			s := newSite(t)
			s.at("gateway").install()
			s.run(page, "gateway")
		})
	}
}

func TestFederation(t *testing.T) {
	for _, tool := range []string{"openssl", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	s := newSite(t)
	h := s.at("centre")
	h.foreground("runnel init centre --yes")
	h.foreground("cp /etc/runnel/runnel.crt router.pem")
	s.run("federation.md", "centre")
}

// security.md extends one file, block by block. Passwords, keys and fingerprints are those of this run.
func TestSecurity(t *testing.T) {
	s := newSite(t)
	h := s.at("gateway")
	etc := filepath.Join(h.dir, "etc/runnel")
	kit.Certificates(t, etc, h.address, "router", "gw-002.example.com")
	for _, name := range []string{"ca.pem", "gw-002.example.com.pem", "gw-002.example.com.key"} {
		kit.Must(t, os.Symlink(filepath.Join(etc, name), filepath.Join(h.dir, strings.Replace(name, ".example.com", "", 1))))
	}
	for _, file := range []string{"password", "etc/runnel/browser.ticket", "etc/runnel/central.password"} {
		kit.Write(t, h.dir, file, password+"\n")
	}
	socket := "unix://" + filepath.Join(h.dir, "operator.sock")
	kit.Write(t, etc, "conf.d/listeners.toml", "[[listen]]\nurl = \""+socket+"\"\nanonymous = \"operator\"\n"+
		"[[listen]]\nurl = \"tcp://"+h.address+":8080\"\n")
	h.env = append(h.env, "RUNNEL_URL="+socket)
	file := filepath.Join(etc, "runnel.toml")
	for _, b := range read(t, "security.md") {
		switch {
		case b.reason != "":
		case b.kind == shell:
			h.execute(b)
		case b.kind == toml:
			now, _ := os.ReadFile(file)
			kit.Must(t, os.WriteFile(file, append(now, h.secured(b.text)...), 0o600))
			if len(h.running) == 0 {
				h.route("runnel run")
			} else {
				h.foreground("runnel reload")
			}
		}
	}
}

var (
	scram     = regexp.MustCompile(`scram = \{.*`)
	publicKey = regexp.MustCompile(`ssh-ed25519 \S+ pump-8`)
)

// secured returns a block of security.md with the output of its commands, and with the paths of this machine.
func (h *host) secured(text string) string {
	for _, made := range []*regexp.Regexp{scram, publicKey} {
		if found := made.FindString(h.made); found != "" {
			text = made.ReplaceAllLiteralString(text, found)
		}
	}
	return strings.NewReplacer("0.0.0.0", h.address, "/run/runnel", h.dir).Replace(h.typed(text)) + "\n"
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
			first, _, _ := strings.Cut(b.text, "\n")
			if file := cmp.Or(written.FindString(b.before), written.FindString(first)); file != "" {
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
	reads    = regexp.MustCompile(`^(sudo )?runnel (fleet|queue) ls`)
	packaged = regexp.MustCompile(`apt install \./runnel`)
)

// printedSoFar returns the output of the programs in the background.
func (h *host) printedSoFar() (text string) {
	for _, p := range h.running {
		text += h.shown(p.Stdout.Text())
	}
	return text
}

// execute types the commands of a block in order, and compares their output with the lines below each.
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
		if b.differs {
			shows = ""
		}
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
			h.stopProgram(p)
		default:
			got := h.foreground(typed)
			kit.Eventually(h.t, typed+" to print\n"+shows, func() bool {
				if missing(shows, got+h.printedSoFar()) == "" {
					return true
				}
				if reads.MatchString(typed) { // and may be repeated until the state is reached
					got = h.foreground(typed)
				}
				return false
			}, func() string {
				return "it prints\n" + got + "\nfirst difference: " + missing(shows, got)
			})
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
	{regexp.MustCompile(` up .*:.*$`), " up ADDRESS VERSION BOARD TIME"}, // of a gateway
	{regexp.MustCompile(`--pin [0-9a-f]+\.\.\.`), "--pin SHA256"},
	{regexp.MustCompile(`(\d[\d.]*(µs|ms|s|m|h|B|kB)?)+`), "N"},
	{regexp.MustCompile(`\bsudo `), ""},
	{regexp.MustCompile(`\s+`), " "},
}

// elsewhere begins a line that is printed only if the router listens to all networks.
const elsewhere = "If a gateway cannot resolve the name"

// missing returns the first line of a page's output that a real output lacks after the preceding lines. Figures and
// names that differ from run to run are not compared.
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
