package stories

import (
	"os"
	"strings"
	"testing"
)

// serveDefault starts the built-in default on another port, with the socket below a runtime directory of the test.
func serveDefault(t *testing.T) (tcp, unix, dir string) {
	t.Helper()
	if _, err := os.Stat("/run/runnel"); err == nil {
		t.Skip("this machine has a router of its own")
	}
	dir = t.TempDir()
	config := strings.Replace(runnel(t, "check", "--print-default").stdout, "127.0.0.1:8080", "127.0.0.1:0", 1)
	cmd := command("run", "-c", write(t, dir, "runnel.toml", config))
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+dir)
	p := launch(t, cmd)
	return p.logs(`msg=listening url=(tcp://127\.0\.0\.1:\d+)`)[1], p.logs(`msg=listening url=(unix://\S+)`)[1], dir
}

// TestDefaultRights checks that every local program may use the application's URIs over TCP. Administration needs access to
// the Unix socket.
func TestDefaultRights(t *testing.T) {
	tcp, unix, dir := serveDefault(t)
	runnel(t, "pub", "com.example.weather", "21.5", "--ack", "--url", tcp).expect(t, 0, "", "")
	runnel(t, "call", "wamp.session.count", "--url", tcp).expect(t, 0, "", "")
	sessions := runnel(t, "call", "wamp.session.list", "--json", "--url", tcp)
	sessions.expect(t, 0, "[", "")
	for _, args := range [][]string{
		{"status"}, {"reload"}, {"call", "runnel.status"}, {"call", "runnel.uplink.list"}, {"call", "runnel.queue.drop", "central"},
		{"call", "wamp.session.kill", "1"}, {"call", "wamp.session.kill_all"}, {"call", "wamp.session.kill_by_authid", "a"},
		{"call", "wamp.session.kill_by_authrole", "local"}, {"call", "wamp.subscription.remove_subscriber", "1", "1"},
		{"call", "wamp.registration.remove_callee", "1", "1"},
	} {
		got := runnel(t, append(args, "--url", tcp)...)
		got.expect(t, 1, "", "wamp.error.not_authorized")
		got.expect(t, 1, "", "Unix socket")
	}
	for _, uri := range []string{"runnel.status", "runnel.mine"} {
		runnel(t, "reg", uri, "--echo", "--url", tcp).expect(t, 1, "", "wamp.error.")
	}
	runnel(t, "sub", "runnel.uplink.on_state.a", "-n", "1", "--timeout", "5s", "--url", tcp).expect(t, 1, "", "wamp.error.not_authorized")
	runnel(t, "status", "--url", unix).expect(t, 0, "realm1", "")
	runnel(t, "call", "wamp.session.kill_by_authid", "nobody", "--url", unix).expect(t, 0, "", "")
	runnel(t, "reload", "--url", unix).expect(t, 0, "nothing has changed", "")
	file := dir + "/runnel.toml"
	runnel(t, "check", "-c", file, "--explain", "anonymous", "call", "runnel.status").expect(t, 1, "denied", "")
	runnel(t, "check", "-c", file, "--explain", "anonymous", "call", "wamp.session.kill_all").expect(t, 1, "denied", "")
	runnel(t, "check", "-c", file, "--explain", "anonymous", "call", "wamp.session.list").expect(t, 0, "allowed", "")
	runnel(t, "check", "-c", file, "--explain", "anonymous at unix://", "call", "runnel.status").expect(t, 0, "allowed", "")
	cmd := command("status") // finds the socket by itself
	cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+dir)
	finish(t, cmd).expect(t, 0, "realm1", "")
}
