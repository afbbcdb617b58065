package installed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fault is a fault that occurs in the field. Its scripts run as root.
type fault struct {
	name   string
	breaks string // while the router is stopped, as if it had happened before a boot
	mends  string // while the router runs
	status string // printed by "runnel status" meanwhile
	doctor string // printed by "runnel doctor" meanwhile
}

// mountData makes the data directory a disk of its own, which can be full or read-only.
const mountData = "mount -t tmpfs -o size=64m,mode=750,uid=runnel,gid=runnel tmpfs /var/lib/runnel && "

var faults = []fault{
	{
		name:   "a broken file of conf.d",
		breaks: "echo nonsense >/etc/runnel/conf.d/broken.toml",
		mends:  "rm /etc/runnel/conf.d/broken.toml",
		status: "/etc/runnel/conf.d/broken.toml:1:",
		doctor: "/etc/runnel/conf.d/broken.toml:1: not valid TOML",
	},
	{
		name:   "a file of conf.d that only root can read",
		breaks: "cd /etc/runnel/conf.d && echo >private.toml && chmod 600 private.toml",
		mends:  "chmod 640 /etc/runnel/conf.d/private.toml",
		status: "/etc/runnel/conf.d/private.toml",
		doctor: "open /etc/runnel/conf.d/private.toml: permission denied",
	},
	{
		name:   "a taken port",
		breaks: "systemctl start mosquitto; printf '[[listen]]\\nurl = \"tcp://127.0.0.1:1883\"\\n' >/etc/runnel/conf.d/port.toml",
		mends:  "systemctl stop mosquitto",
		status: "listen tcp 127.0.0.1:1883: bind: address already in use",
		doctor: "listener tcp://127.0.0.1:1883: the port is taken by mosquitto",
	},
	{
		name:   "a full disk",
		breaks: mountData + "{ head -c 64m /dev/zero >/var/lib/runnel/fill 2>/dev/null || true; }",
		mends:  "rm /var/lib/runnel/fill",
		status: "too little free space on disk: 0 bytes",
		doctor: "disk: /var/lib/runnel: only 0 of 64 MB are free",
	},
	{
		name:   "a read-only disk",
		breaks: "umount /var/lib/runnel && " + mountData + "mount -o remount,ro /var/lib/runnel",
		mends:  "mount -o remount,rw /var/lib/runnel && systemctl restart runnel", // whose own mount stays read-only
		status: "read-only file system",
		doctor: "disk: /var/lib/runnel: the file system is mounted read-only",
	},
}

// With each of the faults, such as a missing network, a gateway boots and routes between its own programs. It reports
// the fault and recovers once the fault ends. It does so by itself, except for the read-only disk.
func TestFieldFaults(t *testing.T) {
	needsMachines(t)
	n := newNetwork(t)
	m := newMachine(t, "gateway", "10.99.0.99 centre")
	m.install(t, packages[1])
	centralUplink(t, m)
	m.boot(t, n.namespace(t, m.name))
	events := centre(t, n, m)

	t.Run("no network at boot", func(t *testing.T) {
		m.routes(t)
		m.until(t, "runnel status", "network is unreachable")
		m.until(t, "runnel doctor || true", "uplink central, tcp://centre:7000: there is no route to the centre")
		m.run(t, "runnel pub com.example.kept 21.5 --ack")
		n.plug(t, m.name)
		m.until(t, "runnel doctor", ": healthy")
		wait(t, "the event that was kept", func() bool {
			b, _ := os.ReadFile(events)
			return strings.Contains(string(b), "21.5")
		})
	})
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			m.run(t, "systemctl stop runnel; "+f.breaks)
			m.run(t, "systemctl start runnel")
			m.routes(t)
			m.until(t, "runnel status", f.status)
			m.until(t, "runnel doctor || true", f.doctor)
			m.run(t, f.mends)
			m.healthy(t)
			m.routes(t)
		})
	}
}

// A gateway boots and routes with a root file system that is mounted read-only, as it is after errors of an SD card.
func TestReadOnlyRoot(t *testing.T) {
	needsMachines(t)
	n := newNetwork(t)
	m := newMachine(t, "gateway")
	m.install(t, packages[1])
	centralUplink(t, m)
	m.boot(t, n.namespace(t, m.name), "--read-only")
	if out, err := m.try("touch /var/lib/runnel/x"); err == nil {
		t.Fatalf("the data directory can be written to: %s", out)
	}
	m.routes(t)
	m.until(t, "runnel status", "read-only file system")
	m.until(t, "runnel doctor || true", "disk: /var/lib/runnel: the file system is mounted read-only")

	m.run(t, "mount -o remount,bind,rw / && systemctl restart runnel")
	m.routes(t)
	m.run(t, "runnel pub com.example.kept 21.5 --ack")
	if out := m.run(t, "runnel doctor || true"); strings.Contains(out, "read-only") {
		t.Errorf("the fault is gone, but runnel doctor says\n%s", out)
	}
}

// centralUplink configures a link whose events are durable.
func centralUplink(t *testing.T, m *machine) {
	t.Helper()
	m.write(t, "/etc/runnel/conf.d/central.toml", "[[uplink]]\nname = \"central\"\nurl = [\"tcp://centre:7000\"]\n"+
		"  [[uplink.export]]\n  topic = \"com.example.\"\n  match = \"prefix\"\n  store = \"durable\"\n")
}

// centre starts a router in the network, beside the machines, and returns the file to which a subscriber writes its events.
func centre(t *testing.T, n *network, m *machine) (events string) {
	t.Helper()
	dir := t.TempDir()
	host(t, "ip", "-n", n.name, "link", "set", "lo", "up")
	host(t, "ip", "-n", n.name, "address", "add", "10.99.0.99/24", "dev", "bridge")
	config, events := filepath.Join(dir, "centre.toml"), filepath.Join(dir, "events")
	text := "[node]\ndata = \"data\"\n[[realm]]\nname = \"realm1\"\nanonymous = \"all\"\n[[realm.role]]\nname = \"all\"\nforward = true\n" +
		"[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\", \"subscribe\", \"call\", \"register\"]\n" +
		"[[listen]]\nurl = \"tcp://10.99.0.99:7000\"\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(m.root, "usr/bin/runnel")
	out, err := os.Create(events)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	run := func(args ...string) *exec.Cmd {
		return exec.Command("ip", append([]string{"netns", "exec", n.name, program}, args...)...)
	}
	begin := func(c *exec.Cmd) {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Process.Signal(syscall.SIGTERM); c.Wait() })
	}
	begin(run("run", "-c", config))
	wait(t, "the centre to listen", func() bool { return run("call", "wamp.session.count", "--url", "tcp://10.99.0.99:7000").Run() == nil })
	subscriber := run("sub", "com.example.", "--match", "prefix", "--json", "--url", "tcp://10.99.0.99:7000")
	subscriber.Stdout = out
	begin(subscriber)
	return events
}

// routes checks that an event gets from a publisher to a subscriber over the machine's Unix socket.
func (m *machine) routes(t *testing.T) {
	t.Helper()
	m.until(t, "runnel version", "runnel")
	m.until(t, "systemctl is-active runnel", "active")
	m.run(t, `export RUNNEL_URL=unix:///run/runnel/runnel.sock; rm -f /run/got
		runnel sub com.local.x -n 1 >/run/got &
		until runnel call wamp.subscription.match com.local.x 2>/dev/null | grep -q '[0-9]'; do sleep 0.1; done
		runnel pub com.local.x hello --ack && wait && grep hello /run/got`)
}

// healthy waits until neither the router nor the doctor has anything to report.
func (m *machine) healthy(t *testing.T) {
	t.Helper()
	m.until(t, "runnel doctor", ": healthy")
	m.until(t, "runnel status --json | tr -d ' \n'", `"faults":[]`)
}
