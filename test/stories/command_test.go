package stories

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/transport/serial/pty"
)

// "runnel pub --stdin" continues when the router restarts: each line arrives, also those written meanwhile.
func TestPublishLinesGoOn(t *testing.T) {
	r := serve(t, "[node]\ndata = \"data\"\n[[realm.history]]\nuri = \"story.lines\"\n")
	lines, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := command("pub", "story.lines", "--stdin", "--ack", "--url", r.unix)
	cmd.Stdin = lines
	pub := launch(t, cmd)
	lines.Close()
	next := 0
	write := func(n int) {
		for range n {
			fmt.Fprintln(in, next)
			next++
		}
	}
	arrived := func() (list []string) {
		id := strings.TrimSpace(runnel(t, "call", "wamp.subscription.lookup", "story.lines", "--url", r.unix).stdout)
		past := runnel(t, "call", "wamp.subscription.get_events", id, "--kw", "limit=1000", "--json", "--url", r.unix).stdout
		for _, part := range strings.Split(past, `"args":[`)[1:] {
			if value, _, _ := strings.Cut(part, "]"); value != "" && value[0] != '{' && value[0] != '[' {
				list = append(list, value)
			}
		}
		return list
	}
	for range 3 {
		write(10)
		kit.Eventually(t, "the lines so far", func() bool { return len(arrived()) >= next })
		r.Signal(syscall.SIGTERM)
		r.wait()
		write(10)
		r.process = start(t, "run", "-c", filepath.Join(r.dir, "runnel.toml"))
		r.logs(`msg=listening url=unix://`)
	}
	in.Close()
	if status := pub.wait(); status != 0 {
		t.Errorf("status %d: %s", status, pub.Stderr.Text())
	}
	got := arrived()
	for n := range next {
		if n >= len(got) || got[n] != strconv.Itoa(n) {
			t.Fatalf("line %d did not arrive in its turn: %v", n, got)
		}
	}
}

// A line may be as long as a message. A longer line is skipped, and the rest is published.
func TestPublishLongLines(t *testing.T) {
	r := serve(t, "")
	for _, url := range []string{r.tcp, r.ws()} {
		scheme, _, _ := strings.Cut(url, ":")
		topic := "story.long." + scheme
		sub := r.subscribe(t, url, topic, "-n", "3", "--json")
		cmd := command("pub", topic, "--stdin", "--url", url)
		cmd.Stdin = io.MultiReader(strings.NewReader("first\n"), bytes.NewReader(bytes.Repeat([]byte("a"), 200_000)), strings.NewReader("\n"),
			bytes.NewReader(bytes.Repeat([]byte("b"), 3<<20)), strings.NewReader("\n"),
			bytes.NewReader(bytes.Repeat([]byte("c"), 20<<20)), strings.NewReader("\nlast\n"))
		got := finish(t, cmd)
		got.expect(t, 1, "", "line 3 skipped: it has 3145728 bytes")
		got.expect(t, 1, "", "line 4 skipped: it has 20971520 bytes")
		sub.wait()
		if text := sub.Stdout.Text(); !strings.Contains(text, `["first"]`) || !strings.Contains(text, strings.Repeat("a", 200_000)) || !strings.Contains(text, `["last"]`) {
			t.Errorf("%s: printed %.200q", scheme, text)
		}
	}
}

// Numbers below zero are arguments, not flags.
func TestNegativeNumbers(t *testing.T) {
	r := serve(t, "")
	r.offer(t, r.tcp, "story.echo", "--echo")
	runnel(t, "call", "story.echo", "-5.2", "-1e3", "--kw", "a=-1", "-7", "--timeout", "30s", "--url", r.tcp).expect(t, 0, "-5.2 -1000.0 -7 a=-1", "")
	runnel(t, "call", "story.echo", "--url", r.tcp, "--", "-x", "-1").expect(t, 0, `"-x" -1`, "")
	sub := r.subscribe(t, r.tcp, "story.cold", "-n", "1")
	runnel(t, "pub", "story.cold", "-5.2", "--ack", "--url", r.tcp).expect(t, 0, "", "")
	sub.sees("story.cold -5.2\n")
}

// Wrong usage ends with status 2 and an explanation.
func TestWrongUsageOfEach(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"bogus", "unknown command"}, {"--bogus", "unknown flag"}, {"queue", "a command is missing"}, {"queue bogus", `"ls"`}, {"serial", `"sniff"`},
		{"serial bogus", "unknown command"}, {"help bogus", "unknown command"}, {"completion bogus", "unknown command"}, {"version now", `unexpected argument "now"`},
		{"pub", "missing: runnel pub URI [ARG...]"}, {"pub a.b --bogus", "unknown flag"}, {"pub a.b -x", "unknown shorthand"}, {"pub a.b --kw x", "key=value"},
		{"call", "missing: runnel call URI"}, {"call a.b --timeout soon", "soon"}, {"call a.b --timeout -5s", "negative"},
		{"sub", "missing: runnel sub URI..."}, {"sub a -n -5", "negative"}, {"sub a -n many", "many"}, {"sub a --match some", "some"}, {"sub a --serializer xml", "xml"},
		{"sub a --url http://localhost", "ws://"}, {"sub a --url tcp://localhost:70000", "70000"}, {"sub a --url localhost:8080", "tcp://"},
		{"status --authid me --url tcp://localhost", "--ticket"}, {"reg a.b", "--exec"}, {"reg a.b --echo --exec x", "--exec"}, {"reg a.b --echo --parallel 0", "parallel"},
		{"demo --for -1s", "negative"}, {"serial sniff", "missing: runnel serial sniff DEVICE"}, {"serial add a b", `unexpected argument "b"`}, {"serial sniff /dev/null --for -1s", "negative"}, {"serial sniff /dev/null --as morse", "morse"},
		{"serial sniff /dev/null --as linky-standart", `did you mean "linky-standard"`}, {"serial sniff /dev/null --as sdm120", "serial profiles"}, {"serial sniff /dev/null --baud 0", "greater than 0"}, {"serial scan /dev/null --baud 0", "greater than 0"},
		{"sub a --durable=", "the name is empty"}, {"sub a --from all", "needs --durable"},
		{"queue peek a -n 0", "-n 0"}, {"queue drop a", "--all"}, {"run -c", "needs an argument"}, {"check --explain a", "3 arg"}, {"passwd a b", `unexpected argument "b"`}, {"check --confg x", "did you mean --config?"}, {"serial ls --jsn", "did you mean --json?"}, {"serial prob", `did you mean "probe"?`}, {"statuz", "status"}, {"fleet show", "missing: runnel fleet show NODE"},
	} {
		runnel(t, strings.Fields(c.args)...).expect(t, 2, "", c.says)
	}
	for _, flag := range []string{"--version", "-v"} {
		runnel(t, flag).expect(t, 0, "runnel ", "")
	}
}

// Errors name the rejected object and a remedy.
func TestErrorsNameTheCause(t *testing.T) {
	r := serve(t, "[[realm.role.permission]]\nuri = \"other.\"\nmatch = \"prefix\"\nallow = []\n")
	for _, c := range [][]string{{"call", "other.x"}, {"pub", "other.x", "--ack"}, {"pub", "other.x", "--ack", "--stdin"}, {"sub", "other.x"}, {"reg", "other.x", "--echo"}} {
		cmd := command(append(c, "--url", r.tcp)...)
		cmd.Stdin = strings.NewReader("line\n")
		got := finish(t, cmd)
		got.expect(t, 1, "", "other.x")
		got.expect(t, 1, "", "wamp.error.not_authorized")
	}
	if os.Getuid() != 0 {
		return // another user is needed
	}
	nobody, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("there is no setpriv")
	}
	dir, err := os.MkdirTemp("/tmp", "runnel")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o755)
	os.Chown(strings.TrimPrefix(r.unix, "unix://"), 0, 20)
	os.Chmod(strings.TrimPrefix(r.unix, "unix://"), 0o660)
	socket := filepath.Join(dir, "runnel.sock")
	if err := os.Link(strings.TrimPrefix(r.unix, "unix://"), socket); err != nil {
		t.Skip(err)
	}
	inner := command("status", "--url", "unix://"+socket)
	cmd := exec.Command(nobody, append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", inner.Path}, inner.Args[1:]...)...)
	cmd.Env = inner.Env
	finish(t, cmd).expect(t, 1, "", "may open it: sudo usermod -aG")
}

// Texts of a callee, a publisher or a router are made safe before they reach a terminal.
func TestNothingForTerminals(t *testing.T) {
	r := serve(t, "")
	c := connect(t, r.tcp)
	evil := "\x1b[31mred\u202e\u009b2J\x07"
	ask := func(*client.Invocation) error { return client.NewError("story.error.x", evil) }
	if _, err := c.Register(t.Context(), "story.evil", client.RegisterOptions{}, func(_ context.Context, i *client.Invocation) (client.Payload, error) {
		return client.Payload{}, ask(i)
	}); err != nil {
		t.Fatal(err)
	}
	sub := r.subscribe(t, r.tcp, "story.", "--match", "prefix", "-n", "1")
	if err := c.Publish(t.Context(), "story.evil", client.PublishOptions{}, client.Payload{Args: []any{evil}, Kwargs: map[string]any{evil: evil}}); err != nil {
		t.Fatal(err)
	}
	sub.wait()
	got := runnel(t, "call", "story.evil", "--url", r.tcp)
	got.expect(t, 1, "", "story.error.x: ")
	for _, text := range []string{sub.Stdout.Text(), got.stderr, got.stdout} {
		if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == 0x202e }); i >= 0 {
			t.Errorf("%q reaches the terminal", text)
		}
	}
}

// onTerminal runs the program with a terminal as its standard output, and returns what the terminal shows.
func onTerminal(t *testing.T, args ...string) string {
	t.Helper()
	master, name, err := pty.Open()
	kit.Must(t, err)
	defer master.Close()
	terminal, err := os.OpenFile(name, os.O_RDWR, 0)
	kit.Must(t, err)
	cmd := command(args...)
	cmd.Stdout = terminal
	kit.Must(t, cmd.Start())
	terminal.Close()
	text, _ := io.ReadAll(master) // ends with an error when the program closes the terminal
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %v, %s", cmd, err, text)
	}
	return string(text)
}

// The status fits a terminal of 80 columns. It shows the last error of an uplink while the uplink is down.
func TestStatusFits(t *testing.T) {
	centre := serve(t, "")
	r := serve(t, "[[uplink]]\nname = \"central\"\nrealm = \"realm1\"\nreconnect_max = \"100ms\"\nurl = \""+centre.unix+"\"\n[[uplink.export]]\ntopic = \"story.up\"\n")
	status := func() string { return onTerminal(t, "status", "--url", r.unix) }
	up := func() bool { return strings.Contains(status(), "central  up") }
	kit.Eventually(t, "the link to be up", up, status)
	centre.Signal(syscall.SIGTERM)
	centre.wait()
	kit.Eventually(t, "an error of the link", func() bool { return strings.Contains(status(), "\n  last error, ") }, status)
	for line := range strings.Lines(status()) {
		if strings.Contains(strings.TrimSpace(line), " ") && len(line) > 81 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
	start(t, "run", "-c", filepath.Join(centre.dir, "runnel.toml")).logs(`msg=listening url=unix://`)
	kit.Eventually(t, "the link to be up again", up, status)
	if text := status(); strings.Contains(text, "last error") || !strings.Contains(text, "joined again once") {
		t.Error(text)
	}
}
