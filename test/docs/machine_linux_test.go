package docs

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/serial/pty"
)

// site holds the machines of a page. They share the files that the user copies between them.
type site struct {
	t          *testing.T
	machines   map[string]*host
	pin, token string // as last printed
}

// host is a machine of a page: a directory with its files, and an address of the loopback network, so that the ports of the
// page are free.
type host struct {
	*site
	name, dir, address string
	env                []string
	running            []*program.Process
	made               string // the output of passwd and keygen
}

// password is typed where runnel passwd asks for one.
const password = "correct horse"

func newSite(t *testing.T) *site { return &site{t: t, machines: map[string]*host{}} }

func (s *site) at(name string) *host {
	if h := s.machines[name]; h != nil {
		return h
	}
	h := &host{site: s, name: name, dir: kit.ShortDir(s.t), address: fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))}
	for _, dir := range []string{"etc/runnel/conf.d", "dev", "bin", "home", "tmp"} {
		kit.Must(s.t, os.MkdirAll(filepath.Join(h.dir, dir), 0o700))
	}
	h.script("bin/runnel", "exec "+strings.Join(absolute(s.t), " ")+` "$@"`)
	h.script("bin/sudo", `if [ "$1" = -u ]; then shift 2; fi; exec "$@"`)
	h.script("bin/chgrp", "exit 0")            // the group runnel does not exist
	h.script("bin/systemctl", "runnel reload") // in place of a reload or a restart of the service
	h.env = append(runnel.Command().Env, "PATH="+filepath.Join(h.dir, "bin")+":"+os.Getenv("PATH"), "HOME="+filepath.Join(h.dir, "home"),
		"TMPDIR="+filepath.Join(h.dir, "tmp"), "XDG_RUNTIME_DIR="+h.dir, "RUNNEL_CONFIG="+filepath.Join(h.dir, "etc/runnel/runnel.toml"))
	s.machines[name] = h
	s.t.Cleanup(h.stop)
	return h
}

func absolute(t *testing.T) (line []string) {
	for _, word := range runnel {
		if path, err := filepath.Abs(word); err == nil && strings.Contains(word, "/") {
			word = path
		}
		line = append(line, word)
	}
	return line
}

func (h *host) script(name, text string) {
	kit.Must(h.t, os.WriteFile(filepath.Join(h.dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700))
}

// stop ends the programs in the background, the router last.
func (h *host) stop() {
	for i := len(h.running) - 1; i >= 0; i-- {
		h.stopProgram(h.running[i])
	}
}

// stopProgram ends a program.
func (h *host) stopProgram(p *program.Process) {
	syscall.Kill(-p.PID(), syscall.SIGTERM)
	if _, err := p.Wait(); err != nil {
		h.t.Error(err)
	}
}

// configure writes the file that the router begins with, changed so that it needs neither root nor a free port.
func (h *host) configure(config string) {
	socket := filepath.Join(h.dir, "etc/runnel/runnel.sock")
	config = strings.NewReplacer("127.0.0.1", h.address, `"unix:///run/runnel/runnel.sock"`, `"unix://`+socket+`"`, `"unix://"`, `"unix://`+socket+`"`,
		"/var/lib/runnel", filepath.Join(h.dir, "data")).Replace(config)
	kit.Write(h.t, h.dir, "etc/runnel/runnel.toml", config)
	h.env = append(h.env, "RUNNEL_URL=unix://"+socket)
}

// install simulates the installation of a package: there is an unedited configuration, and the router runs. The
// packages' own file names the port and the socket of the real system.
func (h *host) install() {
	h.foreground("runnel init standalone --yes --listen tcp://" + h.address + ":8080")
	h.env = append(h.env, "RUNNEL_URL=unix://"+filepath.Join(h.dir, "etc/runnel/runnel.sock"))
	h.route("runnel run")
}

// plug simulates an Arduino that prints a line of JSON, until the test ends.
func (h *host) plug(port string) {
	device, err := pty.Plug(filepath.Join(h.dir, port))
	kit.Must(h.t, err)
	done := make(chan struct{})
	h.t.Cleanup(func() { close(done); device.Close() })
	go func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				io.WriteString(device, "{\"celsius\": 21.48}\r\n")
			case <-done:
				return
			}
		}
	}()
}

// shell prepares a command of the page.
func (h *host) shell(line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", h.typed(line))
	cmd.Dir, cmd.Env = h.dir, h.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

var (
	pinned    = regexp.MustCompile(`--pin [0-9a-f]+\S*`)
	tokened   = regexp.MustCompile(`--token runnel-\S+`)
	centreURL = regexp.MustCompile(`tls://centre\.(local|example\.com):8443`)
	pinShown  = regexp.MustCompile(`--pin ([0-9a-f]{64})`)
	newToken  = regexp.MustCompile(`(?m)^runnel-[0-9a-f]{8}-\S+$`)
)

// typed returns a command with the paths of this machine, and with earlier output of the page.
func (h *host) typed(line string) string {
	if strings.Contains(line, "--pin") {
		line = pinned.ReplaceAllString(line, "--pin "+h.pin)
		line = tokened.ReplaceAllString(line, "--token "+h.token)
		line = centreURL.ReplaceAllString(line, "tls://"+h.at("centre").address+":8443")
		line += " --listen tcp://" + h.address + ":8080"
	}
	if strings.Contains(line, "init centre") {
		line += fmt.Sprintf(" --id %s --listen tls://%s:8443,tcp://%s:8080", h.name, h.address, h.address)
	}
	if strings.Contains(line, "serial add /dev") && !strings.Contains(line, "--profile") {
		line += " --each 10s" // it ends as soon as it knows the format
	}
	if strings.HasPrefix(line, "runnel passwd") {
		line = "echo '" + password + "' | " + line
	}
	return strings.NewReplacer("/etc/runnel", h.dir+"/etc/runnel", "/dev/tty", h.dir+"/dev/tty", "127.0.0.1", h.address, "tar -C / ", "tar -C "+h.dir+" ",
		`usb = { vid = "2341", pid = "0043" }`, `device = "`+h.dir+`/dev/ttyACM0"`, "gw-001.local", h.address, "tls://central.example.com:8443", "tcp://"+h.address+":9").Replace(line)
}

// shown is an output as the page could show it.
func (h *host) shown(out string) string {
	socket := "unix://" + h.dir + "/etc/runnel/runnel.sock"
	return strings.NewReplacer(" --url "+socket, "", socket, "unix:///run/runnel/runnel.sock", h.dir, "",
		"--centre tls://"+h.address, "--centre tls://centre.local", "tls://"+h.address, "tls://0.0.0.0", h.address, "127.0.0.1").Replace(out)
}

// foreground runs a command to its end and returns its output.
func (h *host) foreground(line string) string {
	h.t.Helper()
	p, err := program.Start(h.shell(line))
	kit.Must(h.t, err)
	status, err := p.Wait()
	kit.Must(h.t, err)
	if denied := strings.Contains(line, "check --explain") || strings.Contains(line, "status --url tcp://"); status != 0 && !denied { // a denial is an answer
		h.t.Fatalf("at the %s: %s: status %d\n%s", h.name, line, status, p)
	}
	all := p.Stdout.Text() + p.Stderr.Text()
	if strings.Contains(line, "runnel passwd") || strings.Contains(line, "runnel keygen") {
		h.made += all
	}
	if found := pinShown.FindStringSubmatch(all); found != nil {
		h.pin = found[1]
	}
	if found := newToken.FindString(all); found != "" {
		h.token = found
	}
	return h.shown(p.Stderr.Text() + p.Stdout.Text())
}

// background starts a command that does not end by itself.
func (h *host) background(line string) *program.Process {
	h.t.Helper()
	p, err := program.Start(h.shell("exec " + line)) // the program, not a shell, dies with the test
	kit.Must(h.t, err)
	h.running = append(h.running, p)
	return p
}

// route starts the router and waits until it answers.
func (h *host) route(line string) {
	h.t.Helper()
	p := h.background(line)
	kit.Eventually(h.t, line+" to answer", func() bool { return h.interest() != "" }, p.String)
}

// serve starts a command that subscribes or registers, and waits until it has done so.
func (h *host) serve(line string) {
	h.t.Helper()
	before := ""
	kit.Eventually(h.t, "the router's state", func() bool { before = h.interest(); return before != "" })
	p := h.background(line)
	kit.Eventually(h.t, line+" to subscribe or register", func() bool {
		now := h.interest()
		return now != "" && now != before
	}, p.String)
}

var realm = regexp.MustCompile(`(?m)^realm1 +\d+ +(\d+ +\d+)`)

// interest is the number of subscriptions and registrations, or "" if the router does not answer.
func (h *host) interest() string {
	out, _ := h.shell("runnel status").Output()
	if found := realm.FindSubmatch(out); found != nil {
		return string(found[1])
	}
	return ""
}
