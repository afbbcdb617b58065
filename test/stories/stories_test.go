// Package stories tests the documented behaviour from outside: it runs the commands as users type them.
//
// See package program for RUNNEL_BIN and RUNNEL_RUNNER.
package stories

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/test/program"
)

// executable is the command line that runs runnel.
var executable program.Binary

// Some stories wait for periods of the router, such as the five seconds after which it tries a port again. They run in parallel
// after all others, more of them than there are processors, because they need the processor for moments only.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8") // the command line's value is parsed later
	kit.Main(m, program.BuiltPlain(&executable))
}

func command(args ...string) *exec.Cmd { return executable.Command(args...) }

// result is the outcome of a program.
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
	late := time.AfterFunc(kit.Patience, func() { cmd.Process.Kill() })
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

// process is a runnel that runs in the background.
type process struct {
	*program.Process
	t *testing.T
}

// start runs the program in the background. The end of the test stops it, by its process id.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return launch(t, command(args...))
}

func launch(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	started, err := program.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Process: started, t: t}
	t.Cleanup(func() {
		p.Signal(syscall.SIGTERM)
		p.wait()
		if t.Failed() {
			t.Logf("%v\n%v", cmd.Args, p)
		}
	})
	return p
}

// wait waits for the end and returns the exit status.
func (p *process) wait() int {
	p.t.Helper()
	status, err := p.Wait()
	if err != nil {
		p.t.Error(err)
	}
	return status
}

// sees waits until standard output holds text.
func (p *process) sees(text string) {
	p.t.Helper()
	if err := p.Sees(text); err != nil {
		p.t.Fatal(err)
	}
}

// logs waits until standard error matches the pattern, and returns its groups.
func (p *process) logs(pattern string) []string {
	p.t.Helper()
	groups, err := p.Logs(pattern)
	if err != nil {
		p.t.Fatal(err)
	}
	return groups
}

// realm is the common part of the stories' configurations.
const realm = "\nversion = 1\n" + kit.OpenRealm

// patient sets long timeouts, for peers on a busy machine.
const patient = "[limits]\nhello_timeout = \"1m\"\n"

// router is a running "runnel run".
type router struct {
	*process
	tcp  string // tcp://127.0.0.1:PORT
	unix string // unix:///...
	dir  string

	asking *client.Client
}

// address returns the tcp URL without its scheme.
func (r *router) address() string { return strings.TrimPrefix(r.tcp, "tcp://") }

func (r *router) ws() string { return "ws://" + r.address() + "/ws" }

// serve starts a router with a TCP port and a Unix socket, and with more configuration.
func serve(t *testing.T, more string) *router {
	t.Helper()
	dir := t.TempDir()
	config := realm + patient + "[[listen]]\nurl = \"tcp://127.0.0.1:0\"\n[[listen]]\nurl = \"unix://runnel.sock\"\n" + more
	p := start(t, "run", "-c", write(t, dir, "runnel.toml", config))
	tcp := p.logs(`msg=listening url=(tcp://127\.0\.0\.1:\d+)`)[1]
	unix := p.logs(`msg=listening url=(unix://\S+)`)[1]
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

// subscribe starts a subscriber and waits for its subscription. No other session may have the same subscription before.
func (r *router) subscribe(t *testing.T, url, topic string, args ...string) *process {
	t.Helper()
	p := start(t, append([]string{"sub", "--url", url, topic}, args...)...)
	kit.Eventually(t, "a subscription to "+topic, func() bool { return r.isThere(t, "subscription", topic, match(args)) })
	return p
}

// offer starts "runnel reg" and waits until the procedure is registered.
func (r *router) offer(t *testing.T, url, procedure string, args ...string) *process {
	t.Helper()
	p := start(t, append([]string{"reg", "--url", url, procedure}, args...)...)
	kit.Eventually(t, "a registration of "+procedure, func() bool { return r.isThere(t, "registration", procedure, match(args)) })
	return p
}

// match returns the value of --match in args.
func match(args []string) string {
	if i := slices.Index(args, "--match"); i >= 0 {
		return args[i+1]
	}
	return "exact"
}

// isThere reports whether the router has a subscription or registration. It does not compare counts, because the router may
// still count a session that has got its GOODBYE.
func (r *router) isThere(t *testing.T, what, uri, match string) bool {
	t.Helper()
	options := map[string]any{"match": match}
	return r.ask(t, "wamp."+what+".lookup", client.Args(uri, options)).Args()[0] != nil
}

// counts holds the counters of a realm in the router's status.
type counts struct {
	Name                                   string
	Sessions, Subscriptions, Registrations int
}

func (r *router) count(t *testing.T) counts { return r.countIn(t, "realm1") }

// countIn returns only zeros for a realm that doesn't exist.
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

// status returns the router's status.
func (r *router) status(t *testing.T, into any) {
	t.Helper()
	text, err := json.Marshal(r.ask(t, "runnel.status", client.Payload{}).Args()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// ask calls one of the router's own procedures.
func (r *router) ask(t *testing.T, procedure string, with client.Payload) *client.Result {
	t.Helper()
	if r.asking == nil {
		r.asking = connect(r.t, r.unix)
	}
	ctx, cancel := context.WithTimeout(t.Context(), kit.Patience)
	defer cancel()
	result, err := r.asking.Call(ctx, procedure, client.CallOptions{}, with)
	if err != nil {
		t.Fatalf("%s: %v", procedure, err)
	}
	return result
}

// connect joins the realm as a client within the test.
func connect(t *testing.T, url string) *client.Client {
	t.Helper()
	return program.Join(t, url, client.Options{Reconnect: client.Reconnect{Disabled: true}})
}

// joinSilently joins the realm with a session that sends HELLO, and no more messages until the test ends.
func (r *router) joinSilently(t *testing.T) {
	t.Helper()
	c, err := net.Dial("tcp", r.address())
	kit.Must(t, err)
	t.Cleanup(func() { c.Close() })
	_, err = c.Write(append(hello(1), frame([]byte(helloJSON))...))
	kit.Must(t, err)
	r.logs(`session joined.*role=guest`)
}

// notified listens where the router sends its notifications for systemd if NOTIFY_SOCKET is dir/notify.
func notified(t *testing.T, dir string) *net.UnixConn {
	t.Helper()
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dir + "/notify", Net: "unixgram"})
	kit.Must(t, err)
	t.Cleanup(func() { systemd.Close() })
	systemd.SetReadDeadline(time.Now().Add(kit.Patience))
	return systemd
}

// notices is notified for a test that expects each notification: receives waits for the next one, which must match the pattern.
func notices(t *testing.T, dir string) (receives func(pattern string)) {
	t.Helper()
	systemd := notified(t, dir)
	return func(pattern string) {
		t.Helper()
		var b [256]byte
		if n, err := systemd.Read(b[:]); err != nil || !regexp.MustCompile(pattern).Match(b[:n]) {
			t.Fatalf("%q, %v; want %s", b[:n], err, pattern)
		}
	}
}

// central is the TOML of an uplink that exports the topics below "story.". Its other rules follow.
func central(url string) string {
	return fmt.Sprintf(`
[[uplink]]
name = "central"
url = [%q]
reconnect_max = "500ms"
[[uplink.export]]
topic = "story."
match = "prefix"
`, url)
}
