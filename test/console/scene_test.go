package console

import (
	"fmt"
	"math"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/serial/pty"
)

// binary is the runnel program under test. The tests of this module build it themselves, because it is part of another module.
var binary program.Binary

func TestMain(m *testing.M) { kit.Main(m, buildBinary) }

func buildBinary(dir string) (func() error, error) {
	path := os.Getenv("RUNNEL_BIN")
	if path == "" {
		path = filepath.Join(dir, "runnel")
		cmd := exec.Command("go", "build", "-o", path, "./cmd/runnel")
		cmd.Dir = filepath.Join("..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build runnel: %w\n%s", err, out)
		}
	} else if !filepath.IsAbs(path) {
		path = filepath.Join("..", "..", path)
	}
	binary = program.Binary{path}
	return nil, nil
}

// scene is an edge router with a sensor on a serial line, and a centre that it links to. The link leads through a wire that can
// be cut.
type scene struct {
	*testing.T
	dir          string
	edge, centre *program.Process
	page         string // the edge's console
	wire         *wire
	sensor       *pty.Device
}

const realm = `version = 1

[node]
id = %q
data = %q

[[realm]]
name = "realm1"
%s
  [[realm.role]]
  name = "operator"

    [[realm.role.permission]]
    uri = ""
    match = "prefix"
    allow = ["publish", "subscribe", "call", "register"]

  [[realm.role]]
  name = "viewer"

    [[realm.role.permission]]
    uri = "com.example."
    match = "prefix"
    allow = ["subscribe"]

    [[realm.role.permission]]
    uri = "wamp."
    match = "prefix"
    allow = ["call"]

  [[realm.role]]
  name = "observer"

    [[realm.role.permission]]
    uri = "runnel.status"
    allow = ["call"]

%s%s
  [[realm.principal]]
  authid = "ben"
  role = "operator"
  wampcra = { secret = "ben's secret" }

  [[realm.principal]]
  authid = "cem"
  role = "viewer"
  ticket = "cem's ticket"

  [[realm.principal]]
  authid = "dan"
  role = "observer"
  ticket = "dan's ticket"

[[listen]]
url = "tcp://127.0.0.1:0"
console = true
`

// roles are those of links and of serial lines.
var roles = map[string]string{"gateway": `  [[realm.role]]
  name = "gateway"

    [[realm.role.permission]]
    uri = "com.example."
    match = "prefix"
    allow = ["publish", "subscribe", "call", "register"]

    [[realm.role.permission]]
    uri = "com.example.private."
    match = "prefix"
    allow = ["subscribe"]
`, "sensor": `  [[realm.role]]
  name = "sensor"

    [[realm.role.permission]]
    uri = "com.example."
    match = "prefix"
    allow = ["publish", "register"]
`}

const edgeParts = `
[[serial]]
name = "greenhouse"
device = %q
baud = 9600
mode = "lines"
format = "json"
topic = "com.example.greenhouse"
role = "sensor"
expect_every = "1m"

[[uplink]]
name = "central"
url = [%q]

  [[uplink.export]]
  topic = "com.example."
  match = "prefix"
  store = "disk"

  [[uplink.import]]
  topic = "com.example.command."
  match = "prefix"
`

// newScene starts everything. anonymous is the role of sessions without authentication at the edge; "": none.
func newScene(t *testing.T, anonymous string) *scene {
	t.Helper()
	s := &scene{T: t, dir: kit.ShortDir(t)}
	s.centre = s.router("centre", "gateway", "")
	s.wire = newWire(t, s.address(s.centre))
	var err error
	s.sensor, err = pty.Plug(filepath.Join(s.dir, "greenhouse"))
	kit.Must(t, err)
	t.Cleanup(func() { s.sensor.Close() })
	s.edge = s.router("gw-001", anonymous, fmt.Sprintf(edgeParts, filepath.Join(s.dir, "greenhouse"), s.wire.url()))
	s.page = "http://" + s.address(s.edge) + "/"
	_, err = s.edge.Logs(`msg="serial port open" line=greenhouse`) // what arrived earlier is discarded
	kit.Must(t, err)
	s.play()
	return s
}

// router starts a router with the realm and more.
func (s *scene) router(id, anonymous, more string) *program.Process {
	s.Helper()
	used := roles[anonymous]
	if anonymous != "" {
		anonymous = fmt.Sprintf("anonymous = %q\n", anonymous)
	}
	if strings.Contains(more, `role = "sensor"`) {
		used += roles["sensor"]
	}
	text := fmt.Sprintf(realm, id, filepath.Join(s.dir, id), anonymous, used, s.password("ann", "ann's password")) + more
	p, err := program.Start(binary.Command("run", "-c", kit.Write(s.T, s.dir, id+".toml", text)))
	kit.Must(s.T, err)
	s.Cleanup(func() {
		p.Signal(syscall.SIGTERM)
		if _, err := p.Wait(); err != nil {
			s.Error(err)
		}
		if s.Failed() {
			s.Logf("%s: %v", id, p)
		}
	})
	return p
}

// password returns the table of a principal with a password, as "runnel passwd" prints it.
func (s *scene) password(authid, password string) string {
	s.Helper()
	cmd := binary.Command("passwd", authid, "--role", "operator", "--kdf", "pbkdf2")
	cmd.Stdin = strings.NewReader(password + "\n")
	out, err := cmd.Output()
	kit.Must(s.T, err)
	return string(out)
}

func (s *scene) address(p *program.Process) string {
	s.Helper()
	found, err := p.Logs(`msg=listening url=(tcp://\S+)`)
	kit.Must(s.T, err)
	u, err := url.Parse(found[1])
	kit.Must(s.T, err)
	return u.Host
}

// play prints a reading on the serial line every 100 ms, and at first a line that is no reading.
func (s *scene) play() {
	stop, done := make(chan struct{}), make(chan struct{})
	s.Cleanup(func() { close(stop); <-done })
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			line := fmt.Sprintf(`{"temperature":%.1f,"humidity":%d}`, 21.5+2*math.Sin(float64(i)/40), 48+i/10%5)
			if i == 3 {
				line = `{"temperature":2`
			}
			s.sensor.Write([]byte(line + "\r\n"))
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
}
