package stories

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/test/program"
)

// activated prepares a command that gets sockets as a service of systemd does: from descriptor 3 on, in an environment that
// names its own process.
func activated(t *testing.T, names string, sockets []*os.File, args ...string) *exec.Cmd {
	t.Helper()
	cmd := command(args...)
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`}, cmd.Args...)
	cmd.Path = "/bin/sh"
	cmd.Env = append(cmd.Env, "LISTEN_FDS="+strconv.Itoa(len(sockets)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = sockets
	return cmd
}

// opened opens a socket as systemd does for a socket unit, and returns it with its URL. The network "mptcp" stands for
// SocketProtocol=mptcp.
func opened(t *testing.T, network, address string) (*os.File, string) {
	t.Helper()
	var config net.ListenConfig
	config.SetMultipathTCP(network == "mptcp")
	l, err := config.Listen(t.Context(), strings.TrimPrefix(network, "mp"), address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	scheme := "tcp"
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
		scheme = "unix"
	}
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, scheme + "://" + l.Addr().String()
}

// A router serves the sockets that systemd passes, TCP and Unix, by every protocol, and leaves the file of the Unix socket
// where it is.
func TestSocketsOfSystemd(t *testing.T) {
	dir := t.TempDir()
	tcp, tcpURL := opened(t, "tcp", "127.0.0.1:0")
	unix, unixURL := opened(t, "unix", filepath.Join(dir, "passed.sock"))
	multi, multiURL := opened(t, "mptcp", "127.0.0.1:0")
	file := write(t, dir, "runnel.toml", realm+patient+"[[listen]]\nurl = \"systemd:\"\n")
	p := launch(t, activated(t, "web:local", []*os.File{tcp, unix, multi}, "run", "--strict", "-c", file))
	p.logs(`listening.*url=` + tcpURL + ` socket=systemd:`)
	p.logs(`listening.*url=` + unixURL + ` socket=systemd:`)
	for _, url := range []string{tcpURL, unixURL, multiURL, "ws" + strings.TrimPrefix(tcpURL, "tcp") + "/ws"} {
		runnel(t, "pub", "story.x", "1", "--ack", "--url", url).expect(t, 0, "", "")
	}
	runnel(t, "status", "--url", unixURL).expect(t, 0, tcpURL, "")
	runnel(t, "status", "--url", tcpURL).expect(t, 0, unixURL, "")
	p.Signal(syscall.SIGTERM)
	if status := p.wait(); status != 0 {
		t.Errorf("status %d", status)
	}
	if _, err := os.Stat(filepath.Join(dir, "passed.sock")); err != nil {
		t.Error(err)
	}
	p = launch(t, activated(t, "web:local", []*os.File{tcp, unix, multi}, "run", "-c", file)) // as systemd starts it again
	runnel(t, "pub", "story.x", "1", "--ack", "--url", unixURL).expect(t, 0, "", "")
	p.logs(`listening.*url=` + unixURL)
}

// With a certificate a TCP socket that systemd passes is served over TLS, and a Unix socket as ever. Long-poll clients are
// served, too.
func TestTLSOnSocketOfSystemd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tcp, tcpURL := opened(t, "tcp", "127.0.0.1:0")
	local, localURL := opened(t, "unix", filepath.Join(dir, "local.sock"))
	plain, plainURL := opened(t, "tcp", "127.0.0.1:0")
	selfSigned(t, dir, "gateway", 60*24*time.Hour)
	file := write(t, dir, "runnel.toml", realm+patient+"[[listen]]\nurl = \"systemd:web\"\ncertificate = \"gateway.pem\"\nkey = \"gateway.key\"\n"+
		"[[listen]]\nurl = \"systemd:\"\n")
	p := launch(t, activated(t, "web:web:plain", []*os.File{tcp, local, plain}, "run", "--strict", "-c", file))
	address := strings.TrimPrefix(tcpURL, "tcp://")
	p.logs(`listening.*url=tls://` + address + ` socket=systemd:web`)
	p.logs(`listening.*url=` + plainURL + ` socket=systemd:`)
	for _, url := range []string{"tls://" + address, "wss://" + address + "/ws", localURL, plainURL} {
		runnel(t, "pub", "story.x", "1", "--ack", "--url", url, "--ca", filepath.Join(dir, "gateway.pem")).expect(t, 0, "", "")
	}
	answer, err := http.Post("http"+strings.TrimPrefix(plainURL, "tcp")+"/lp/open", "application/json", strings.NewReader(`{"protocols": ["wamp.2.json"]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("long-poll: %s", answer.Status)
	}
}

// A reload of other parts keeps the sockets with their sessions. A listener with other settings takes its socket again, and
// one that is removed and added again finds it.
func TestReloadKeepsSocketsOfSystemd(t *testing.T) {
	dir := t.TempDir()
	tcp, tcpURL := opened(t, "tcp", "127.0.0.1:0")
	local, localURL := opened(t, "unix", filepath.Join(dir, "local.sock"))
	const web = "[[listen]]\nurl = \"systemd:web\"\n"
	file := write(t, dir, "runnel.toml", realm+patient+web+"[[listen]]\nurl = \"systemd:\"\n")
	p := launch(t, activated(t, "web:local", []*os.File{tcp, local}, "run", "--strict", "-c", file))
	p.logs(`listening.*url=` + tcpURL + ` socket=systemd:web`)
	p.logs(`listening.*url=` + localURL + ` socket=systemd:`)
	r := &router{process: p, tcp: tcpURL, unix: localURL, dir: dir}
	sub := r.subscribe(t, tcpURL, "story.x")

	r.change(t, "hello_timeout = \"1m\"", "hello_timeout = \"2m\"")
	r.reload(t).expect(t, 0, "[limits]", "")
	runnel(t, "pub", "story.x", "1", "--ack", "--url", tcpURL).expect(t, 0, "", "")
	sub.sees("story.x 1")
	if text := sub.Stderr.Text(); text != "" {
		t.Errorf("a session that is not concerned says %s", text)
	}

	r.change(t, web, web+"max_connections = 7\n")
	r.reload(t).expect(t, 0, "listener "+tcpURL+" opened again", "")
	kit.Eventually(t, "the subscriber to be back", func() bool { return r.isThere(t, "subscription", "story.x", "exact") })
	runnel(t, "pub", "story.x", "2", "--ack", "--url", tcpURL).expect(t, 0, "", "")
	sub.sees("story.x 2")

	r.change(t, web+"max_connections = 7\n", "[[listen]]\nurl = \"systemd:nothing\"\n")
	r.reload(t).expect(t, 1, "", `systemd passed no socket named "nothing", but "web", "local"`)
	r.change(t, "[[listen]]\nurl = \"systemd:nothing\"\n", "[[listen]]\nurl = \"systemd:local\"\n")
	r.change(t, "[[listen]]\nurl = \"systemd:\"\n", "")
	r.reload(t).expect(t, 0, "", "")
	p.logs(`change="listener ` + tcpURL + ` closed"`)
	r.asking = nil // its listener has another name now, so its session has ended
	r.change(t, "[[listen]]\nurl = \"systemd:local\"\n", "[[listen]]\nurl = \"systemd:local\"\n"+web)
	r.reload(t).expect(t, 0, "listener "+tcpURL+" opened", "")
	kit.Eventually(t, "the subscriber to be back", func() bool { return r.isThere(t, "subscription", "story.x", "exact") })
	runnel(t, "pub", "story.x", "3", "--ack", "--url", tcpURL).expect(t, 0, "", "")
	sub.sees("story.x 3")
}

// If a configured socket is missing, the router's error names the remedy. "runnel check" does not check sockets of systemd.
func TestMissingSocketsOfSystemd(t *testing.T) {
	dir := t.TempDir()
	all := write(t, dir, "all.toml", realm+"[[listen]]\nurl = \"systemd:\"\n")
	named := write(t, dir, "named.toml", realm+"[[listen]]\nurl = \"systemd:web\"\n")
	runnel(t, "check", "-c", all).expect(t, 0, "", "")
	runnel(t, "check", "-c", named).expect(t, 0, "", "")
	runnel(t, "run", "--strict", "-c", all).expect(t, 1, "", "systemd passed no sockets; start the service by its socket unit")
	tcp, _ := opened(t, "tcp", "127.0.0.1:0")
	finish(t, activated(t, "other", []*os.File{tcp}, "run", "--strict", "-c", named)).
		expect(t, 1, "", `no socket named "web", but "other"; write FileDescriptorName=web`)
	foreign := activated(t, "other", []*os.File{tcp}, "run", "--strict", "-c", all)
	foreign.Args[2] = `LISTEN_PID=1 exec "$0" "$@"`
	finish(t, foreign).expect(t, 1, "", "to process 1, which is not this one")
	plain, err := os.Open(all)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	finish(t, activated(t, "file", []*os.File{plain}, "run", "--strict", "-c", all)).expect(t, 1, "", "not a listening stream socket")

	for text, problem := range map[string]string{
		"url = \"systemd\"":                      "no colon",
		"url = \"systemd://web\"":                "write systemd:web",
		"url = \"systemd:\"\nmode = \"0660\"":    "SocketMode=",
		"url = \"systemd:\"\nkey = \"none.pem\"": "certificate",
	} {
		runnel(t, "check", "-c", write(t, dir, "bad.toml", realm+"[[listen]]\n"+text+"\n")).expect(t, 3, "", problem)
	}
}

// A router with one socket of its own starts without the sockets of systemd. It reports the missing ones, and warns of
// sockets that no listener uses.
func TestDegradedSocketsOfSystemd(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "runnel.toml", remote("[[listen]]\nurl = \"systemd:web\"\n"))
	_, url := gatewayIn(t, dir)
	runnel(t, "status", "--url", url).expect(t, 0, "listener systemd:web", "")

	other := t.TempDir()
	tcp, _ := opened(t, "tcp", "127.0.0.1:0")
	p := launch(t, activated(t, "web", []*os.File{tcp}, "run", "-c", write(t, other, "runnel.toml", remote(""))))
	p.logs(`level=WARN msg="no listener takes a socket passed by systemd" name=web`)
}

// An unprivileged user can give a socket only to a group of which it is a member, and never to another user.
func TestOwnerWithoutPrivileges(t *testing.T) {
	const uid, member, foreign = 64123, "64124", "64125"
	root := os.Getuid() == 0
	dir, err := os.MkdirTemp("", "runnel-owner-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	give := func(file string) {
		if err := os.Chown(file, uid, uid); root && err != nil {
			t.Fatal(err)
		}
	}
	give(dir)
	readable := program.Binary(slices.Clone(executable)) // a copy that other users may run
	last := len(readable) - 1
	binary, err := os.ReadFile(readable[last])
	if err != nil {
		t.Fatal(err)
	}
	readable[last] = filepath.Join(dir, "runnel")
	if err := os.WriteFile(readable[last], binary, 0o755); err != nil {
		t.Fatal(err)
	}
	as := func(name, more string, verb ...string) *exec.Cmd {
		file := write(t, dir, name, realm+patient+"[[listen]]\nurl = \"unix://runnel.sock\"\n"+more+"\n")
		give(file)
		cmd := readable.Command(append(verb, "-c", file)...)
		cmd.Dir = dir
		if root {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{64124}}}
		}
		return cmd
	}
	for more, remedy := range map[string]string{
		"owner = \"0\"":               "SocketUser=0",
		"group = \"" + foreign + "\"": "SupplementaryGroups=" + foreign,
	} {
		finish(t, as("bad.toml", more, "run", "--strict")).expect(t, 1, "", remedy)
		finish(t, as("bad.toml", more, "check")).expect(t, 0, "", remedy)
	}
	if !root {
		return // this user need not be a member of another group
	}
	p := launch(t, as("good.toml", "group = \""+member+"\"", "run", "--strict"))
	p.logs(`listening.*url=unix://`)
	info, err := os.Stat(filepath.Join(dir, "runnel.sock"))
	if err != nil {
		t.Fatal(err)
	}
	if s := info.Sys().(*syscall.Stat_t); strconv.Itoa(int(s.Gid)) != member || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket has group %d and mode %v", s.Gid, info.Mode())
	}
}
