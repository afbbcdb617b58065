package stories

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	good := write(t, dir, "good.toml", realm+"[[listen]]\nurl = \"tcp://127.0.0.1:0\"\n")
	runnel(t, "check", "-c", good).expect(t, 0, "good.toml is valid: 1 realm, 1 listener, no serial lines, no uplinks", "")

	bad := write(t, dir, "bad.toml", realm+`
[[listn]]
[[serial]]
name = "greenhouse"
device = "/dev/ttyUSB0"
framing = "slip"
[[uplink]]
name = "broker"
url = ["pigeon://broker:1883"]
[[uplink.export]]
topic = "com.example."
match = "prefix"
store = "floppy"
`)
	for _, command := range []string{"check", "run"} {
		r := runnel(t, command, "-c", bad)
		r.expect(t, 3, "", "")
		var lines []string
		for _, line := range strings.Split(strings.TrimSpace(r.stderr), "\n") {
			lines = append(lines, strings.TrimPrefix(line, bad+":"))
		}
		want := []string{
			`13: listn: unknown key; did you mean "listen"?`,
			`17: serial.framing: `,
			`20: uplink.url: "pigeon://broker:1883": unknown scheme; use "tcp", "tls", "unix", "ws", "wss", "mqtt", "mqtts", "mqtt+ws", "mqtt+wss", "nats" or "tls+nats"`,
			`24: uplink.export.store: "floppy" is not known`,
		}
		if len(lines) != len(want) {
			t.Fatalf("%s: %q", command, lines)
		}
		for i := range want {
			if !strings.HasPrefix(lines[i], want[i]) {
				t.Errorf("%s: got %s, want %s", command, lines[i], want[i])
			}
		}
	}
}

func TestPrintedDefaultIsValid(t *testing.T) {
	printed := runnel(t, "check", "--print-default")
	printed.expect(t, 0, "[[realm]]", "")
	runnel(t, "check", "-c", write(t, t.TempDir(), "runnel.toml", printed.stdout)).expect(t, 0, "is valid", "")
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{
		{"frobnicate"}, {"run", "--frobnicate"}, {"sub"}, {"pub"}, {"call"}, {"check", "extra"}, {"sub", "a", "-n", "x"},
		{"sub", "a", "--match", "regex"}, {"reg", "a"}, {"reg", "a", "--echo", "--exec", "b"}, {"pub", "a", "--kw", "b"},
		{"call", "a", "--serializer", "xml"}, {"pub", "a", "--url", "carrier-pigeon://"},
	} {
		if r := runnel(t, args...); r.status != 2 || r.stderr == "" {
			t.Errorf("%v: status %d, %s", args, r.status, r.stderr)
		}
	}
	runnel(t, "queue", "peek").expect(t, 2, "", "\nUsage: runnel queue peek UPLINK [flags]\nTry \"runnel queue peek --help\".\n")
}

// Common errors of beginners have a remedy.
func TestAdvice(t *testing.T) {
	r := serve(t, "")
	dir := t.TempDir()
	second := write(t, dir, "second.toml", "version = 1\n[[realm]]\nname = \"realm1\"\n[[listen]]\nurl = \""+r.tcp+"\"\n")
	sizes := write(t, t.TempDir(), "sizes.toml", "version = 1\n[limits]\nmax_message = 3.5\nhello_timeout = 10\n[[realm]]\nname = \"realm1\"\n")
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"run", "-c", second}, 1, "another program listens there"},
		{[]string{"run", "-c", filepath.Join(dir, "none.toml")}, 1, "runnel check --print-default"},
		{[]string{"check", "-c", sizes}, 3, `limits.max_message: 3.5 is a float; write a string, like "64MB"`},
		{[]string{"check", "-c", sizes}, 3, `limits.hello_timeout: 10 is an integer; write a string, like "10s"`},
		{[]string{"pub", "a", "--url", "unix://" + filepath.Join(dir, "none.sock")}, 1, `"runnel run" starts one`},
		{[]string{"serial", "sniff", filepath.Join(dir, "none")}, 1, "runnel serial ls"},
		{[]string{"serial", "probe", filepath.Join(dir, "none")}, 1, "runnel serial ls"},
	} {
		runnel(t, c.args...).expect(t, c.status, "", c.want)
	}
}

func TestFailures(t *testing.T) {
	nowhere := "unix://" + filepath.Join(t.TempDir(), "nowhere.sock")
	for _, args := range [][]string{
		{"check", "-c", filepath.Join(t.TempDir(), "none.toml")},
		{"sub", "a", "--url", nowhere}, {"pub", "a", "--url", nowhere}, {"call", "a", "--url", nowhere}, {"status", "--url", nowhere},
		{"reg", "a", "--echo", "--url", nowhere},
	} {
		if r := runnel(t, args...); r.status != 1 || !strings.HasPrefix(r.stderr, "runnel: ") {
			t.Errorf("%v: status %d, %s", args, r.status, r.stderr)
		}
	}
}

func TestHelpTeaches(t *testing.T) {
	for _, command := range []string{"run", "check", "demo", "sub", "pub", "call", "reg", "serial", "status", "version"} {
		runnel(t, "help", command).expect(t, 0, "Usage:", "")
	}
	for _, command := range []string{"run", "check", "sub", "pub", "call", "reg", "status"} {
		runnel(t, command, "--help").expect(t, 0, "Examples:\n  ", "")
	}
	runnel(t, "version").expect(t, 0, "runnel ", "")
	runnel(t, "serial", "ls").expect(t, 0, "", "")
}

// Settings with which "runnel run --strict" does not start are problems for "runnel check" and for a reload as well.
func TestCheckFindsWhatRunRefuses(t *testing.T) {
	dir := t.TempDir()
	r := serve(t, "")
	whole := config(t, r)
	for _, c := range []struct{ text, want string }{
		{"[[listen]]\nurl = \"tcp://127.0.0.1:70000\"\n", "listen.url: "},
		{"[[listen]]\nurl = \"unix://second.sock\"\nowner = \"no-such-user\"\n", "listen.owner: "},
		{"[[listen]]\nurl = \"tcp://127.0.0.1:8081\"\n[[listen]]\nurl = \"tcp://0.0.0.0:8081\"\n", "listen.url: "},
		{"[[listen]]\nurl = \"tcp://127.0.0.1:8081\"\n[metrics]\nurl = \"http://127.0.0.1:8081\"\n", "metrics.url: "},
		{"[node]\ndata = \"runnel.toml\"\n[[uplink]]\nname = \"c\"\nurl = \"tcp://127.0.0.1:1\"\n[[uplink.export]]\ntopic = \"a.b\"\nstore = \"durable\"\n", "node.data: "},
	} {
		file := write(t, dir, "runnel.toml", realm+c.text)
		for _, command := range [][]string{{"check"}, {"run", "--strict"}} {
			runnel(t, append(command, "-c", file)...).expect(t, 3, "", c.want)
		}
		write(t, r.dir, "runnel.toml", whole+c.text)
		r.reload(t).expect(t, 3, "", c.want)
	}
}

// Warnings about likely mistakes are printed by "runnel check" and logged by "runnel run".
func TestWarnings(t *testing.T) {
	r := serve(t, "")
	r.change(t, "[limits]", "[[realm.role.permission]]\nuri = \"com.example.*\"\nallow = [\"publish\"]\n[limits]")
	runnel(t, "check", "-c", filepath.Join(r.dir, "runnel.toml")).expect(t, 0, "is valid", `write uri = "com.example." with match = "prefix"`)
	r.reload(t).expect(t, 0, "realm realm1", "")
	r.logs(`level=WARN msg=config warning=.*com\.example\.\*`)
}
