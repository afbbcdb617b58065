package stories

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runnel/test/kit"
)

// examine runs "runnel doctor --json" and returns the findings that count, as "check: object: text | remedy".
func examine(t *testing.T, file string, status int) (findings []string) {
	t.Helper()
	got := runnel(t, "doctor", "-c", file, "--json")
	var report struct {
		Healthy  bool
		Findings []struct{ Check, Level, Object, Text, Remedy string }
	}
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatalf("%v\n%s%s", err, got.stdout, got.stderr)
	}
	for _, f := range report.Findings {
		if f.Level != "note" {
			findings = append(findings, fmt.Sprintf("%s: %s: %s | %s", f.Check, f.Object, f.Text, f.Remedy))
		}
		if f.Remedy == "" {
			t.Errorf("no remedy: %v", f)
		}
	}
	if got.status != status || report.Healthy != (status == 0) {
		t.Errorf("status %d, healthy %v\n%s", got.status, report.Healthy, strings.Join(findings, "\n"))
	}
	return findings
}

// found checks that one of the findings holds all the texts.
func found(t *testing.T, findings []string, texts ...string) {
	t.Helper()
	for _, f := range findings {
		holds := true
		for _, text := range texts {
			holds = holds && strings.Contains(f, text)
		}
		if holds {
			return
		}
	}
	t.Errorf("no finding with %q in\n%s", texts, strings.Join(findings, "\n"))
}

// gatewayFile writes a gateway's configuration beside its key, and returns the file.
func gatewayFile(t *testing.T, more string) string {
	t.Helper()
	file := filepath.Join(place(t), "runnel.toml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(`version = 1
[node]
id = "gw-1"
data = "data"
`+kit.OpenRealm+`
[[listen]]
url = "unix://%s/runnel.sock"
`, filepath.Dir(file))+more), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func link(url string) string {
	return central(url) + `
[[uplink.export]]
procedure = "story.pump"
[[uplink.import]]
topic = "command."
match = "prefix"
`
}

// A healthy gateway has no findings. A missing permission at the centre is a finding, with the URI and the lines to
// add.
func TestDoctorOfALink(t *testing.T) {
	centre := serve(t, "")
	file := gatewayFile(t, link(centre.tcp))
	p := start(t, "run", "-c", file)
	p.logs("link is up")
	examine(t, file, 0)
	runnel(t, "doctor", "-c", file).expect(t, 0, "healthy", "")

	narrow := serve(t, `
[[realm.role.permission]]
uri = "story."
match = "prefix"
allow = ["subscribe", "call"]
[[realm.role.permission]]
uri = "command."
match = "prefix"
allow = ["publish"]
`)
	findings := examine(t, gatewayFile(t, link(narrow.tcp)), 1)
	found(t, findings, "uplink: uplink central", "publish story., register story.pump, subscribe command.")
	pasted := remedyOf(t, gatewayFile(t, link(narrow.tcp)), "does not permit")
	for _, text := range []string{"/etc/runnel/conf.d/permit-gw-1-central.toml", "runnel reload", "uri = \"story.\"\n    match = \"prefix\"\n    allow = [\"publish\", \"register\"]"} {
		if !strings.Contains(pasted, text) {
			t.Errorf("no %q in\n%s", text, pasted)
		}
	}

	// The remedy is a file that the centre can use unchanged. With it, no permission is missing.
	dir := place(t)
	write(t, dir, "runnel.toml", "version = 1\n[[realm]]\nname = \"realm1\"\nanonymous = \"any\"\n[[realm.role]]\nname = \"any\"\n[[realm.role.permission]]\nuri = \"wamp.\"\nmatch = \"prefix\"\nallow = [\"subscribe\", \"call\"]\n[[listen]]\nurl = \"tcp://127.0.0.1:0\"\n")
	if err := os.Mkdir(filepath.Join(dir, "conf.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	serving := func() string {
		return start(t, "run", "-c", filepath.Join(dir, "runnel.toml")).logs(`listening.*url=(tcp://\S+)`)[1]
	}
	write(t, dir, "conf.d/permit.toml", remedyOf(t, gatewayFile(t, link(serving())), "does not permit"))
	runnel(t, "check", "-c", filepath.Join(dir, "runnel.toml")).expect(t, 0, "is valid", "")
	examine(t, gatewayFile(t, link(serving())), 0)

	found(t, examine(t, gatewayFile(t, strings.Replace(link(narrow.tcp), "[[uplink.export]]", "remote_realm = \"other\"\n[[uplink.export]]", 1)), 1), `no realm "other"`)
	found(t, examine(t, gatewayFile(t, strings.Replace(link(narrow.tcp), "[[uplink.export]]", "authid = \"gw-1\"\nticket = \"x\"\n[[uplink.export]]", 1)), 1), "the centre rejects gw-1")
}

// The doctor finds faults of the machine and its network without a running router.
func TestDoctorOfAMachine(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	findings := examine(t, gatewayFile(t, fmt.Sprintf(`
[[listen]]
url = "tcp://%s"
[[serial]]
name = "gone"
device = "/dev/ttyGone0"
`, taken.Addr())+link("tls://centre.invalid:8443")), 1)
	found(t, findings, "listener: listener tcp://"+taken.Addr().String(), "the port is taken by")
	found(t, findings, "serial: serial line gone", "/dev/ttyGone0 is missing", "runnel serial ls")
	found(t, findings, "network: uplink central", "centre.invalid does not resolve")

	found(t, examine(t, gatewayFile(t, link(fmt.Sprintf("tcp://127.0.0.1:%d", kit.FreePort(t)))), 1), "uplink: uplink central", "connection refused")
	found(t, examine(t, gatewayFile(t, link("tls://"+taken.Addr().String())), 1), "uplink: uplink central")
	found(t, examine(t, gatewayFile(t, "bogus = 1\n"), 1), "config: ", "unknown key")
	found(t, examine(t, "/nowhere/runnel.toml", 1), "config: ", "no such file", "runnel init")
}

// An invalid configuration does not end the examination: the tables without problems are checked.
func TestDoctorOfAnInvalidConfiguration(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	const serial = "\n[[serial]]\nname = \"gone\"\ndevice = \"/dev/ttyGone0\"\n"
	for name, broken := range map[string]string{
		"syntax":  "[metrics\n",
		"value":   "[[listen]]\nurl = \"tcp://127.0.0.1:99999\"\n",
		"unknown": "[[listen]]\nurl = \"tcp://127.0.0.1:0\"\nbogus = 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := gatewayFile(t, "[[listen]]\nurl = \"tcp://"+free.Addr().String()+"\"\n"+serial+broken+link("tls://centre.invalid:8443"))
			findings := examine(t, file, 1)
			found(t, findings, "serial: serial line gone", "/dev/ttyGone0 is missing")
			found(t, findings, "listener: ", "the port is taken by")
			found(t, findings, "network: uplink central", "does not resolve")
			found(t, findings, "config: ", "the router cannot start with these files", "runnel check -c "+file)
			runnel(t, "check", "-c", file).expect(t, 3, "no router can start with it", file+":")
		})
	}

	// A part that a start can leave out does not keep the router from starting.
	owned := gatewayFile(t, "[[listen]]\nurl = \"unix://second.sock\"\nowner = \"no-such-user\"\n"+serial)
	leftOut := examine(t, owned, 1)
	found(t, leftOut, "config: ", "no-such-user")
	found(t, leftOut, "config: ", "a start leaves out what fails")
	found(t, leftOut, "serial: serial line gone", "/dev/ttyGone0 is missing")
	runnel(t, "check", "-c", owned).expect(t, 3, "a start leaves out what fails", "no-such-user")

	// A running router is not affected.
	file := gatewayFile(t, serial)
	p := start(t, "run", "-c", file)
	p.logs("msg=listening url=unix://")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, "[metrics\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	findings := examine(t, file, 1)
	found(t, findings, "config: ", "the router goes on with the configuration that it runs with", "runnel reload")
	found(t, findings, "router: serial line gone", "the port is not open")
}

// remedyOf returns the remedy of the finding whose text holds some text.
func remedyOf(t *testing.T, file, text string) string {
	t.Helper()
	var report struct {
		Findings []struct{ Text, Remedy string }
	}
	if err := json.Unmarshal([]byte(runnel(t, "doctor", "-c", file, "--json").stdout), &report); err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if strings.Contains(f.Text, text) {
			return f.Remedy
		}
	}
	t.Fatalf("no finding with %q", text)
	return ""
}
