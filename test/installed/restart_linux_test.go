package installed

import (
	"regexp"
	"strconv"
	"testing"
)

// A service that cannot start is restarted after growing pauses. It starts at once when a user has removed the cause.
func TestRestartsSlowDown(t *testing.T) {
	needsMachines(t)
	n := newNetwork(t)
	m := newMachine(t, "gateway")
	m.install(t, packages[1])
	m.boot(t, n.namespace(t, m.name))
	m.routes(t)
	m.run(t, "mv /etc/runnel/runnel.toml /root/ && echo nonsense >/etc/runnel/runnel.toml && rm -rf /var/lib/runnel/* && systemctl restart --no-block runnel")

	ended := regexp.MustCompile(`(?m)^\[? *([0-9.]+)\]? .*runnel\.service: Main process exited, code=exited, status=3`)
	var ends []float64 // seconds since the boot
	m.until(t, "journalctl --no-pager -o short-monotonic -u runnel | grep -c 'exited, code=exited, status=3' | sed 's/^[4-9]$/enough/'", "enough")
	for _, found := range ended.FindAllStringSubmatch(m.run(t, "journalctl --no-pager -o short-monotonic -u runnel"), -1) {
		at, _ := strconv.ParseFloat(found[1], 64)
		ends = append(ends, at)
	}
	for i, least := range []float64{5, 10, 20} { // the processes themselves take time
		if i+1 >= len(ends) || ends[i+1]-ends[i] < least-0.5 {
			t.Fatalf("the router ended at %v; the pauses must be 5 s, 10 s, 20 s", ends)
		}
	}
	m.until(t, "systemctl status --no-pager runnel || true", "Status: \"waiting ")
	if out := m.run(t, "journalctl --no-pager -b -t systemd | grep -i 'runnel.service.*unknown' || true"); out != "" {
		t.Errorf("systemd warns of the unit: %s", out)
	}

	m.run(t, "mv /root/runnel.toml /etc/runnel/runnel.toml")
	m.run(t, "systemctl restart runnel")
	m.routes(t)
	if out := m.run(t, "systemctl show -P NRestarts runnel"); out != "0" {
		t.Errorf("%s restarts after that of the user", out)
	}

	// A crash leaves the files in /run/runnel. The next process listens there.
	m.run(t, "systemctl kill --signal=KILL --kill-who=main runnel")
	m.until(t, "systemctl show -P NRestarts runnel", "1")
	m.routes(t)
}
