// Package monitoring proves the files for Prometheus and Grafana with a real Prometheus: it reads two routers, evaluates the
// alert rules, and answers every query of the dashboard. It needs Debian's prometheus, so it runs only where RUNNEL_PROMETHEUS
// is set, and fails there without it.
package monitoring

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/test/devices"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/serial/pty"
)

const (
	files = "../../boards/packaging/monitoring/"
	rules = files + "runnel.rules.yml"
)

var runnel program.Binary

func TestMain(m *testing.M) {
	if os.Getenv("RUNNEL_PROMETHEUS") == "" {
		fmt.Println("RUNNEL_PROMETHEUS is not set: no Prometheus is started")
		return
	}
	kit.Main(m, kit.Programs("prometheus", "promtool"), program.BuiltPlain(&runnel))
}

// Each alert fires in its case, and not before. Prometheus's own tool tests this by series that it is given.
func TestRules(t *testing.T) {
	for _, args := range [][]string{{"check", "rules", rules}, {"test", "rules", "testdata/rules.test.yml"}} {
		if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// The dashboard and the rules use no metric that the documentation does not list. The documentation lists every rule.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	kit.Must(t, err)
	documentation := string(text)
	text, err = os.ReadFile(rules)
	kit.Must(t, err)
	expressions := queries(t)
	var alert string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "- alert: "); ok {
			alert = name
		}
		if expr, ok := strings.CutPrefix(line, "expr: "); ok {
			expressions = append(expressions, query{alert, expr})
			if row := fmt.Sprintf("| `%s` | `%s` |\n", alert, expr); !strings.Contains(documentation, row) {
				t.Errorf("docs/operations.md has no row that ends in %s", row)
			}
		}
	}
	for _, q := range expressions {
		for _, name := range regexp.MustCompile(`\b(runnel|process|go)_\w+`).FindAllString(q.expr, -1) {
			if !strings.Contains(documentation, "| `"+name+"` |") {
				t.Errorf("%s uses %s, which docs/operations.md does not list", q.panel, name)
			}
		}
	}
}

// Every query of the dashboard has a result at two real routers, every rule can be evaluated, and alerts begin: one for a
// certificate that expires within a day, and one for a centre that is killed.
func TestPrometheus(t *testing.T) {
	centre, centreMetrics := startCentre(t)
	gatewayMetrics := startGateway(t, centre.at)
	p := startPrometheus(t, centreMetrics, gatewayMetrics)

	p.eventually(t, "both routers are read", func() bool { return p.value("sum(up)") == "2" })
	for _, q := range queries(t) {
		if !slices.ContainsFunc(absent, func(name string) bool { return strings.Contains(q.expr, name) }) {
			p.eventually(t, q.panel+" has a value: "+q.expr, func() bool { return len(p.query(q.expr)) > 0 })
		}
	}
	p.eventually(t, "all rules are evaluated", func() bool {
		all := p.rules()
		for _, r := range all {
			if r.Health == "err" {
				t.Fatalf("%s: %s", r.Name, r.LastError)
			}
			if r.Health != "ok" {
				return false
			}
		}
		return len(all) > 0
	})
	p.eventually(t, "an alert for the certificate", func() bool { return p.alerts()["RunnelCertificateExpires"] == "firing" })

	centre.Signal(syscall.SIGKILL)
	p.eventually(t, "an alert for the centre", func() bool { return p.alerts()["RunnelDown"] != "" })
	p.eventually(t, "the gateway's uplink down", func() bool { return p.value("runnel_uplink_up") == "0" })
}

// centre is a running central router.
type centre struct {
	*program.Process
	at string // how an uplink reaches it
}

func startCentre(t *testing.T) (c centre, metrics string) {
	t.Helper()
	dir := t.TempDir()
	kit.Certificates(t, dir, "127.0.0.1", "centre")
	p, metrics := start(t, dir, `
[[realm.role]]
name = "gateway"
forward = true
[[realm.role.permission]]
uri = "com.example."
match = "prefix"
allow = ["publish"]
[[realm.principal]]
authid = "gw-1"
role = "gateway"
ticket = "the ticket of gw-1"
[[listen]]
url = "tls://127.0.0.1:0"
certificate = "centre.pem"
key = "centre.key"
`)
	at, err := p.Logs(`msg=listening url=(tls://\S+)`)
	kit.Must(t, err)
	return centre{p, fmt.Sprintf("url = %q\nca = %q\n", at[1], filepath.Join(dir, "ca.pem"))}, metrics
}

// startGateway runs a router with everything that has metrics: an uplink, a sensor that prints lines, a Modbus slave, and a
// durable subscription.
func startGateway(t *testing.T, centre string) (metrics string) {
	t.Helper()
	dir := kit.ShortDir(t)
	sensor := plug(t, filepath.Join(dir, "sensor"))
	meter := plug(t, filepath.Join(dir, "meter"))
	go answer(meter, devices.Slaves["sdm120"])
	_, metrics = start(t, dir, `
[node]
data = "data"
[[realm.durable]]
name = "archive"
uri = "com.example.kept"
[[listen]]
url = "unix://runnel.sock"
[[serial]]
name = "sensor"
device = "sensor"
mode = "lines"
format = "json"
topic = "com.example.sensor"
realm = "realm1"
role = "guest"
[[serial]]
name = "meter"
device = "meter"
profile = "sdm120"
topic = "com.example.meter"
realm = "realm1"
role = "guest"
[[uplink]]
name = "central"
realm = "realm1"
authid = "gw-1"
ticket = "the ticket of gw-1"
`+centre+`
[[uplink.export]]
topic = "com.example."
match = "prefix"
`)
	go func() {
		for {
			if _, err := sensor.Write([]byte("{\"celsius\": 21.5}\n")); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond) // ten readings a second until the test ends
		}
	}()
	return metrics
}

// start runs a router until the test's end, and returns the address of its metrics.
func start(t *testing.T, dir, config string) (p *program.Process, metrics string) {
	t.Helper()
	file := kit.Write(t, dir, "runnel.toml", "version = 1\n"+kit.OpenRealm+config+"[metrics]\nurl = \"http://127.0.0.1:0/metrics\"\n")
	p = run(t, runnel.Command("run", "-c", file))
	at, err := p.Logs(`msg=metrics url=http://(\S+)/metrics`)
	kit.Must(t, err)
	return p, at[1]
}

// run runs a program until the test's end.
func run(t *testing.T, cmd *exec.Cmd) *program.Process {
	t.Helper()
	p, err := program.Start(cmd)
	kit.Must(t, err)
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Log(p)
		}
	})
	return p
}

func plug(t *testing.T, link string) *pty.Device {
	t.Helper()
	d, err := pty.Plug(link)
	kit.Must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

// answer runs a Modbus slave at a port until that is closed. A request has eight octets.
func answer(port io.ReadWriter, s devices.Slave) {
	request := make([]byte, 8)
	for {
		if _, err := io.ReadFull(port, request); err != nil {
			return
		}
		reply := devices.Reject(request)
		if request[1] == s.Function {
			reply = s.Registers.Answer(request)
		}
		if _, err := port.Write(reply); err != nil {
			return
		}
	}
}

// query is a query of the dashboard.
type query struct{ panel, expr string }

// absent are the beginnings of metrics that these routers don't have.
var absent = []string{
	"runnel_uplink_certificate_", // only uplinks with a client certificate
	"runnel_serial_uart_",        // only UARTs: a pseudo-terminal counts no errors
	"runnel_serial_link_",        // only lines with the reliable link
}

// queries reads those of the dashboard, with values for its variables.
func queries(t *testing.T) (list []query) {
	t.Helper()
	text, err := os.ReadFile(files + "grafana.json")
	kit.Must(t, err)
	var d struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	kit.Must(t, json.Unmarshal(text, &d))
	values := strings.NewReplacer("$job", ".+", "$instance", ".+", "$__rate_interval", "5s")
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			list = append(list, query{p.Title, values.Replace(target.Expr)})
		}
	}
	if len(list) < 20 {
		t.Fatalf("the dashboard has %d queries", len(list))
	}
	return list
}

// prometheus is a running Prometheus.
type prometheus struct {
	*program.Process
	url string
}

func startPrometheus(t *testing.T, targets ...string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	absolute, err := filepath.Abs(rules)
	kit.Must(t, err)
	config := kit.Write(t, dir, "prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - job_name: runnel
    static_configs:
      - targets: ["%s"]
`, absolute, strings.Join(targets, `", "`)))
	address := fmt.Sprintf("127.0.0.1:%d", kit.FreePort(t))
	p := &prometheus{url: "http://" + address, Process: run(t, exec.Command("prometheus", "--config.file="+config,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address))}
	p.eventually(t, "Prometheus is ready", func() bool {
		answer, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return p
}

// eventually waits until a condition holds. It fails at once if Prometheus has ended.
func (p *prometheus) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	kit.Within(t, kit.Patience, 100*time.Millisecond, what, holds)
}

// get asks Prometheus's API. It leaves data as it is if there is no answer.
func (p *prometheus) get(path string, data any) {
	answer, err := http.Get(p.url + "/api/v1/" + path)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	json.NewDecoder(answer.Body).Decode(&struct{ Data any }{data})
}

// query returns the values of an expression, one for each series.
func (p *prometheus) query(expr string) (values []string) {
	var data struct{ Result []struct{ Value [2]any } }
	p.get("query?query="+url.QueryEscape(expr), &data)
	for _, r := range data.Result {
		values = append(values, fmt.Sprint(r.Value[1]))
	}
	return values
}

// value returns the value of an expression with one series.
func (p *prometheus) value(expr string) string { return strings.Join(p.query(expr), " ") }

// rule is an alert rule as Prometheus sees it.
type rule struct{ Name, Health, LastError string }

func (p *prometheus) rules() (all []rule) {
	var data struct{ Groups []struct{ Rules []rule } }
	p.get("rules", &data)
	for _, g := range data.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// alerts returns the state of the alerts that are pending or firing.
func (p *prometheus) alerts() map[string]string {
	var data struct {
		Alerts []struct {
			Labels struct{ Alertname string }
			State  string
		}
	}
	p.get("alerts", &data)
	state := map[string]string{}
	for _, a := range data.Alerts {
		state[a.Labels.Alertname] = a.State
	}
	return state
}
