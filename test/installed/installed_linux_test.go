package installed

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A fresh installation runs, its unit is hardened, its files have the right owners, and purging it leaves no files.
func TestInstallAndPurge(t *testing.T) {
	needsMachines(t)
	m := boot(t, newNetwork(t), "gateway")
	const files = "find / -xdev -not -path '/proc/*' -not -path '/sys/*' -not -path '/run/*' -not -path '/tmp/*' " +
		"-not -path '/var/log/*' -not -path '/var/cache/*' -not -path '/var/lib/apt/*' -not -path '/var/lib/dpkg/*' " +
		"-not -path '/var/lib/systemd/*' -not -path '/root/*' | sort"
	before := m.run(t, files)
	m.gets(t, packages[1])
	m.types(t, "apt-get install -y ./"+filepath.Base(packages[1]))
	m.until(t, "systemctl is-active runnel", "active")
	m.until(t, "runnel status", "realm1")
	if out := m.run(t, "stat -c '%U:%G %a' /run/runnel/runnel.sock"); out != "runnel:runnel 660" {
		t.Errorf("socket: %s", out)
	}
	if out := m.run(t, "systemd-analyze verify runnel.service 2>&1; true"); strings.Contains(out, "runnel.service") {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	exposure := regexp.MustCompile(`exposure level for runnel.service: ([0-9.]+)`).FindStringSubmatch(
		m.run(t, "systemd-analyze security --no-pager runnel.service; true"))
	if exposure == nil {
		t.Error("systemd-analyze security says nothing")
	} else if level, _ := strconv.ParseFloat(exposure[1], 64); level > 2.0 {
		t.Errorf("exposure level %s, at most 2.0", exposure[1])
	}
	m.run(t, "man -w runnel >/dev/null 2>&1 || test -e /usr/share/man/man1/runnel.1.gz")

	m.types(t, "apt-get purge -y runnel")
	if after := m.run(t, files); after != before {
		t.Errorf("files before and after:\n%s", difference(before, after))
	}
	if out, err := m.try("getent passwd runnel || getent group runnel"); err == nil {
		t.Errorf("the user is still there: %s", out)
	}
	if out, _ := m.try("systemctl is-active runnel"); out != "inactive" {
		t.Errorf("the service is %s", out)
	}
}

// An upgrade while events are published keeps configuration and data, and loses no acknowledged event.
func TestUpgradeUnderLoad(t *testing.T) {
	needsMachines(t)
	n := newNetwork(t)
	centre := boot(t, n, "centre")
	gateway := boot(t, n, "gateway", "10.99.0.1 centre")
	for _, m := range []*machine{centre, gateway} {
		m.gets(t, packages[0])
		m.run(t, "apt-get install -y ./"+filepath.Base(packages[0]))
	}
	centre.write(t, "/etc/runnel/conf.d/listen.toml", "[[listen]]\nurl = \"tcp://10.99.0.1:7000\"\n")
	centre.run(t, "systemctl reload runnel")
	gateway.write(t, "/etc/runnel/conf.d/central.toml", "[[uplink]]\nname = \"central\"\nurl = [\"tcp://centre:7000\"]\n"+
		"  [[uplink.export]]\n  topic = \"com.example.\"\n  match = \"prefix\"\n  store = \"durable\"\n")
	gateway.run(t, "systemctl reload runnel")
	centre.run(t, "systemd-run --unit=subscriber sh -c 'exec runnel sub com.example. --match prefix --json >/root/events'")
	centre.until(t, "runnel call wamp.subscription.match com.example.count", "[")
	gateway.until(t, "runnel status", "up")

	const events = 3000
	gateway.run(t, "systemd-run --unit=publisher sh -c 'seq "+strconv.Itoa(events)+
		" | while read n; do echo $n; sleep 0.003; done | runnel pub com.example.count --stdin --ack'")
	centre.until(t, "cat /root/events", "com.example.count")
	gateway.gets(t, packages[1])
	gateway.run(t, "apt-get install -y ./"+filepath.Base(packages[1]))
	if out := gateway.run(t, "runnel version"); !strings.Contains(out, "1.0.1") {
		t.Errorf("version after the upgrade: %s", out)
	}
	gateway.until(t, "systemctl is-active publisher || true", "inactive")
	seen := map[string]bool{}
	wait(t, "all events at the centre", func() bool {
		for _, found := range regexp.MustCompile(`"args":\["?(\d+)"?\]`).FindAllStringSubmatch(centre.run(t, "cat /root/events"), -1) {
			seen[found[1]] = true
		}
		return len(seen) == events
	}, func() string { return strconv.Itoa(len(seen)) + " of them came; " + gateway.run(t, "runnel status") })
	if out := gateway.run(t, "ls /etc/runnel/conf.d"); out != "central.toml" {
		t.Errorf("conf.d after the upgrade: %s", out)
	}
}

// difference shows the lines that only one of two sorted listings has.
func difference(a, b string) string {
	in := map[string]int{}
	for line := range strings.Lines(a + "\n") {
		in[line]++
	}
	for line := range strings.Lines(b + "\n") {
		in[line]--
	}
	var out strings.Builder
	for line, n := range in {
		switch {
		case n > 0:
			out.WriteString("gone: " + line)
		case n < 0:
			out.WriteString("left: " + line)
		}
	}
	return out.String()
}
