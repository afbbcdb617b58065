package installed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
)

// patience is how long a test waits for a condition. No test measures time.
const patience = 2 * time.Minute

// base is the root file system of Debian 12 that every machine is a copy of.
var base string

// packages are the .deb files to install, the older version first.
var packages [2]string

// network connects the machines of a test.
type network struct {
	name     string
	machines int
}

// newNetwork makes a bridge in a network namespace of its own. It has no way out.
func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{name: fmt.Sprintf("runnel%d", os.Getpid())}
	host(t, "ip", "netns", "add", n.name)
	t.Cleanup(func() { exec.Command("ip", "netns", "del", n.name).Run() })
	host(t, "ip", "-n", n.name, "link", "add", "bridge", "type", "bridge")
	host(t, "ip", "-n", n.name, "link", "set", "bridge", "up")
	return n
}

// machine is a booted Debian with systemd. Its methods belong to the test's goroutine.
type machine struct {
	name  string
	root  string
	init  int // the process id of its systemd, seen from here
	typed int // commands that a user has typed
}

// namespace makes a network namespace with nothing but the loopback interface. The machine's name is in its name.
func (n *network) namespace(t *testing.T, machine string) string {
	t.Helper()
	space := n.name + machine
	host(t, "ip", "netns", "add", space)
	t.Cleanup(func() { exec.Command("ip", "netns", "del", space).Run() })
	host(t, "ip", "-n", space, "link", "set", "lo", "up")
	return space
}

// plug connects a machine with the network. The machine may run.
func (n *network) plug(t *testing.T, machine string) {
	t.Helper()
	n.machines++
	space := n.name + machine
	host(t, "ip", "-n", n.name, "link", "add", machine, "type", "veth", "peer", "name", "host0", "netns", space)
	host(t, "ip", "-n", n.name, "link", "set", machine, "master", "bridge", "up")
	host(t, "ip", "-n", space, "address", "add", fmt.Sprintf("10.99.0.%d/24", n.machines), "dev", "host0")
	host(t, "ip", "-n", space, "link", "set", "host0", "up")
}

// boot starts a machine with an address in the network, and waits until its services run. hosts are lines of /etc/hosts.
func boot(t *testing.T, n *network, name string, hosts ...string) *machine {
	t.Helper()
	m := newMachine(t, name, hosts...)
	space := n.namespace(t, name)
	n.plug(t, name)
	m.boot(t, space)
	return m
}

// newMachine makes a machine that does not run yet.
func newMachine(t *testing.T, name string, hosts ...string) *machine {
	t.Helper()
	m := &machine{name: name, root: filepath.Join(t.TempDir(), name)}
	host(t, "cp", "-a", base, m.root)
	m.write(t, "/etc/hostname", name+"\n")
	m.write(t, "/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 "+name+"\n"+strings.Join(hosts, "\n")+"\n")
	return m
}

// install installs a package before the machine's first boot, as in an image for an SD card.
func (m *machine) install(t *testing.T, path string) {
	t.Helper()
	m.gets(t, path)
	host(t, "chroot", m.root, "/usr/bin/env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--install", "/root/"+filepath.Base(path))
}

// boot starts the machine in a network namespace, with more options of systemd-nspawn, and waits until its services run.
func (m *machine) boot(t *testing.T, space string, options ...string) {
	t.Helper()
	nspawn := exec.Command("systemd-nspawn", append([]string{"--quiet", "--directory=" + m.root, "--boot", "--register=no", "--keep-unit",
		"--network-namespace-path=/run/netns/" + space, "--resolv-conf=off", "--console=pipe"}, options...)...)
	var console bytes.Buffer
	nspawn.Stdout, nspawn.Stderr = &console, &console
	nspawn.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { nspawn.Wait(); close(ended) }()
	t.Cleanup(func() {
		if m.init != 0 {
			syscall.Kill(m.init, syscall.SIGKILL) // PID 1 of a container takes the others with it
		} else {
			nspawn.Process.Kill()
		}
		<-ended
		if t.Failed() {
			t.Logf("console of %s:\n%s", m.name, &console)
		}
	})
	wait(t, m.name+" to boot", func() bool {
		select {
		case <-ended:
			t.Fatalf("systemd-nspawn ended:\n%s", &console)
		default:
		}
		if m.init == 0 {
			out, _ := exec.Command("pgrep", "-P", strconv.Itoa(nspawn.Process.Pid), "-x", "systemd").Output()
			m.init, _ = strconv.Atoi(strings.TrimSpace(string(out)))
			return false
		}
		out, _ := m.try("systemctl is-system-running")
		return out == "running" || out == "degraded"
	})
}

// try runs a shell script in the machine, as root in root's home directory, and returns its output.
func (m *machine) try(script string) (string, error) {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	c := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(m.init), "--all",
		"/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
		"/bin/sh", "-c", "cd /root; "+script)
	out, err := c.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// run is try for a script that must succeed.
func (m *machine) run(t *testing.T, script string) string {
	t.Helper()
	out, err := m.try(script)
	if err != nil {
		journal, _ := m.try("journalctl --no-pager -n 30")
		t.Fatalf("%s: %s: %v\n%s\njournal:\n%s", m.name, script, err, out, journal)
	}
	return out
}

// types is run for a command that a user types. The test counts them.
func (m *machine) types(t *testing.T, command string) string {
	t.Helper()
	m.typed++
	out := m.run(t, command)
	t.Logf("%s$ %s\n%s", m.name, command, out)
	return out
}

// until runs a script until it succeeds and prints text.
func (m *machine) until(t *testing.T, script, text string) {
	t.Helper()
	var out string
	var err error
	wait(t, fmt.Sprintf("%s: %s to print %q", m.name, script, text), func() bool {
		out, err = m.try(script)
		return err == nil && strings.Contains(out, text)
	}, func() string {
		journal, _ := m.try("journalctl --no-pager -n 30")
		return fmt.Sprintf("%v\n%s\njournal:\n%s", err, out, journal)
	})
}

// write writes a file of the machine, which need not run.
func (m *machine) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(m.root, path), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// gets copies a file into root's home directory.
func (m *machine) gets(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, "/root/"+filepath.Base(path), string(b))
}

// wait waits for a condition; details explains a timeout.
func wait(t *testing.T, what string, met func() bool, details ...func() string) {
	t.Helper()
	kit.Within(t, patience, 200*time.Millisecond, what, met, details...)
}

// host runs a command here.
func host(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}
