// Package stories proves from outside what users are told: it runs the program as they type it.
//
// RUNNEL_BIN names the binary to test; without it one is built. RUNNEL_RUNNER is put in front of it, so that
// binaries for other processors can be tested: RUNNEL_RUNNER=qemu-arm RUNNEL_BIN=dist/runnel-linux-arm6, from the top.
package stories

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
)

// patience is how long a story waits for what must happen. Nothing is timed; emulated processors are slow.
const patience = 60 * time.Second

// program is the command line that runs runnel.
var program []string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "runnel-stories-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if program, err = findProgram(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func findProgram(dir string) ([]string, error) {
	runner := strings.Fields(os.Getenv("RUNNEL_RUNNER"))
	if path := os.Getenv("RUNNEL_BIN"); path != "" {
		if !filepath.IsAbs(path) {
			path = filepath.Join("..", "..", path) // the tests run in their own directory
		}
		_, err := os.Stat(path)
		return append(runner, path), err
	}
	path := filepath.Join(dir, "runnel")
	out, err := exec.Command("go", "build", "-o", path, "runnel/cmd/runnel").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("build runnel: %w\n%s", err, out)
	}
	return append(runner, path), nil
}

// command prepares runnel with args. No variable of the developer's own gets in.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command(program[0], append(program[1:len(program):len(program)], args...)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RUNNEL_") && !strings.HasPrefix(v, "XDG_RUNTIME_DIR=") && !strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}

// result is how a program ended.
type result struct {
	status         int
	stdout, stderr string
}

// runnel runs the program to its end.
func runnel(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, command(args...))
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		t.Fatalf("%v did not end\n%s%s", cmd.Args, &stdout, &stderr)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// expect checks a result's status, and that its output holds some text.
func (r result) expect(t *testing.T, status int, stdout, stderr string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.stdout, stdout) || !strings.Contains(r.stderr, stderr) {
		t.Fatalf("status %d\nstdout: %s\nstderr: %s\nwant %d, %q, %q", r.status, r.stdout, r.stderr, status, stdout, stderr)
	}
}

// process is a runnel that goes on running.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout output
	stderr output
	ended  chan struct{}
}

// start runs the program in the background. The test's end ends it, by its own process id.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return launch(t, command(args...))
}

func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, ended: make(chan struct{})}
	p.stdout.changed, p.stderr.changed = make(chan struct{}), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.signal(syscall.SIGTERM)
		p.wait()
		if t.Failed() {
			t.Logf("%v\nstdout: %s\nstderr: %s", p.cmd.Args, p.stdout.text(), p.stderr.text())
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// wait waits for the end and returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.cmd.Process.Kill()
		<-p.ended
		p.t.Errorf("%v did not end", p.cmd.Args)
	}
	return p.cmd.ProcessState.ExitCode()
}

// sees waits until standard output holds text.
func (p *process) sees(text string) {
	p.t.Helper()
	p.await(&p.stdout, regexp.MustCompile(regexp.QuoteMeta(text)))
}

// logs waits until standard error matches the pattern, and returns its groups.
func (p *process) logs(pattern string) []string {
	p.t.Helper()
	return p.await(&p.stderr, regexp.MustCompile(pattern))
}

func (p *process) await(o *output, pattern *regexp.Regexp) []string {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		text, changed := o.watch()
		if found := pattern.FindStringSubmatch(text); found != nil {
			return found
		}
		select {
		case <-changed:
		case <-p.ended:
			if found := pattern.FindStringSubmatch(o.text()); found != nil {
				return found
			}
			p.t.Fatalf("%v ended without %q\nstdout: %s\nstderr: %s", p.cmd.Args, pattern, p.stdout.text(), p.stderr.text())
		case <-deadline:
			p.t.Fatalf("%v: no %q\nstdout: %s\nstderr: %s", p.cmd.Args, pattern, p.stdout.text(), p.stderr.text())
		}
	}
}

// output collects what a program prints.
type output struct {
	mu      sync.Mutex
	bytes   bytes.Buffer
	changed chan struct{} // closed and replaced by each Write
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.bytes.Write(b)
}

func (o *output) watch() (text string, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes.String(), o.changed
}

func (o *output) text() string {
	text, _ := o.watch()
	return text
}

// realm is the part that the stories' configurations have in common.
const realm = `
version = 1
[[realm]]
name = "realm1"
anonymous = "guest"
[[realm.role]]
name = "guest"
[[realm.role.permission]]
uri = ""
match = "prefix"
allow = ["publish", "subscribe", "call", "register"]
`

// router is a running "runnel run".
type router struct {
	*process
	tcp  string // tcp://127.0.0.1:PORT
	unix string // unix:///...
	dir  string

	asking *client.Client
}

// address is the tcp URL without its scheme.
func (r *router) address() string { return strings.TrimPrefix(r.tcp, "tcp://") }

func (r *router) ws() string { return "ws://" + r.address() + "/ws" }

// serve starts a router with a TCP port and a Unix socket, and with more configuration.
func serve(t *testing.T, more string) *router {
	t.Helper()
	dir := t.TempDir()
	config := realm + "[[listen]]\nurl = \"tcp://127.0.0.1:0\"\n[[listen]]\nurl = \"unix://runnel.sock\"\n" + more
	p := start(t, "run", "-c", write(t, dir, "runnel.toml", config))
	tcp := p.logs(`url=(tcp://127\.0\.0\.1:\d+)`)[1]
	unix := p.logs(`url=(unix://\S+)`)[1]
	return &router{process: p, tcp: tcp, unix: unix, dir: dir}
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// subscribe starts a subscriber and waits until it is one.
func (r *router) subscribe(t *testing.T, url, topic string, args ...string) *process {
	t.Helper()
	before := r.count(t)
	p := start(t, append([]string{"sub", "--url", url, topic}, args...)...)
	waitFor(t, "a subscription to "+topic, func() bool { return r.count(t).Subscriptions > before.Subscriptions })
	return p
}

// offer starts "runnel reg" and waits until the procedure is there.
func (r *router) offer(t *testing.T, url, procedure string, args ...string) *process {
	t.Helper()
	before := r.count(t)
	p := start(t, append([]string{"reg", "--url", url, procedure}, args...)...)
	waitFor(t, "a registration of "+procedure, func() bool { return r.count(t).Registrations > before.Registrations })
	return p
}

// counts is what a router says of a realm.
type counts struct {
	Name                                   string
	Sessions, Subscriptions, Registrations int
}

func (r *router) count(t *testing.T) counts { return r.countIn(t, "realm1") }

// countIn returns nothing but zeros for a realm that isn't there.
func (r *router) countIn(t *testing.T, realm string) counts {
	t.Helper()
	var report struct{ Router struct{ Realms []counts } }
	r.status(t, &report)
	for _, c := range report.Router.Realms {
		if c.Name == realm {
			return c
		}
	}
	return counts{}
}

// status asks the router what it does.
func (r *router) status(t *testing.T, into any) {
	t.Helper()
	if r.asking == nil {
		r.asking = connect(r.t, r.unix)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var result *client.Result
	waitFor(t, "runnel.status", func() (ok bool) { // it is registered a moment after the start
		var err error
		if result, err = r.asking.Call(ctx, "runnel.status", client.CallOptions{}, client.Payload{}); err != nil && !errors.Is(err, wamp.NoSuchProcedure) {
			t.Fatal(err)
		}
		return err == nil
	})
	text, err := json.Marshal(result.Args()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits for a condition that nothing tells of.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// connect joins the realm as a program of the test's own.
func connect(t *testing.T, url string) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Connect(ctx, client.Options{
		Dial: func(ctx context.Context) (client.Conn, error) {
			return transport.Dial(ctx, url, transport.DialOptions{})
		},
		Realm:     "realm1",
		Reconnect: client.Reconnect{Disabled: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c.Close(ctx)
	})
	return c
}
